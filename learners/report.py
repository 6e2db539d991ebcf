"""`report.html`: one self-contained page about a run, made from nothing but the run's folder."""

import html
import importlib.resources
import json
import logging
import math
import pathlib
import string
import time
from collections.abc import Sequence
from typing import Any

from sandlot.learners import film, machine
from sandlot.learners.chart import Series, line_chart
from sandlot.learners.config import load_config
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import SandlotError
from sandlot.learners.evaluate import EvalConfig
from sandlot.learners.ledger import Use
from sandlot.learners.policy import Policy
from sandlot.learners.prepare import CONFIG_FILE, POLICY_FILE, STATUS_FILE
from sandlot.learners.progress import read_status
from sandlot.learners.report_data import RunData, read_run
from sandlot.learners.store import RunReader

log = logging.getLogger(__name__)

FILE = "report.html"
EVALUATION_FILE = "eval.json"
FILM_EPISODES = 4
GOOD_SUCCESS = 0.9
STEPS, MINUTES = "env steps", "minutes of running"

PACE = (
    ("Updates a second", ("updates_per_s",)),
    ("Env steps a second", ("env_steps_per_s",)),
    ("Update ratio", ("ratio_reached", "ratio_wanted")),
    ("Age of the actors' policy, s", ("policy_age_s",)),
    ("One compiled update, ms", ("update_ms",)),
    ("Share of the time that was practice", ("utilisation", "utilisation_10min")),
    ("Where the time went, s", tuple(f"time_{use}_s" for use in Use)),
    ("An hour of practice", ("trials_per_hour", "interventions_per_hour")),
    ("Interventions per 100 episodes, last 50", ("interventions_per_100_episodes",)),
    ("Steps of a correction, last 50 episodes", ("correction_steps_50",)),
    ("With a person, last 50 episodes", ("unaided_50", "human_share_50")),
)
COUNTED = ("calls", "resets", "reset_tries", "reset_steps", "reset_s")
PEOPLE = ("interventions", "human_share", "correction_steps")
ON_ROBOT = "No pictures: the run was practised on a robot, and a report moves none."
ELSEWHERE = {
    "success_50", "return_50", "updates", "elapsed_s", "episode_steps_50", *COUNTED, *PEOPLE,
}  # fmt: skip
"""Metrics that get no chart of their own: facts, or curves above."""


def write_report(
    folder: pathlib.Path | str, *, evaluation: dict[str, Any] | None = None, with_film: bool = True
) -> pathlib.Path:
    """Writes `report.html` into a run folder and returns its path.

    Args:
        folder: the run; it may still be going on.
        evaluation: what `Evaluation.summary` gave; else the newest that the folder holds.
        with_film: play and show the policy; where that cannot be rendered the page says why.

    Raises:
        StoreError: the folder holds no run.
    """
    folder = pathlib.Path(folder)
    evaluation = evaluation or read_evaluation(folder)
    data = read_run(RunReader(folder))
    template = string.Template((importlib.resources.files("sandlot.learners") / FILE).read_text())
    page = template.substitute(
        title=html.escape(f"{data.task} · {folder.name}"),
        subtitle=f"Sandlot run report, written {time.strftime('%Y-%m-%d %H:%M')}",
        figures=_figures(data, evaluation),
        film=_film(folder, data.task) if with_film else "<p class='faint'>Left out.</p>",
        learning=_learning(data, evaluation),
        pace=_charts([_metric_chart(data, title, names) for title, names in PACE]),
        losses=_losses(data),
        facts=_table(_facts(data, evaluation)),
        machine=_table(machine.describe()),
        event_count=len(data.events),
        events=html.escape("\n".join(f"{m:8.2f} min  {name}  {text}" for m, name, text in data.events)),
        config=html.escape(_config_text(folder)),
    )
    path = folder / FILE
    path.write_text(page)
    log.info("event=report path=%s bytes=%d", path, len(page))
    return path


def save_evaluation(folder: pathlib.Path, summary: dict[str, Any]) -> None:
    """Keeps the newest evaluation in the run's folder, for the report."""
    (folder / EVALUATION_FILE).write_text(json.dumps(summary) + "\n")


def read_evaluation(folder: pathlib.Path) -> dict[str, Any] | None:
    """The newest evaluation of a run: of `sandlot eval`, else the one at the end of training, else None."""
    path = folder / EVALUATION_FILE
    return json.loads(path.read_text()) if path.exists() else read_status(folder / STATUS_FILE).get("final")


def _figures(data: RunData, evaluation: dict[str, Any] | None) -> str:
    """The big numbers on top."""
    found: list[tuple[str, str]] = []
    rate = evaluation["success"] if evaluation else None
    if evaluation and rate is not None:
        low, high = (100 * end for end in evaluation["interval"])
        words = f"success over {evaluation['episodes']} episodes (95 %: {low:.0f} to {high:.0f} %)"
        found.append((_percent(rate), words))
    elif evaluation:
        found.append(
            (f"{evaluation['mean_return']:.4g}", f"mean return of {evaluation['episodes']} episodes")
        )
    elif data.success.any():
        found.append((_percent(data.success[-1]), "success over the last 50 episodes"))
    elif len(data.reward_sum):
        found.append((f"{data.reward_sum[-1]:.4g}", "mean return of the last 50 episodes"))
    reached, wanted = (_number(data.last(f"ratio_{name}"), ".2f") for name in ("reached", "wanted"))
    found += [
        (f"{data.env_steps:,}", f"env steps in {len(data.step):,} episodes"),
        (_duration(data.seconds), "of running"),
        (_number(data.last("updates"), ",.0f"), "gradient steps"),
        (reached, f"updates an env step, {wanted} wanted"),
    ]
    good = rate is not None and rate >= GOOD_SUCCESS
    return "".join(
        f'<div class="card figure{" good" if good and i == 0 else ""}"><b>{value}</b>'
        f'<span class="faint">{html.escape(words)}</span></div>'
        for i, (value, words) in enumerate(found)
    )


