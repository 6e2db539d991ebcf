"""What a person sees of how practice goes: its time, resets, calls for a person; the reverse task's run."""

from rich.console import RenderableType
from rich.text import Text

from sandlot.learners.ledger import Use
from sandlot.learners.view_words import BAD, FAIR, GOOD, LABEL, UNKNOWN, Status, count, fixed, number, percent

USED_WELL = 0.8
"""Practising for this share of the time is good; published runs of others reach half."""
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
        rate, length = (number(status.get(k)) for k in ("interventions_per_hour", "correction_steps"))
        text.append(f" · {rate} interventions an hour of {length} steps, ")
        text.append(f"{percent(status.get('human_share_50'))} of steps by a person")
    if status.get("resets"):
        text.append(f" · {count(status['resets'])} resets of {fixed(status.get('reset_s'), 1)} s")
    calls = status.get("calls") or 0.0
    return text.append(f" · called a person {calls:.0f} x" if calls else "", style=f"bold {BAD}")


def back(status: Status) -> RenderableType:
    """The run of the reverse task in one line."""
    return Text.assemble(
        ("in turn with ", LABEL), (str(status.get("task", UNKNOWN)), "bold deep_sky_blue1"),
        f" {status.get('state', 'starting')}: {count(status.get('env_steps'))} of "
        f"{count(status.get('total_steps'))} env steps, {percent(status.get('success_50'))} success, ratio "
        f"{fixed(status.get('ratio_reached'))}",
    )  # fmt: skip
