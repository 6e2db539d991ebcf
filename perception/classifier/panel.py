"""The classifiers of one task at work: frames in, an opinion out, with every doubt named.

One file may know several stages; several files are stages one after the other. A file that was replaced by a
better one is taken at the next `begin`, if it fits; else the old one stays.
"""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.errors import SandlotError
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.perception.classifier import judge
from sandlot.perception.classifier.model import Classifier, Crops, reached
from sandlot.perception.classifier.watch import Fault, Limits, Watch

log = logging.getLogger(__name__)

FORCES = ("N", "Nm")
"""Units of what a robot feels without moving; a scale may stand before them, as in "20 N"."""
COMMANDED = "command"
"""So begins the name of what a robot is told, whether it moves or not."""


class Opinion(NamedTuple):
    """What the classifiers think of one step.

    Attributes:
        reached: for each stage, the probability that it is reached; NaN where nothing can be said.
        success: whether every stage was reached, in order, beyond doubt.
        stage: how many were.
        fault: why nothing can be said, or None.
    """

    reached: np.ndarray
    success: bool
    stage: int
    fault: Fault | None


class Panel:
    """Looks at one step after the other; `begin` starts an episode."""

    def __init__(
        self,
        paths: list[pathlib.Path],
        spec: EnvSpec,
        limits: Limits | None = None,
        crops: Crops | None = None,
    ) -> None:
        """Loads the classifiers; raises what `Classifier.load` and `matches` refuse."""
        self.paths, self._spec, self._crops = paths, spec, crops
        self.classifiers = [self._load(path) for path in paths]
        self._versions = [_version(path) for path in paths]
        self._watch = Watch(limits)
        self._moves = np.concatenate([np.full(entry.size, _is_motion(entry)) for entry in spec.state])
        self._take_rule()

    @property
    def stages(self) -> int:
        """How many stages there are, over all files."""
        return len(self.rule.enter)

    def begin(self) -> None:
        """Forgets the last episode, and takes files that were replaced meanwhile."""
        for i, path in enumerate(self.paths):
            version = _version(path)
            if version != self._versions[i]:
                self._versions[i] = version
                self._replace(i)
        self._watch.begin()
        self._standing = judge.begin(self.rule)

    def look(self, images: Mapping[str, np.ndarray], state: np.ndarray) -> Opinion:
        """The opinion on frames uint8 [H, W, C] of each camera and the state [n] at that time."""
        try:
            frames = {camera: images[camera] for camera in self.cameras}
            news, fault = self._watch.frames(frames, state[self._moves])
            if fault is not None:
                return self._nothing(fault)
            batch = {camera: frame[None] for camera, frame in frames.items()}
            logits = [np.asarray(one.logits(batch))[0] for one in self.classifiers]
            self._check(logits)
        except Exception as error:  # whatever it is, it must not become a reward
            return self._nothing(Fault(f"it failed: {type(error).__name__}: {error}", sight=False))
        believed, fault = self._watch.answer(logits)
        if fault is not None:
            return self._nothing(fault)
        p = np.concatenate([reached(one) for one in logits])
        self._standing = judge.advance(self._standing, p, self.rule, news=news and believed)
        return Opinion(p, judge.succeeded(self._standing), self._standing.stage, None)

    def _check(self, logits: list[np.ndarray]) -> None:
        for path, one, classifier in zip(self.paths, logits, self.classifiers, strict=True):
            if one.shape != (len(classifier.spec.classes),):
                raise ValueError(f"'{path}' answers {one.shape}, not one number a class")

    def _nothing(self, fault: Fault) -> Opinion:
        self._standing = self._standing._replace(counted=0)
        return Opinion(np.full(self.stages, np.nan), False, self._standing.stage, fault)

    def _take_rule(self) -> None:
        specs = [classifier.spec for classifier in self.classifiers]
        self.rule = judge.Rule(
            enter=tuple(p for spec in specs for p in spec.enter),
            leave=tuple(p for spec in specs for p in spec.leave),
            debounce=max(spec.debounce for spec in specs),
        )
        self.cameras = sorted({camera for spec in specs for camera in spec.cameras})
        self._standing = judge.begin(self.rule)

    def _load(self, path: pathlib.Path) -> Classifier:
        """A file's classifier, once it fits; it answers once, so that what is compiled is compiled by now."""
        found = Classifier.load(path)
        found.matches(self._spec.task, self._spec.images, self._crops)
        found.logits({name: np.zeros((1, *shape), np.uint8) for name, shape in found.spec.cameras.items()})
        return found

    def _replace(self, i: int) -> None:
        """Takes a newer file when it is whole and fits."""
        old, path = self.classifiers[i], self.paths[i]
        try:
            new = self._load(path)
        except SandlotError as error:
            log.warning("event=classifier_kept digest=%s reason=%r", old.digest[:12], str(error))
            return
        if new.digest != old.digest:
            self.classifiers[i] = new
            self._take_rule()
            log.info("event=classifier_replaced old=%s new=%s", old.digest[:12], new.digest[:12])


def _is_motion(entry: Entry) -> bool:
    """Whether this changes when a robot moves only: one that presses on something changes no picture."""
    return entry.unit.split(" ")[-1] not in FORCES and not entry.name.startswith(COMMANDED)


def _version(path: pathlib.Path) -> tuple[Any, ...]:
    """Changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size
