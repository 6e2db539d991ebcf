"""Whether frames and a classifier's answers can be believed at all, step by step.

Blank: a camera shows nothing. Frozen: a camera repeats itself while the robot moves. Constant: frames change
and the answer does not. One step of doubt is no news; several in a row are a fault.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from sandlot.perception.classifier.model import Frames


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """From where something counts as broken.

    Attributes:
        dark: a frame without a brighter value is black, in 0..255.
        contrast: a frame whose values differ by less shows nothing.
        steps: a camera or an answer that stands still for so many steps is broken.
        moved: a number of the state that changed by more says that the robot moves, in units of `state`.
        answer: logits that differ by less are the same answer.
    """

    dark: int = 24
    contrast: int = 12
    steps: int = 10
    moved: float = 0.1
    answer: float = 1e-6

    def blank(self, frames: np.ndarray) -> np.ndarray:
        """Which frames [n, H, W, C] show nothing, bool [n]."""
        low, high = frames.min(axis=(1, 2, 3)), frames.max(axis=(1, 2, 3))
        return np.asarray((high < self.dark) | (high - low < self.contrast))


MOST_BLANK = 0.5
"""Of a camera's recorded frames; with more there is nothing to learn from."""


class Fault(NamedTuple):
    """What is wrong. `sight`: with the cameras, which may heal; else with the classifier."""

    text: str
    sight: bool


class Watch:
    """Compares each step with the one before; `begin` forgets it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.begin()

    def begin(self) -> None:
        """Starts an episode."""
        self._last: dict[str, np.ndarray] = {}
        self._still: dict[str, int] = {}
        self._since: dict[str, np.ndarray] = {}
        self._logits: list[np.ndarray] | None = None
        self._same = 0

    def frames(self, frames: Frames, state: np.ndarray) -> tuple[bool, Fault | None]:
        """Looks at frames [H, W, C] and the state [n] at that time.

        Returns:
            Whether they are news, and what is wrong with them.
        """
        for camera, frame in frames.items():
            if self.limits.blank(frame[None])[0]:
                text = (
                    f"camera '{camera}' shows nothing (values {frame.min()} to {frame.max()}); see its lens, "
                    "cable and light"
                )
                return False, Fault(text, sight=True)
        stuck = [camera for camera, frame in frames.items() if self._repeats(camera, frame, state)]
        broken = [camera for camera in stuck if self._still[camera] >= self.limits.steps]
        if broken:
            steps = self._still[broken[0]]
            text = f"camera '{broken[0]}' shows the same frame for {steps} steps of a moving robot"
            return False, Fault(text, sight=True)
        return not stuck, None

    def answer(self, logits: list[np.ndarray]) -> tuple[bool, Fault | None]:
        """Looks at every classifier's logits [K] for the frames just given; returns as `frames` does."""
        if not all(np.isfinite(one).all() for one in logits):
            return False, Fault("its answer is not a finite number", sight=False)
        before, self._logits = self._logits, logits
        if before is None:
            return True, None
        moves = [float(np.abs(a - b).max()) for a, b in zip(before, logits, strict=True)]
        changed = any(count == 0 for count in self._still.values())
        if not changed:  # the same frames must have the same answer
            return max(moves) < self.limits.answer, None
        self._same = self._same + 1 if min(moves) < self.limits.answer else 0
        if self._same >= self.limits.steps:
            return False, Fault(f"its answer stood still while {self._same} frames changed", sight=False)
        return self._same == 0, None

    def _repeats(self, camera: str, frame: np.ndarray, state: np.ndarray) -> bool:
        """Whether a camera's frame is the one before although the robot moved since that was new."""
        before = self._last.get(camera)
        if before is None or not np.array_equal(before, frame):
            self._last[camera], self._since[camera] = frame.copy(), state.copy()
            self._still[camera] = 0
            return False
        self._still[camera] += 1
        return bool(np.abs(state - self._since[camera]).max(initial=0.0) > self.limits.moved)
