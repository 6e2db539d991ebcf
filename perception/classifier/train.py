"""Learning a classifier: early stopping and thresholds on validation episodes, figures on test episodes."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import msgspec
import numpy as np

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.sight import encoder_with
from sandlot.perception.classifier import measure, network
from sandlot.perception.classifier.dataset import PARTS, FrameSet, FrameStore
from sandlot.perception.classifier.model import Classifier, ClassifierSpec, reached
from sandlot.perception.classifier.watch import MOST_BLANK, Limits

ANSWER_BATCH = 256
HYSTERESIS = 1.5
"""How much lower the log odds are from which a stage counts as left."""
ENCODER, HIDDEN = "conv", 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """How to learn.

    Attributes:
        encoder: plugin name of the encoder of each camera; empty: that of the file it goes on from, or conv.
        encoder_settings: the encoder's own settings, as NAME=VALUE.
        updates: gradient steps at most.
        batch: frames of each step, each class equally often.
        lr: step size of Adam.
        decay: decoupled weight decay, as a share of the step size.
        hidden: units between the encoders and the classes; 0: those of that file, or 64.
        shift_px: random shift of each frame.
        light: random change of brightness and contrast, as a share.
        check_every: updates between two looks at the validation episodes.
        patience: looks without an improvement before it stops.
        precision: of the threshold on the validation episodes; a little more than is wanted elsewhere.
        debounce: steps that must say so before a stage is reached, at least 2.
        least: frames that every class must have among the training episodes.
        seed: of everything random.
    """

    encoder: str = ""
    encoder_settings: tuple[str, ...] = ()
    hidden: int = 0
    updates: int = 2000
    batch: int = 64
    lr: float = 5e-4
    decay: float = 0.01
    shift_px: int = 1
    light: float = 0.15
    check_every: int = 50
    patience: int = 10
    precision: float = 0.995
    debounce: int = 2
    least: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        rules = {"updates": 1, "batch": 2, "check_every": 1, "patience": 1, "debounce": 2, "least": 1}
        rules |= {"hidden": 0, "shift_px": 0, "seed": 0}
        for name, low in rules.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {low}")
        if not 0.0 <= self.light < 1.0 or not 0.5 <= self.precision < 1.0 or not 0.0 < self.lr < math.inf:
            raise ConfigError(
                f"light={self.light}, precision={self.precision}, lr={self.lr}: light is in [0, 1), "
                "precision in [0.5, 1), lr a number above 0"
            )


@dataclasses.dataclass(frozen=True)
class Progress:
    """What is known after some updates; losses are means a frame, classes weighed alike."""

    updates: int
    train_loss: float
    validation_loss: float
    best: int
    """Updates after which the validation loss was least."""


Show = Callable[[Progress], None]


def train(
    store: FrameStore, config: LearnConfig, *, start: Classifier | None = None, show: Show | None = None
) -> Classifier:
    """Learns from a data set, from fresh weights or on from a classifier's.

    Raises:
        ConfigError: a class has too few frames in a part, or a camera shows nothing in all of them.
        SpecError: `start` looks at other cameras, or knows other classes.
    """
    parts = {name: store.load(name) for name in PARTS}
    _check(parts, config.least)
    spec = _spec(parts, config, start)
    weights = _learn(parts["train"], parts["validation"], spec, config, start=start, show=show)
    return trusted(Classifier(spec=spec, weights=weights), parts, config.precision)


def answers(classifier: Classifier, data: FrameSet) -> np.ndarray:
    """Calibrated logits, float32 [N, K], by JAX: quicker than the actor's numpy for many frames."""
    params = {name: jax.numpy.asarray(array) for name, array in classifier.weights.items()}
    return _answers(params, data, classifier.spec, classifier.encoder) / np.float32(
        classifier.spec.temperature
    )


