"""What one step of experience is, byte for byte: the contract between env, actor, wire, store and replay.

An `EnvSpec` names every entry of the observation and the action. From it follow two fixed-size numpy
structured types: `step_dtype` (one step) and `obs_dtype` (an observation alone). A batch of steps is one
contiguous array of `step_dtype`: it travels as one raw frame, is stored row by row and needs no parser.
"""

import enum
import hashlib
import math
from typing import Any

import msgspec
import numpy as np

from sandlot.learners.errors import RecordError, SpecError

MAX_RECORD_BYTES = 64 * 1024 * 1024
"""One step may not be larger: eight uncompressed 1080p frames fit."""


class Source(enum.IntEnum):
    """Who chose the executed action."""

    POLICY = 0
    HUMAN = 1
    SCRIPT = 2


class Flag(enum.IntFlag):
    """Bits of a step's `flags` field."""

    TERMINATED = 1  # a true end of the task: discount is 0
    TRUNCATED = 2  # a time limit: discount stays 1
    ABORTED = 4  # a fault ended the episode: the step is kept, never learned from
    SUCCESS = 8
    END = 16  # last step of its segment; its next observation travels as a `final`


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One named group of numbers in `state` or `action`."""

    name: str
    size: int
    unit: str = ""
    frame: str = ""
    low: float = -1e9
    high: float = 1e9


class EnvSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an env observes and does: entries in order, units, frames, ranges.

    Attributes:
        task: the name that `sandlot.learners.envs.make` takes.
        state: groups of `obs["state"]`, float32, in order.
        images: camera name -> (height_px, width_px, channels), uint8.
        action: groups of the action, float32 in [-1, 1] (the policy's normalised units), in order.
        control_hz: how many actions a second the robot expects.
        max_episode_steps: the time limit; reaching it is a truncation.
    """

    task: str
    state: tuple[Entry, ...]
    images: dict[str, tuple[int, int, int]]
    action: tuple[Entry, ...]
    control_hz: float
    max_episode_steps: int

    @property
    def state_size(self) -> int:
        """Length of `obs["state"]`."""
        return sum(e.size for e in self.state)

    @property
    def action_size(self) -> int:
        """Length of an action."""
        return sum(e.size for e in self.action)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ when anything in the spec does."""
        floats = msgspec.convert(msgspec.to_builtins(self), EnvSpec)  # 1 and 1.0 are the same bound
        return hashlib.sha256(msgspec.json.encode(floats, order="deterministic")).hexdigest()[:16]

    def differences(self, other: "EnvSpec") -> list[str]:
        """One line for each field that differs, `field: mine != theirs`."""
        mine, theirs = msgspec.to_builtins(self), msgspec.to_builtins(other)
        return [f"{k}: {mine[k]!r} != {theirs[k]!r}" for k in mine if mine[k] != theirs[k]]

    def check(self) -> "EnvSpec":
        """Returns itself, or raises SpecError when a step of it would be empty or absurdly large."""
        if self.state_size + len(self.images) == 0:
            raise SpecError(f"task '{self.task}': neither state nor images are observed; declare one of them")
        if self.action_size == 0:
            raise SpecError(f"task '{self.task}': the action has no entries; it needs at least one number")
        if any(min(s) <= 0 or len(s) != 3 for s in self.images.values()):
            raise SpecError(
                f"task '{self.task}': image shapes {self.images} must be (height, width, channels) > 0"
            )
        size = sum(math.prod(s) for s in self.images.values())
        if size > MAX_RECORD_BYTES or not math.isfinite(self.control_hz) or self.control_hz <= 0:
            raise SpecError(
                f"task '{self.task}': {size} bytes of images (limit {MAX_RECORD_BYTES}) at {self.control_hz} "
                "Hz; lower the resolution or set a positive rate"
            )
        return self


def obs_fields(spec: EnvSpec) -> list[Any]:
    """Numpy field list of an observation: `state`, then one `image.<camera>` per camera."""
    images = [(f"image.{name}", np.uint8, shape) for name, shape in spec.images.items()]
    return [("state", "<f4", (spec.state_size,)), *images]


def obs_dtype(spec: EnvSpec) -> np.dtype:
    """The packed type of one observation alone (the `final` of a segment)."""
    return np.dtype([("step", "<u8"), *obs_fields(spec)])


def step_dtype(spec: EnvSpec) -> np.dtype:
    """The packed type of one step: the observation, what was done there, and what came of it.

    `step` counts from 0 in its stream. `t_obs_ns` and `t_act_ns` are `time.monotonic_ns` of the actor's
    machine; `wall_s` is for people. `action` is what was executed, `policy_action` what the policy wanted.
    """
    act = (spec.action_size,)
    return np.dtype(
        [
            ("step", "<u8"),
            ("episode", "<u4"),
            ("segment", "<u4"),
            ("policy_version", "<i8"),
            ("t_obs_ns", "<i8"),
            ("t_act_ns", "<i8"),
            ("wall_s", "<f8"),
            ("source", "u1"),
            ("flags", "u1"),
            ("reward", "<f4"),
            ("discount", "<f4"),
            ("action", "<f4", act),
            ("policy_action", "<f4", act),
            *obs_fields(spec),
        ]
    )


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One agent's unbroken experience. `run` is random for every life of an actor process."""

    actor: str
    run: str
    env: int = 0
    agent: int = 0


