"""`sandlot classifier`: rewards from camera frames, from a first labelled frame to a file that is trusted."""

import contextlib
import functools
import itertools
import logging
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from sandlot.cli import act, parse, print_result
from sandlot.commands.classifier_flags import Collect, Relabel, Report, Train
from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.learners.files import write_whole
from sandlot.learners.store import RunReader
from sandlot.perception.classifier import Classifier, queue, report
from sandlot.perception.classifier.collect import RunLabels, layout_of, run_clips
from sandlot.perception.classifier.dataset import PARTS, Clip, FrameStore
from sandlot.perception.classifier.practise import practise
from sandlot.perception.classifier.sheet import Tile, sheet
from sandlot.perception.classifier.train import Progress, train

HELP = {
    "collect": "label frames: from runs, demonstrations and bags as runs, or from a simulated task",
    "train": "learn from the labelled frames, and measure on episodes that were held out",
    "report": "measure again, and draw the worst mistakes",
    "relabel": "list the frames it was not sure of, and label them",
}
log = logging.getLogger(__name__)

DATA, FILE, SHEET = "data", "classifier.safetensors", "queue.png"
ROOT, CLASSES = pathlib.Path("classifiers"), ("no", "yes")
TOGETHER = 10
"""Episodes that are written as one file."""


def main(argv: list[str]) -> int:
    """Runs one of the actions."""
    actions = {name: (text, functools.partial(_run, name)) for name, text in HELP.items()}
    where = "Data, file and report live in classifiers/TASK.\n\n"
    return act("classifier", actions, argv, takes=" ...", about=where)


def _run(name: str, argv: list[str]) -> None:
    run = {"collect": _collect, "train": _train, "report": _report, "relabel": _relabel}
    print_result(run[name](argv), as_json="--json" in argv)


def _collect(argv: list[str]) -> dict[str, Any]:
    """Frames from every source into one data set."""
    flags = parse(Collect, argv, prog="classifier collect")
    if not flags.sources:
        raise ConfigError("nothing to collect from; name a task or folders of runs or demonstrations")
    if flags.env.classifier or flags.env.encoder:
        raise ConfigError(
            "collect needs the cameras' own frames and labels; leave --classifier and --encoder out"
        )
    began_s, episodes, frames, folder = time.monotonic(), 0, 0, pathlib.Path()
    for source in flags.sources:
        store, clips = _of_task(source, flags) if _is_task(source) else _of_folder(source, flags)
        folder = store.folder
        for some in _batches(clips):
            added = store.add(some)
            episodes, frames = episodes + added[0], frames + added[1]
            sys.stderr.write(f"{source}: {episodes} episodes, {frames} frames\n")
    parts = {part: dict(zip(store.layout.classes, store.load(part).count(), strict=True)) for part in PARTS}
    return {
        "folder": str(folder.parent),
        "episodes_added": episodes,
        "frames_added": frames,
        **{f"{part}_{name}": count for part, counts in parts.items() for name, count in counts.items()},
        "seconds": round(time.monotonic() - began_s, 1),
    }


def _is_task(source: str) -> bool:
    """Whether a source is a task's name, not a folder; ConfigError when it is neither."""
    if source in envs.tasks() or pathlib.Path(source).exists():
        return source in envs.tasks()
    if source.startswith(envs.PREFIX):
        raise ConfigError(
            f"collect plays Sandlot's own tasks, not '{source}'; choose one of {', '.join(envs.tasks())}"
        )
    if "/" not in source:
        raise ConfigError(f"there is no folder '{source}', and {envs.unknown(source)}")
    return False


def _of_task(task: str, flags: Collect) -> tuple[FrameStore, Iterator[Clip]]:
    """Where frames of a simulated task go, and the episodes as they are played."""
    if flags.label:
        raise ConfigError(
            f"--label {flags.label} is for folders; of task '{task}' the simulator says what frames show: "
            "leave it out"
        )
    env = envs.make(task, **flags.env.kwargs())
    layout = layout_of(envs.env_spec(env), flags.classes or CLASSES, envs.crops(env))
    store = FrameStore(_folder(flags.out, task) / DATA, layout)

    def clips() -> Iterator[Clip]:
        try:
            yield from practise(
                env,
                task,
                layout,
                episodes=flags.episodes,
                seed=flags.seed,
                noise=flags.noise,
                world="randomized" if flags.env.randomize else "sim",
                policy=flags.policy,
                known={record.episode for record in store.records()},
            )
        finally:
            env.close()

    return store, clips()


def _of_folder(source: str, flags: Collect) -> tuple[FrameStore, Iterator[Clip]]:
    """Where frames of a run go, and its episodes."""
    spec = RunReader(source).spec
    layout = layout_of(spec, flags.classes or CLASSES)
    how = RunLabels(before=flags.before, close=flags.close, label=flags.label)
    store = FrameStore(_folder(flags.out, spec.task) / DATA, layout)
    return store, run_clips(pathlib.Path(source), layout, how)