def trusted(classifier: Classifier, parts: dict[str, FrameSet], precision: float) -> Classifier:
    """The classifier with its temperature and thresholds from validation, and its figures from test."""
    spec, held = classifier.spec, parts["validation"]
    logits = answers(classifier, held) * spec.temperature
    temperature = measure.fit_temperature(logits, held.labels)
    p = reached(logits / temperature)
    chosen = [measure.choose_threshold(p[:, k], held.labels > k, precision) for k in range(spec.stages)]
    enter = tuple(round(threshold, 4) for threshold, _ in chosen)
    leave = tuple(round(float(measure.share(measure.log_odds(e) - HYSTERESIS)), 4) for e in enter)
    spec = msgspec.structs.replace(spec, temperature=temperature, enter=enter, leave=leave)
    found = Classifier(spec=spec, weights=classifier.weights)
    figures: dict[str, Any] = {"precision_reached_on_validation": all(good for _, good in chosen)}
    figures["stages"] = judged(found, parts["test"])
    return Classifier(spec=msgspec.structs.replace(spec, figures=figures), weights=classifier.weights)


def judged(classifier: Classifier, data: FrameSet) -> list[dict[str, Any]]:
    """The figures of every stage on some frames; see `measure.figures`."""
    p, spec = reached(answers(classifier, data)), classifier.spec
    return [
        {"stage": spec.classes[k + 1]} | measure.figures(p[:, k], data.labels > k, data.hard, spec.enter[k])
        for k in range(spec.stages)
    ]


def _spec(parts: dict[str, FrameSet], config: LearnConfig, start: Classifier | None) -> ClassifierSpec:
    """What will be learned; nothing is calibrated yet."""
    layout = parts["train"].layout
    if start is not None:
        start.matches(layout.task, layout.cameras, layout.crops or {})
        if start.spec.classes != layout.classes or set(start.spec.cameras) != set(layout.cameras):
            raise SpecError(
                f"the classifier knows classes {start.spec.classes} on cameras {sorted(start.spec.cameras)}, "
                f"the data {layout.classes} on {sorted(layout.cameras)}; train a fresh one with --fresh"
            )
        asked: dict[str, Any] = {"encoder": config.encoder, "hidden": config.hidden}
        if config.encoder_settings:
            asked["settings"] = _settings(config, start.spec.encoder)
        for name, given in asked.items():
            there = getattr(start.spec, name)
            if given and _listed(given) != _listed(there):
                raise ConfigError(
                    f"{name}={given}, but the classifier to go on from has {there}; leave it out, or start "
                    "from new weights with --fresh"
                )
    encoder = start.spec.encoder if start else config.encoder or ENCODER
    settings = start.spec.settings if start else _settings(config, encoder)
    stages = len(layout.classes) - 1
    return ClassifierSpec(
        task=layout.task,
        cameras=layout.cameras,
        crops=layout.crops,
        classes=layout.classes,
        encoder=encoder,
        settings=settings,
        hidden=start.spec.hidden if start else config.hidden or HIDDEN,
        enter=(0.5,) * stages,
        leave=(0.25,) * stages,
        debounce=config.debounce,
        examples={
            f"{name}/{label}": count
            for name, data in parts.items()
            for label, count in zip(layout.classes, data.count(), strict=True)
        },
    )


def _settings(config: LearnConfig, encoder: str) -> dict[str, Any]:
    """All settings of an encoder."""
    return dataclasses.asdict(encoder_with(encoder, config.encoder_settings))


