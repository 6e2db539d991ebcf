"""Any Gymnasium env with a bounded float Box action, in the common shape of observation and action."""

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.errors import SpecError
from sandlot.learners.schema import Entry, EnvSpec

Env = gym.Env[Any, Any]
DEFAULT_MAX_EPISODE_STEPS = 1000
DEFAULT_CONTROL_HZ = 10.0
BOUND = 1e9


class Adapter(gym.Wrapper[Any, Any, Any, Any]):
    """Flattens the observation and rescales the action; everything else passes through.

    Raises:
        SpecError: the env's spaces cannot be used; names the space and the rule.
    """

    def __init__(self, env: Env, task: str) -> None:
        super().__init__(env)
        self._low, self._half = _action_range(env.action_space, task)
        self._leaves = list(_leaves(env.observation_space, (), task))
        self.env_spec = _spec(env, task, self._low.size, self._leaves)
        self.action_space = spaces.Box(-1.0, 1.0, (self._low.size,), np.float32)
        size, images = self.env_spec.state_size, self.env_spec.images
        self.observation_space = spaces.Dict(
            {
                "state": spaces.Box(-np.inf, np.inf, (size,), np.float32),
                "images": spaces.Dict({k: spaces.Box(0, 255, v, np.uint8) for k, v in images.items()}),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; returns `(obs, info)`."""
        obs, info = self.env.reset(seed=seed, options=options)
        return self._observe(obs), info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Does one action, float32 [A]; what lies outside [-1, 1] is clipped."""
        space = self.env.action_space
        scaled = self._low + (np.clip(action, -1.0, 1.0).astype(np.float64) + 1.0) * self._half
        obs, reward, terminated, truncated, info = self.env.step(
            scaled.astype(space.dtype).reshape(space.shape)
        )
        return self._observe(obs), float(reward), bool(terminated), bool(truncated), info

    def _observe(self, obs: Any) -> dict[str, Any]:
        """The common observation; every array is fresh, since an env may reuse its buffers."""
        parts, images = [np.zeros(0, np.float32)], {}
        for path, space in self._leaves:
            value = obs
            for key in path:
                value = value[key]
            if _is_image(space):
                images[_name(path, "image")] = np.array(value, np.uint8)
            else:
                parts.append(np.asarray(value, np.float32).ravel())
        return {"state": np.concatenate(parts), "images": images}


def _spec(env: Env, task: str, action_size: int, leaves: list[tuple[tuple[str, ...], spaces.Box]]) -> EnvSpec:
    """The spec of an adapted env; the rate is its `dt`, else its render rate."""
    step_s = getattr(env.unwrapped, "dt", None)
    rate_hz = 1.0 / step_s if isinstance(step_s, float) and step_s > 0 else env.metadata.get("render_fps")
    registered = env.spec.max_episode_steps if env.spec else None
    return EnvSpec(
        task=task,
        state=tuple(_entry(_name(path, "state"), s) for path, s in leaves if not _is_image(s)),
        images={_name(path, "image"): _shape(s) for path, s in leaves if _is_image(s)},
        action=(Entry("action", action_size, low=-1.0, high=1.0),),
        control_hz=float(rate_hz or DEFAULT_CONTROL_HZ),
        max_episode_steps=registered or DEFAULT_MAX_EPISODE_STEPS,
    ).check()


def _entry(name: str, space: spaces.Box) -> Entry:
    """One flattened group with its widest finite range."""
    low, high = float(np.min(space.low, initial=0.0)), float(np.max(space.high, initial=0.0))
    return Entry(name, int(np.prod(space.shape)), low=max(low, -BOUND), high=min(high, BOUND))


def _name(path: tuple[str, ...], alone: str) -> str:
    """Dotted name of a leaf; a bare Box has no key and is called `alone`."""
    return ".".join(path) or alone


def _shape(space: spaces.Box) -> tuple[int, int, int]:
    """An image's (height, width, channels)."""
    height, width, channels = space.shape
    return int(height), int(width), int(channels)


def _is_image(space: spaces.Box) -> bool:
    """Whether a Box is a picture: uint8 [H, W, 1, 3 or 4]."""
    return space.dtype == np.uint8 and len(space.shape) == 3 and space.shape[2] in (1, 3, 4)


def _leaves(
    space: spaces.Space[Any], path: tuple[str, ...], task: str
) -> Iterable[tuple[tuple[str, ...], spaces.Box]]:
    """Every Box of an observation with the keys that lead to it, in the space's key order."""
    if isinstance(space, spaces.Dict):
        for key, child in space.spaces.items():
            yield from _leaves(child, (*path, str(key)), task)
        return
    where = f"task '{task}': observation '{_name(path, 'obs')}'"
    if not isinstance(space, spaces.Box):
        raise SpecError(
            f"{where} is {space}; only Box and Dict of Box can be learned from: wrap the env "
            "(gymnasium.wrappers.FlattenObservation turns Discrete into Box)"
        )
    if not _is_image(space) and not np.issubdtype(space.dtype, np.floating):
        raise SpecError(
            f"{where} is {space.dtype}{list(space.shape)}; numbers must be float32 or float64, and images "
            "uint8 [height, width, 1, 3 or 4]: cast it in a gymnasium.ObservationWrapper"
        )
    yield path, space


def _action_range(space: spaces.Space[Any], task: str) -> tuple[np.ndarray, np.ndarray]:
    """Low end and half width of every action entry, float64 [A]."""
    where = f"task '{task}': the action space is {space}"
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise SpecError(
            f"{where}; only a continuous Box of floats can be trained: choose or wrap another env"
        )
    low, high = (np.asarray(v, np.float64).ravel() for v in (space.low, space.high))
    if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise SpecError(
            f"{where}; every bound must be finite and low < high, so that [-1, 1] has a meaning: "
            "use gymnasium.wrappers.RescaleAction or ClipAction around a bounded env"
        )
    return low, (high - low) / 2