def _learning(data: RunData, evaluation: dict[str, Any] | None) -> str:
    """Success and return, over env steps and over running time."""
    reports_success = bool(data.success.any()) or bool(evaluation and evaluation["success"] is not None)
    charts = []
    for x, label in ((data.step, STEPS), (data.minutes, MINUTES)):
        if reports_success:
            line = Series("success", x, data.success)
            charts.append(
                line_chart("Success, last 50 episodes", [line], x_label=label, y_range=(0, 1), percent=True)
            )
    for x, label in ((data.step, STEPS), (data.minutes, MINUTES)):
        charts.append(
            line_chart("Return, last 50 episodes", [Series("return", x, data.reward_sum)], x_label=label)
        )
    return _charts(charts)


def _metric_chart(data: RunData, title: str, names: Sequence[str]) -> str:
    """One chart of metrics over running time, empty when none of them was noted."""
    lines = [
        Series(name, data.metrics[name][1], data.metrics[name][2], dashed=name.endswith("_wanted"))
        for name in names
        if name in data.metrics
    ]
    return line_chart(title, lines, x_label=MINUTES) if lines else ""


def _losses(data: RunData) -> str:
    """A small chart for every metric that has no place elsewhere."""
    elsewhere = ELSEWHERE.union(*(names for _, names in PACE))
    names = [name for name in data.metrics if name not in elsewhere]
    lines = ((n, Series(n, data.metrics[n][0], data.metrics[n][2])) for n in names)
    return _charts([line_chart(n, [line], x_label=STEPS) for n, line in lines], small=True)


def _charts(charts: Sequence[str], *, small: bool = False) -> str:
    cards = "".join(f'<div class="card chart">{c}</div>' for c in charts if c)
    if not cards:
        return '<p class="faint">No figures were noted.</p>'
    return f'<div class="charts{" small" if small else ""}">{cards}</div>'


def _film(folder: pathlib.Path, task: str) -> str:
    """A GIF and a filmstrip of the policy file, or one sentence on why there is none."""
    config = folder / CONFIG_FILE
    env = load_config(config).env if config.exists() else EnvConfig()
    if env.robot == "ros":
        return f'<p class="faint">{ON_ROBOT}</p>'
    try:
        policy = Policy.load(folder / POLICY_FILE)
        shot = film.shoot(policy, EvalConfig(task=task, episodes=FILM_EPISODES, env=env.alone()))
    except SandlotError as err:
        log.warning("event=no_film reason=%r", str(err))
        return f'<p class="faint">No pictures: {html.escape(str(err))}</p>'
    strip = "".join(f'<img src="{film.data_uri(p, "jpeg")}" alt="">' for p in film.strip(shot))
    moving = film.data_uri(film.gif(shot), "gif")
    return (
        f'<div class="row film"><img src="{moving}" alt="the final policy" width="{film.GIF_WIDTH_PX}">'
        f'<div class="strip">{strip}</div></div>'
        f'<p class="faint">Left: {len(shot.episodes)} episodes in simulation, seeds from 0 on, in real time. '
        "Right: one of them from start to end.</p>"
    )


def _facts(data: RunData, evaluation: dict[str, Any] | None) -> dict[str, str]:
    """What is worth a line."""
    facts = {
        "task": data.task,
        "env steps": f"{data.env_steps:,}",
        "practice episodes": f"{len(data.step):,}",
        "aborted episodes": f"{data.aborted:,}",
        "demonstrations": f"{data.demos:,}",
        "running time": _duration(data.seconds),
    }
    for name in ("updates_per_s", "env_steps_per_s", "update_ms"):
        if name in data.metrics and len(data.metrics[name][2]):
            values = sorted(v for v in data.metrics[name][2] if math.isfinite(v))
            facts[f"{name}, median"] = _number(values[len(values) // 2] if values else math.nan, ",.4g")
    facts |= {
        name.replace("_", " "): _number(data.last(name), ",.4g") for name in (*PEOPLE, *COUNTED)
        if data.last(name) > 0
    }  # fmt: skip
    for name, row in data.resets.items():
        done = " · ".join(f"{figure} {value:,.4g}" for figure, value in row.items())
        facts[f"reset controller {name}"] = done
    if evaluation:
        facts["final evaluation"] = json.dumps(evaluation)
    return facts


def _table(rows: dict[str, str]) -> str:
    cells = (f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _config_text(folder: pathlib.Path) -> str:
    path = folder / CONFIG_FILE
    return path.read_text() if path.exists() else f"({CONFIG_FILE} is missing)"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