def _listed(value: Any) -> Any:
    """The same as a file's JSON has it, tuples as lists."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _learn(
    data: FrameSet,
    held: FrameSet,
    spec: ClassifierSpec,
    config: LearnConfig,
    *,
    start: Classifier | None,
    show: Show | None,
) -> dict[str, np.ndarray]:
    """The weights that did best on the validation episodes."""
    encoder = plugins.load("encoder", spec.encoder)(**spec.settings)
    key, first = jax.random.split(jax.random.key(config.seed))
    best = network.init(first, encoder, spec.cameras, spec.hidden, len(spec.classes))
    if start is not None:
        old = _leaning(start.weights, start.spec, -1.0)
        best = {name: jax.numpy.asarray(array) for name, array in old.items()}
    step = functools.partial(
        network.update,
        encoder=encoder,
        cameras=tuple(sorted(spec.cameras)),
        lr=config.lr,
        decay=config.decay,
        pad_px=config.shift_px,
        light=config.light,
    )
    state, rng, odds = network.begin(best), np.random.default_rng(config.seed), _odds(data)
    best_loss, best_at, losses = _loss(best, held, spec, encoder), 0, []
    for done in range(1, config.updates + 1):
        rows = rng.choice(len(data), config.batch, p=odds)
        images = {camera: frames[rows] for camera, frames in data.frames.items()}
        state, loss = step(state, jax.random.fold_in(key, done), images, data.labels[rows])
        losses.append(loss)
        if done % config.check_every and done != config.updates:
            continue
        now = _loss(state.mean, held, spec, encoder)
        if now < best_loss:
            best, best_loss, best_at = state.mean, now, done
        if show is not None:
            show(Progress(done, float(np.mean(losses)), now, best_at))
        losses = []
        if done - best_at >= config.patience * config.check_every:
            break
    return _leaning({name: np.asarray(array) for name, array in best.items()}, spec, 1.0)


def _leaning(weights: dict[str, np.ndarray], spec: ClassifierSpec, times: float) -> dict[str, np.ndarray]:
    """Weights that lean towards the classes that are frequent in their training data; -1 undoes it.

    Every class is drawn alike while learning; with these log odds (Bayes) probabilities are of the data.
    """
    counts = np.array([spec.examples.get(f"train/{name}", 1) for name in spec.classes], np.float64)
    lean = times * np.log(counts / counts.sum())
    return weights | {"head/b1": (weights["head/b1"] + lean).astype(np.float32)}


def _odds(data: FrameSet) -> np.ndarray:
    """How likely each frame is drawn: every class alike, and within it the hard frames twice as often."""
    weight = np.where(data.hard, 2.0, 1.0)
    total = np.bincount(data.labels, weights=weight)
    odds = weight / total[data.labels]
    return odds / odds.sum()


def _loss(params: network.Params, data: FrameSet, spec: ClassifierSpec, encoder: Any) -> float:
    """Mean loss on frames as they are; every class counts alike."""
    logits = _answers(params, data, spec, encoder)
    classes = range(len(spec.classes))
    return float(
        np.mean([measure.surprise(logits[data.labels == k], data.labels[data.labels == k]) for k in classes])
    )


def _answers(params: network.Params, data: FrameSet, spec: ClassifierSpec, encoder: Any) -> np.ndarray:
    """Logits [N, K]; the last batch is filled up, so that one shape is compiled."""
    found = []
    for begin in range(0, len(data), ANSWER_BATCH):
        rows = np.arange(begin, begin + ANSWER_BATCH) % len(data)
        images = {camera: frames[rows] for camera, frames in data.frames.items()}
        found.append(network.answer(params, images, encoder=encoder, cameras=tuple(sorted(spec.cameras))))
    return np.concatenate(found)[: len(data)]


def _check(parts: dict[str, FrameSet], least: int) -> None:
    """Raises ConfigError when there is too little of something to learn or to measure."""
    needed = {"train": least, "validation": max(1, least // 5), "test": max(1, least // 5)}
    for part, data in parts.items():
        for name, count in zip(data.layout.classes, data.count(), strict=True):
            if count < needed[part]:
                raise ConfigError(
                    f"class '{name}' has {count} frames in the {part} episodes and {needed[part]} are "
                    "needed; collect more episodes that show it"
                )
    for camera, frames in parts["train"].frames.items():
        some = (frames[first : first + ANSWER_BATCH] for first in range(0, len(frames), ANSWER_BATCH))
        blank = sum(int(Limits().blank(x).sum()) for x in some) / len(frames)
        if blank > MOST_BLANK:
            raise ConfigError(
                f"camera '{camera}' shows nothing in {blank:.0%} of the training frames (black or one grey); "
                "see its lens, cable and light, and collect anew"
            )
