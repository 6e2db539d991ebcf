"""What a person should see of a classifier before trusting it: figures, reliability, its worst mistakes."""

import html
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from sandlot.learners.chart import Series, line_chart
from sandlot.learners.files import write_whole
from sandlot.learners.film import data_uri
from sandlot.perception.classifier import measure
from sandlot.perception.classifier.dataset import FrameSet
from sandlot.perception.classifier.model import Classifier, reached
from sandlot.perception.classifier.sheet import Tile, sheet
from sandlot.perception.classifier.train import Progress, answers, judged

REPORT, MISTAKES = "report.html", "mistakes.png"
WORST = 24
NEARLY = 0.005
"""So much less precision than was asked for is not worth a word."""
STYLE = """
body { margin: 0 auto; max-width: 1120px; padding: 24px; font: 15px/1.5 system-ui, sans-serif; color: #1c2430;
  background: #fff } h2 { font-size: 17px; margin-top: 32px }
td, th { padding: 3px 14px 3px 0; text-align: right } img { max-width: 100%; image-rendering: pixelated }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 14px }
@media (prefers-color-scheme: dark) { body { background: #12161c; color: #e3e8ef } }
"""


def write(
    folder: pathlib.Path, classifier: Classifier, held: FrameSet, history: Sequence[Progress] = ()
) -> list[dict[str, Any]]:
    """Writes `report.html` and `mistakes.png` about held-out frames; returns the figures of each stage."""
    stages = judged(classifier, held)
    p = reached(answers(classifier, held))
    tiles = worst(classifier, held, p)
    picture = sheet(tiles) if tiles else None
    if picture is None:
        (folder / MISTAKES).unlink(missing_ok=True)  # the last one's are not this one's
    else:
        write_whole(folder / MISTAKES, picture)
    charts = [chart for k, stage in enumerate(stages) for chart in _charts(stage, p[:, k], held.labels > k)]
    if history:
        charts.append(_learning(history))
    parts = [
        f"<h1>Reward classifier of {html.escape(classifier.spec.task)}</h1>",
        f"<p>{classifier.digest[:12]}, cameras {', '.join(sorted(classifier.spec.cameras))}; measured on "
        f"{len(held)} frames of {len(np.unique(held.episodes))} episodes that it never saw.</p>",
        *(_table(stage) for stage in stages),
        f'<div class="charts">{"".join(charts)}</div>',
        "<h2>Worst mistakes</h2>",
        f'<img alt="worst mistakes" src="{data_uri(picture, "png")}">' if picture else "<p>None.</p>",
        f"<h2>The file</h2><pre>{html.escape(_facts(classifier))}</pre>",
    ]
    head = f'<!doctype html><meta charset="utf-8"><title>Reward classifier</title><style>{STYLE}</style>'
    write_whole(folder / REPORT, "\n".join([head, *parts]).encode())
    return stages


def doubts(stages: Sequence[dict[str, Any]], precision: float) -> str:
    """Why a classifier should not give rewards yet, and what to do; empty when it may."""
    for stage in stages:
        found, recall = stage["precision"], stage["recall"]
        precise = found is not None and found >= precision - NEARLY
        if not precise or recall is None or recall < measure.LEAST_RECALL:
            return (
                f"stage='{stage['stage']}' precision={_number(found)} asked={precision:g} "
                f"recall={_number(recall)}: collect more episodes, and look at {MISTAKES}"
            )
    return ""


def worst(classifier: Classifier, data: FrameSet, p: np.ndarray, most: int = WORST) -> list[Tile]:
    """The frames on the wrong side of a threshold, the most certain ones first; p is [N, stages]."""
    spec = classifier.spec
    truth = data.labels[:, None] > np.arange(spec.stages)
    wrong = (p >= np.array(spec.enter)) != truth
    far = np.where(wrong, np.abs(measure.log_odds(p) - measure.log_odds(np.array(spec.enter))), -1.0)
    rows = np.argsort(-far.max(1), kind="stable")[:most]
    tiles = []
    for row in rows[far.max(1)[rows] >= 0]:
        stage = int(far[row].argmax())
        frames = [data.frames[camera][row] for camera in sorted(data.frames)]
        text = f"p={p[row, stage]:.3f} is {spec.classes[data.labels[row]]}"
        tiles.append(Tile(frames, text, bool(truth[row, stage])))
    return tiles


def _charts(stage: dict[str, Any], p: np.ndarray, truth: np.ndarray) -> list[str]:
    """Reliability, and precision against recall."""
    name = stage["stage"]
    bins = measure.reliability(p, truth)
    recall, precision = measure.curve(p, truth)
    return [
        line_chart(
            f"Reliability of '{name}' (error {bins.error:.3f})",
            [
                Series("as said", bins.said, bins.came),
                Series("perfect", [0.0, 1.0], [0.0, 1.0], dashed=True),
            ],
            x_label="probability said",
            y_range=(0.0, 1.0),
            percent=True,
        ),
        line_chart(
            f"Precision and recall of '{name}'",
            [Series("", recall, precision)],
            x_label="recall",
            y_range=(0.0, 1.0),
            percent=True,
        ),
    ]


def _learning(history: Sequence[Progress]) -> str:
    """Losses while it learned."""
    updates = [float(one.updates) for one in history]
    lines = [
        Series("training", updates, [one.train_loss for one in history]),
        Series("validation", updates, [one.validation_loss for one in history]),
    ]
    return line_chart("Learning", lines, x_label="updates")


def _table(stage: dict[str, Any]) -> str:
    """Precision and recall at the chosen threshold and at others."""
    chosen = [stage["threshold"], stage["precision"], stage["recall"]]
    rows = [("chosen", chosen), *(("", at) for at in stage["at"])]
    cells = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{_number(value)}</td>" for value in values) + "</tr>"
        for name, values in rows
    )
    return (
        f"<h2>{html.escape(stage['stage'])}: {stage['positives']} of {stage['frames']} frames</h2>"
        f"<table><tr><th></th><th>threshold</th><th>precision</th><th>recall</th></tr>{cells}</table>"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _facts(classifier: Classifier) -> str:
    """The file's metadata for people."""
    return json.dumps(msgspec.to_builtins(classifier.spec), indent=1)