def check_steps(steps: np.ndarray, finals: np.ndarray, spec: EnvSpec) -> None:
    """Raises RecordError naming field, step, value and rule when a batch [n] breaks the schema."""
    if len(finals) == 0 and _plainly_good(steps, spec):  # nearly every batch; this runs in the control loop
        return
    rules = {
        "step": steps["step"] == np.arange(len(steps), dtype=np.uint64) + steps["step"][:1].sum(),
        "source": steps["source"] <= max(Source),
        "flags": (steps["flags"] < 2 * Flag.END) & _flags_agree(steps),
        "reward": np.isfinite(steps["reward"]),
        "discount": (steps["discount"] >= 0) & (steps["discount"] <= 1),
        "action": (np.abs(steps["action"]) <= 1).all(axis=1),
        "policy_action": (np.abs(steps["policy_action"]) <= 1).all(axis=1),
        "state": np.isfinite(steps["state"]).all(axis=1),
    }
    texts = {
        "step": "steps of a batch must follow each other",
        "source": "must be 0 (policy), 1 (human) or 2 (script)",
        "flags": "an ended step carries END; TERMINATED needs discount 0 and excludes TRUNCATED",
        "discount": "must lie in [0, 1]",
        "action": "must be finite and in [-1, 1]",
        "policy_action": "must be finite and in [-1, 1]",
    }
    for name, good in rules.items():
        if not good.all():
            i = int(np.argmin(good))
            raise RecordError(
                f"field '{name}' of step {int(steps['step'][i])} is {steps[name][i]!s}: "
                f"{texts.get(name, 'must be finite')}; task '{spec.task}'"
            )
    ends = steps["step"][(steps["flags"] & Flag.END) != 0]
    if not np.array_equal(ends, finals["step"]):
        raise RecordError(
            f"field 'finals' holds steps {finals['step'].tolist()[:4]}, ended are {ends.tolist()[:4]}; "
            "send the next observation of every ended step, and of no other"
        )
    if not np.isfinite(finals["state"]).all():
        raise RecordError(f"field 'finals.state' must be finite; task '{spec.task}'")


def _plainly_good(steps: np.ndarray, spec: EnvSpec) -> bool:
    """Whether a batch without flags surely keeps every rule: a few passes over numbers side by side."""
    n, actions = len(steps), 2 * spec.action_size
    if n == 0 or steps["flags"].any() or steps["source"].max() > max(Source):
        return False
    number = steps["step"]
    if not (number[1:] == number[:-1] + np.uint64(1)).all():
        return False
    # reward, discount, both actions and the state follow each other in the record
    width = 2 + actions + spec.state_size
    floats = np.lib.stride_tricks.as_strided(steps["reward"], (n, width), (steps.strides[0], 4))
    discount = floats[:, 1]
    bounded = np.abs(floats[:, 2 : 2 + actions]).max() <= 1.0  # NaN compares false
    return bool(bounded and discount.min() >= 0.0 and discount.max() <= 1.0 and np.isfinite(floats).all())


def _flags_agree(steps: np.ndarray) -> np.ndarray:
    """Whether each step's flags are consistent with each other and with its discount, bool [n]."""
    flags = steps["flags"]
    terminated, truncated, aborted = (flags & f != 0 for f in (Flag.TERMINATED, Flag.TRUNCATED, Flag.ABORTED))
    ended = flags & Flag.END != 0
    return (
        (ended | ~(terminated | truncated | aborted))
        & (~terminated | (steps["discount"] == 0))
        & ~(terminated & truncated)
    )
