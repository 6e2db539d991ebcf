"""What a person sees of how practice goes: its time, resets, calls for a person; the reverse task's run."""

from rich.console import RenderableType
from rich.text import Text

from sandlot.learners.ledger import Use
from sandlot.learners.view_words import BAD, FAIR, GOOD, LABEL, UNKNOWN, Status, count, fixed, number, percent

USED_WELL = 0.8
"""Practising for this share of the time is good; published runs of others reach half."""
LONG_CORRECTION = 0.3
"""Of an episode's steps: a correction that takes longer teaches the policy little about its own mistakes."""
USES = {
    Use.RESETTING: "resets",
    Use.LEARNER: "waits for updates",
    Use.PERSON: "for a person",
    Use.FAULT: "for the robot",
}


def practice(status: Status) -> Text:
    """What the actors' time went to, and what people and reset controllers did in it."""
    times = {use: float(status.get(f"time_{use}_s", 0.0)) for use in Use}
    wall_s = sum(times.values()) or 1.0
    used = float(status["utilisation"])
    text = Text.assemble(
        ("practising ", LABEL), (f"{100 * used:.0f} %", f"bold {GOOD if used >= USED_WELL else FAIR}"),
        (f" of the time, last 10 min {percent(status.get('utilisation_10min'))}", ""),
        *((f" · {words} {percent(times[use] / wall_s)}", LABEL) for use, words in USES.items() if times[use]),
        f"\n{number(status.get('trials_per_hour'))} trials an hour",
    )  # fmt: skip
    if status.get("interventions"):
        text.append_text(corrections(status))
    if status.get("resets"):
        text.append(f" · {count(status['resets'])} resets of {fixed(status.get('reset_s'), 1)} s")
    calls = status.get("calls") or 0.0
    return text.append(f" · called a person {calls:.0f} x" if calls else "", style=f"bold {BAD}")


def corrections(status: Status) -> Text:
    """How often a person took over, for how long, and whether shorter would do."""
    hourly, per_100 = (number(status.get(f"interventions_per_{of}")) for of in ("hour", "100_episodes"))
    length, episode = (float(status.get(k) or 0.0) for k in ("correction_steps_50", "episode_steps_50"))
    text = Text(
        f" · {hourly} interventions an hour\nlast 50 episodes: {percent(status.get('unaided_50'))} succeeded "
        f"unaided · {per_100} interventions per 100 episodes, {fixed(length, 1)} steps each · "
        f"{percent(status.get('human_share_50'))} of steps by a person"
    )
    if length > LONG_CORRECTION * episode > 0.0:
        text.append("\ncorrections are long: hand back as soon as the policy can go on", style=FAIR)
    return text


def back(status: Status) -> RenderableType:
    """The run of the reverse task in one line."""
    return Text.assemble(
        ("in turn with ", LABEL), (str(status.get("task", UNKNOWN)), "bold deep_sky_blue1"),
        f" {status.get('state', 'starting')}: {count(status.get('env_steps'))} of "
        f"{count(status.get('total_steps'))} env steps, {percent(status.get('success_50'))} success, ratio "
        f"{fixed(status.get('ratio_reached'))}",
    )  # fmt: skip
