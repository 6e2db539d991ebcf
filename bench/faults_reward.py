"""Faults of a reward classifier and of what it sees, in process; `make faults` finds every `fault_*` here.

Each injection breaks something at a random step of a simulated episode whose robot is on its way to success,
and heals it for the next one. The classifier is made by hand, so that it is right whenever it is whole.
"""

import contextlib
import dataclasses
import logging
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from bench.transport_rig import row
from sandlot.learners import plugins
from sandlot.learners.errors import NotReadyError
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Flag
from sandlot.perception.classifier.model import Classifier, ClassifierSpec
from sandlot.perception.reward_env import ClassifierEnv

SHAPE = (16, 16, 3)
CAMERAS = {"wrist": SHAPE, "side": SHAPE}
GOAL = 0.7
LIMIT = 40
SAYS_YES = np.float32([[0.0, 25.0]])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brightness:
    """An encoder of one feature: how bright the upper half of a frame is, in 0..1."""

    def size(self, shape: tuple[int, int, int]) -> int:
        """One."""
        return 1

    def apply_numpy(self, params: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
        """Features [B, 1]."""
        return frames[:, : frames.shape[1] // 2].mean(axis=(1, 2, 3), dtype=np.float32)[:, None] / 255.0


plugins.register("encoder", "brightness", f"{__name__}:Brightness")


class Lift(gym.Env[dict[str, Any], np.ndarray]):
    """The higher the robot, the brighter the upper half of both cameras; at `GOAL` the task is done."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    env_spec = EnvSpec("arm_pick", (Entry("height", 1),), CAMERAS, (Entry("a", 1),), 10.0, LIMIT)
    real_time = None

    def __init__(self) -> None:
        self.broken: Callable[[np.ndarray], np.ndarray] | None = None
        self.height = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Down, in some noise."""
        super().reset(seed=seed)
        self.height = float(self.np_random.uniform(0.0, 0.2))
        return self._obs(), {"success": False}

    def step(self, action: np.ndarray) -> Any:
        """Moves up or down by up to 0.05."""
        self.height = float(np.clip(self.height + 0.05 * action[0], 0.0, 1.0))
        done = self.height >= GOAL
        return self._obs(), float(done), done, False, {"success": done, "action": action}

    def _obs(self) -> dict[str, Any]:
        seen = {camera: self._frame() for camera in CAMERAS}
        if self.broken is not None:
            seen["side"] = self.broken(seen["side"])
        return {"state": np.float32([self.height]), "images": seen}

    def _frame(self) -> np.ndarray:
        frame = np.full(SHAPE, 100, np.int16)
        frame[: SHAPE[0] // 2] = int(255 * self.height)
        frame[-2:] = 180
        return np.clip(frame + self.np_random.integers(-4, 5, SHAPE), 0, 255).astype(np.uint8)


def classifier() -> Classifier:
    """Right by construction: its log odds are 100 x (brightness - `GOAL`)."""
    weights = {
        "head/w0": np.float32([[0.5], [0.5]]),
        "head/b0": np.zeros(1, np.float32),
        "head/w1": np.float32([[0.0, 100.0]]),
        "head/b1": np.float32([0.0, -100.0 * GOAL]),
    }
    spec = ClassifierSpec(
        task="arm_pick",
        cameras=CAMERAS,
        encoder="brightness",
        hidden=1,
        enter=(0.9,),
        leave=(0.5,),
        debounce=2,
    )
    return Classifier(spec=spec, weights=weights)


def _raise(batch: Any) -> np.ndarray:
    raise RuntimeError("the device is gone")


class Repeat:
    """A camera that sends the first frame it is asked for again and again."""

    def __init__(self) -> None:
        self._kept: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The kept frame."""
        self._kept = frame if self._kept is None else self._kept
        return self._kept


ANSWERS: dict[str, Callable[[Any], np.ndarray]] = {
    "exception": _raise,
    "NaN": lambda batch: np.full((1, 2), np.nan, np.float32),
    "constant yes": lambda batch: SAYS_YES,
    "wrong shape": lambda batch: np.zeros((1, 3), np.float32),
}
FRAMES: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
    "black": lambda: np.zeros_like,
    "white": lambda: lambda frame: np.full_like(frame, 255),
    "frozen": Repeat,
    "wrong size": lambda: lambda frame: frame[:8],
}
FAULTS = (*ANSWERS, *FRAMES)


@contextlib.contextmanager
def judged() -> Iterator[ClassifierEnv]:
    """An env that a whole classifier rewards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.safetensors"
        classifier().save(path)
        env = ClassifierEnv(Lift(), str(path))
        try:
            yield env
        finally:
            env.close()


def broken(env: ClassifierEnv, fault: str) -> None:
    """Breaks the classifier or a camera."""
    if fault in ANSWERS:
        object.__setattr__(env.panel.classifiers[0], "logits", ANSWERS[fault])
    else:
        env.unwrapped.broken = FRAMES[fault]()  # type: ignore[attr-defined]


def healed(env: ClassifierEnv) -> None:
    """Everything is whole again."""
    env.panel.classifiers[0].__dict__.pop("logits", None)
    env.unwrapped.broken = None  # type: ignore[attr-defined]


def inject(env: ClassifierEnv, fault: str, after: int, rng: random.Random) -> tuple[int, int, bool]:
    """Plays an episode that breaks after some steps, recorded as an actor records it.

    Returns:
        Rewards that were made up, steps from the fault to its detection, and whether the episode is flagged.
    """
    recorder = EpisodeRecorder(env.get_wrapper_attr("env_spec"))
    obs, _ = env.reset(seed=rng.randrange(2**31))
    recorder.begin(obs, time.monotonic_ns())
    rewards, steps = 0, 0
    for step in range(LIMIT):
        if step == after:
            broken(env, fault)
        action = np.float32([0.4])
        decision = Decision(action, time.monotonic_ns(), time.time())
        try:
            obs, reward, terminated, truncated, info = env.step(action)
        except NotReadyError:
            recorder.abort(decision)
            break
        steps += step >= after
        rewards += reward > 0
        outcome = Outcome(obs, reward, terminated, truncated, time.monotonic_ns(), bool(info["success"]))
        if recorder.add(decision, outcome) is not None:
            break
    rows, _ = recorder.take()
    return rewards, steps + 1, bool(rows["flags"][-1] & Flag.ABORTED)


def succeeds(env: ClassifierEnv) -> bool:
    """Whether an episode without a fault is rewarded once, and not before the task is done."""
    env.reset(seed=0)
    for _ in range(LIMIT):
        _, reward, terminated, _, info = env.step(np.float32([0.4]))
        if terminated:
            return reward == 1.0 and info["true_success"]
    return False


def fault_25_reward_classifier(injections: int = 1600, seed: int = 0) -> dict[str, Any]:
    """It fails, says NaN, always yes, too much; a camera is black, white, frozen, cut: no reward, flagged."""
    rng = random.Random(seed)  # noqa: S311  (moments, not secrets)
    detected, violations = [], 0
    level = logging.getLogger("sandlot.perception").level
    logging.getLogger("sandlot.perception").setLevel(logging.CRITICAL)  # each one is an error of its own
    try:
        with judged() as env:
            for k in range(injections):
                # breaks while the task is not done and cannot be within the steps that are needed to be sure
                rewards, steps, flagged = inject(env, FAULTS[k % len(FAULTS)], rng.randrange(1, 22), rng)
                healed(env)
                violations += rewards > 0 or not flagged or not succeeds(env)
                detected.append(float(steps))
    finally:
        logging.getLogger("sandlot.perception").setLevel(level)
    return row(f"25 reward classifier: {', '.join(FAULTS)}", injections, violations, detected, "steps")