def _train(argv: list[str]) -> dict[str, Any]:
    """Trains, writes the file and its report."""
    flags = parse(Train, argv, prog="classifier train")
    folder, began_s = pathlib.Path(flags.folder), time.monotonic()
    store = FrameStore(folder / DATA)
    start = _before(folder / FILE) if (folder / FILE).is_file() and not flags.fresh else None
    history: list[Progress] = []

    def show(now: Progress) -> None:
        history.append(now)
        sys.stderr.write(
            f"updates={now.updates} train_loss={now.train_loss:.4f} "
            f"validation_loss={now.validation_loss:.4f} best_at={now.best}\n"
        )

    classifier = train(store, flags.learn, start=start, show=show)
    classifier.save(folder / FILE)
    stages = report.write(folder, classifier, store.load("test"), history)
    if doubts := report.doubts(stages, flags.learn.precision):
        log.warning("event=classifier_not_good_enough %s", doubts)
    return _summary(folder, classifier, stages) | {"seconds": round(time.monotonic() - began_s, 1)}


def _before(path: pathlib.Path) -> Classifier:
    """The classifier to go on from."""
    try:
        return Classifier.load(path)
    except WeightsError as error:
        raise WeightsError(f"{error}; --fresh starts from new weights") from error


def _report(argv: list[str]) -> dict[str, Any]:
    """Measures a file once more."""
    flags = parse(Report, argv, prog="classifier report")
    folder = pathlib.Path(flags.folder)
    classifier = Classifier.load(folder / FILE)
    store = FrameStore(flags.data or folder / DATA)
    classifier.matches(store.layout.task, store.layout.cameras, store.layout.crops or {})
    if store.layout.classes != classifier.spec.classes:
        raise ConfigError(
            f"data '{store.folder}' has classes {store.layout.classes}, the classifier "
            f"{classifier.spec.classes}; measure it on data with its own classes"
        )
    return _summary(folder, classifier, report.write(folder, classifier, store.load("test")))


def _relabel(argv: list[str]) -> dict[str, Any]:
    """Lists or labels the queue."""
    flags = parse(Relabel, argv, prog="classifier relabel")
    folder = pathlib.Path(flags.folder)
    if not folder.is_dir():
        raise ConfigError(f"'{folder}' is no folder; give a classifier's, such as classifiers/arm_pick")
    waiting = queue.pending(folder / queue.FOLDER)
    if flags.label:
        store = FrameStore(folder / DATA)
        names = [_full_name(given, waiting) for given in flags.frames]
        done = queue.relabel(folder / queue.FOLDER, names, flags.label, store)
        return {"folder": str(folder), "labelled": done, "left": len(waiting) - done}
    if waiting:
        tiles = [Tile([one.frames[c] for c in sorted(one.frames)], _said(one)) for one in waiting]
        write_whole(folder / SHEET, sheet(tiles))
    for one in waiting:
        sys.stderr.write(_said(one) + "\n")
    return {"folder": str(folder), "waiting": len(waiting), "sheet": str(folder / SHEET) if waiting else None}


def _folder(out: str, task: str) -> pathlib.Path:
    """A classifier's folder."""
    return pathlib.Path(out) if out else ROOT / task.replace(":", "-")


def _batches(clips: Iterator[Clip]) -> Iterator[list[Clip]]:
    """Some episodes at a time, so that what was collected is kept when the rest fails."""
    with contextlib.closing(clips):  # type: ignore[type-var]
        while some := list(itertools.islice(clips, TOGETHER)):
            yield some


def _summary(folder: pathlib.Path, classifier: Classifier, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures a command ends with: of the last stage by name, of earlier ones as they are."""
    last = {name: value for name, value in stages[-1].items() if name != "at"}
    earlier = {f"{s['stage']}_{name}": s[name] for s in stages[:-1] for name in ("precision", "recall")}
    return {
        "file": str(folder / FILE),
        "digest": classifier.digest[:12],
        **last,
        **earlier,
        "threshold_precise_on_validation": classifier.spec.figures["precision_reached_on_validation"],
        "report": str(folder / report.REPORT),
    }


def _full_name(given: str, waiting: list[queue.Uncertain]) -> str:
    """The frame whose name ends so."""
    found = [one.name for one in waiting if one.name.endswith(given)]
    if len(found) > 1:
        raise ConfigError(f"frame '{given}' may be any of {', '.join(found)}; give more of its name")
    return found[0] if found else given


def _said(one: queue.Uncertain) -> str:
    """The end of a frame's name, and what the classifier thought."""
    return f"{one.name[-6:]} p={one.p_success:.3f}"
