"""Making an env by its task name, always with the same shape of observation and action.

`make("arm_pick")` gives one of Sandlot's own tasks; `make("gymnasium:Pendulum-v1")` gives any Gymnasium id
whose action is a bounded Box of floats. Either way the observation is `{"state": float32[n], "images":
{camera: uint8[H, W, C]}}` and the action float32 in [-1, 1]; `env_spec(env)` says what the numbers are.
"""

import difflib
import importlib
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.schema import Entry, EnvSpec

log = logging.getLogger(__name__)

Env = gym.Env[Any, Any]
"""An env as `make` returns it: observation `{"state", "images"}`, action float32 [A] in [-1, 1]."""

PREFIX = "gymnasium:"
NAMESPACE = "sandlot/"
ROS_NAMESPACE = "sandlot_ros/"
"""The same tasks with the same names, on the robot behind ROS 2 topics."""
DEFAULT_MAX_EPISODE_STEPS = 1000
DEFAULT_CONTROL_HZ = 10.0
BOUND = 1e9


def tasks() -> dict[str, str]:
    """Sandlot's own task names and the newest Gymnasium id of each, `{"arm_pick": "sandlot/ArmPick-v0"}`."""
    found = sorted(
        (s.name, s.version or 0, id_) for id_, s in gym.registry.items() if id_.startswith(NAMESPACE)
    )
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): id_ for name, _, id_ in found}


def make(
    task: str,
    *,
    cameras: Sequence[str] = (),
    randomize: bool = False,
    mjcf: str | None = None,
    render: bool = False,
    robot: str = "sim",
    classifier: str = "",
    encoder: str = "",
    **kwargs: Any,
) -> Env:
    """An env by task name.

    Args:
        task: one of `tasks()`, `gymnasium:ID`, or `gymnasium:MODULE:ID` (importing MODULE registers ID).
        cameras: cameras to observe; only Sandlot's own tasks have them.
        randomize: draw dynamics, latency and sensors from their declared ranges; own tasks only.
        mjcf: path of another arm to load; own tasks only.
        render: whether `env.render()` must return RGB frames, uint8 [H, W, 3].
        robot: `sim`, or `ros` for the robot whose nodes run; own tasks only.
        classifier: path of a trained reward classifier that judges instead of the task.
        encoder: path of a frozen encoder whose features replace the frames.
        **kwargs: further arguments of the env's constructor.

    Raises:
        ConfigError: an unknown name, or a setting that this task does not take.
        SpecError: the env's spaces cannot be used; names the space and the rule.
    """
    own = {"cameras": tuple(cameras), "randomize": randomize, "mjcf": mjcf}
    kwargs |= {name: value for name, value in own.items() if value}
    if task.startswith(PREFIX):
        given = [name for name in own if name in kwargs] + ["robot"] * (robot != "sim")
        if given:
            raise ConfigError(
                f"task '{task}': only Sandlot's own tasks take {', '.join(given)}; leave it out"
            )
        env = adapt(_make_id(task, task.removeprefix(PREFIX), render, kwargs), task)
    elif task in tasks():
        env = _check_own(_make_id(task, _own_id(task, robot), render, kwargs), task)
    else:
        raise ConfigError(_unknown(task))
    for name, path in (("classifier", classifier), ("encoder", encoder)):  # the encoder takes the frames away
        env = _wrapped(env, name, path) if path else env
    return env


def _wrapped(env: Env, name: str, path: str) -> Env:
    """The env inside a wrapper that another layer lends; the env is closed when that refuses it."""
    try:
        wrapped: Env = plugins.load("env", name)(env, path)
    except Exception:
        env.close()
        raise
    return wrapped


def _own_id(task: str, robot: str) -> str:
    """The Gymnasium id of an own task on a robot."""
    id_ = tasks()[task]
    if robot == "sim":
        return id_
    on_ros = id_.replace(NAMESPACE, ROS_NAMESPACE, 1)
    if robot != "ros" or on_ros not in gym.registry:
        raise ConfigError(f"task '{task}' does not exist on robot '{robot}'; robots are sim and ros")
    return on_ros


def env_spec(env: Env) -> EnvSpec:
    """What an env made by `make` or `adapt` observes and does."""
    try:
        spec = env.get_wrapper_attr("env_spec")
    except AttributeError as err:
        raise SpecError(
            f"env {env} has no env_spec; make it with sandlot.learners.envs.make or adapt"
        ) from err
    return spec.check()


def adapt(env: Env, task: str) -> Env:
    """Any Gymnasium env with a bounded float Box action as an env of the common shape, or SpecError."""
    return _Adapter(env, task)


class _Adapter(gym.Wrapper[Any, Any, Any, Any]):
    """Flattens the observation and rescales the action; everything else passes through."""

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


def _check_own(env: Env, task: str) -> Env:
    """The env itself when it keeps the contract of Sandlot's own tasks."""
    space = env.observation_space
    if not isinstance(space, spaces.Dict) or not {"state", "images"} <= set(space.spaces):
        raise SpecError(f"task '{task}': observation space {space} must be a Dict with 'state' and 'images'")
    env_spec(env)
    return env


def _make_id(task: str, id_: str, render: bool, kwargs: dict[str, Any]) -> Env:
    """`gymnasium.make`, with every complaint as one ConfigError."""
    try:
        module, _, id_ = id_.rpartition(":")
        if module:
            importlib.import_module(module)
        spec = gym.spec(id_)
        limited = (
            spec.max_episode_steps
            or "max_episode_steps" in kwargs
            or id_.startswith((NAMESPACE, ROS_NAMESPACE))
        )
        if not limited:  # Sandlot's own tasks truncate by themselves
            log.info(
                "event=time_limit task=%s max_episode_steps=%d reason=none_registered",
                task,
                DEFAULT_MAX_EPISODE_STEPS,
            )
            kwargs |= {"max_episode_steps": DEFAULT_MAX_EPISODE_STEPS}
        kwargs |= {"render_mode": "rgb_array"} if render else {}
        return gym.make(id_, disable_env_checker=True, **kwargs)
    except gym.error.DependencyNotInstalled as err:
        raise ConfigError(f"task '{task}' needs a package that is not installed: {_one_line(err)}") from err
    except (gym.error.UnregisteredEnv, gym.error.DeprecatedEnv) as err:
        raise ConfigError(_unknown(task)) from err
    except ModuleNotFoundError as err:
        raise ConfigError(f"task '{task}': {err}; install it, or put its folder on PYTHONPATH") from err
    except (gym.error.Error, TypeError, ImportError) as err:
        raise ConfigError(
            f"task '{task}' with {kwargs or 'no settings'} cannot be made: {_one_line(err)}"
        ) from err


def _one_line(err: Exception) -> str:
    """An exception's text without line breaks."""
    return " ".join(str(err).split())


def _unknown(task: str) -> str:
    """Text for a name that nobody registered, with the nearest names and the valid choices."""
    ids = [
        f"{PREFIX}{i}"
        for i in gym.registry
        if not i.startswith((NAMESPACE, ROS_NAMESPACE, "phys2d", "tabular"))
    ]
    near = difflib.get_close_matches(task, [*tasks(), *ids], n=3, cutoff=0.6)
    near = near or difflib.get_close_matches(f"{PREFIX}{task}", ids, n=3, cutoff=0.8)
    hint = f" (did you mean {' or '.join(repr(n) for n in near)}?)" if near else ""
    return f"task '{task}' does not exist{hint}; choose one of {', '.join([*tasks(), 'gymnasium:ID'])}"
