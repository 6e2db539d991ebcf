"""Making an env by its task name, always with the same shape of observation and action.

`make("arm_pick")` gives one of Sandlot's own tasks; `make("gymnasium:Pendulum-v1")` gives any Gymnasium id
whose action is a bounded Box of floats. Either way the observation is `{"state": float32[n], "images":
{camera: uint8[H, W, C]}}` and the action float32 in [-1, 1]; `env_spec(env)` says what the numbers are.
"""

import difflib
import importlib
import logging
import re
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from sandlot.learners import plugins
from sandlot.learners.adapter import DEFAULT_MAX_EPISODE_STEPS, Adapter
from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.schema import EnvSpec

log = logging.getLogger(__name__)

Env = gym.Env[Any, Any]
"""An env as `make` returns it: observation `{"state", "images"}`, action float32 [A] in [-1, 1]."""

PREFIX = "gymnasium:"
NAMESPACE = "sandlot/"
ROS_NAMESPACE = "sandlot_ros/"
"""The same tasks with the same names, on the robot behind ROS 2 topics."""


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
    image_px: int = 0,
    camera_file: str = "",
    randomize: bool = False,
    mjcf: str | None = None,
    course: str = "",
    practice: Sequence[str] = (),
    render: bool = False,
    robot: str = "sim",
    teleop: str = "none",
    person: Sequence[str] = (),
    classifier: str = "",
    encoder: str = "",
    **kwargs: Any,
) -> Env:
    """An env by task name.

    Args:
        task: one of `tasks()`, `gymnasium:ID`, or `gymnasium:MODULE:ID` (importing MODULE registers ID).
        cameras: cameras to observe; only Sandlot's own tasks have them.
        image_px: width and height of their frames; 0 means the task's default; own tasks only.
        camera_file: the file with the crops of simulated cameras; own tasks only.
        randomize: draw dynamics, latency, sensors and look from their declared ranges; own tasks only.
        mjcf: path of another arm to load; own tasks only.
        course: file of the course to be driven; own tasks only.
        practice: settings of a car's practice machine, NAME=VALUE; own tasks only.
        render: whether `env.render()` must return RGB frames, uint8 [H, W, 3].
        robot: `sim`, or `ros` for the robot whose nodes run; own tasks only.
        teleop: who may take over: `none`, `joy` (a person, on `ros`) or `scripted` (in simulation).
        person: the scripted person's settings, NAME=VALUE.
        classifier: path of a trained reward classifier that judges instead of the task.
        encoder: path of a frozen encoder whose features replace the frames.
        **kwargs: further arguments of the env's constructor.

    Raises:
        ConfigError: an unknown name, or a setting that this task does not take.
        SpecError: the env's spaces cannot be used; names the space and the rule.
    """
    own = {"cameras": tuple(cameras), "image_px": image_px, "camera_file": camera_file}
    own |= {"randomize": randomize, "mjcf": mjcf, "course": course, "practice": tuple(practice)}
    kwargs |= {name: value for name, value in own.items() if value}
    kwargs |= {"teleop": True} if teleop == "joy" else {}
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
        raise ConfigError(unknown(task))
    env = _wrapped(env, "person", person) if teleop == "scripted" else env
    return _dressed(env, classifier, encoder)


def reverse(env: Env) -> str:
    """The name of the task that undoes this env's task; empty when there is none."""
    try:
        return str(env.get_wrapper_attr("reverse_task"))
    except AttributeError:
        return ""


def make_reverse(env: Env, classifier: str = "", encoder: str = "") -> Env:
    """An env of the task that undoes `env`'s, on the same robot in the same world; they take turns.

    Args:
        env: made by `make`; its attribute `reverse_task` names the other task, its method `reversed` makes
            an env of that.
        classifier: as for `make`; of the other task.
        encoder: as for `make`.

    Raises:
        ConfigError: the env's task has no reverse.
    """
    task = reverse(env)
    if not task:
        raise ConfigError(f"task '{env_spec(env).task}' has no reverse task; practise it by itself")
    found = env.get_wrapper_attr("reversed")()
    return _dressed(
        adapt(found, task) if task.startswith(PREFIX) else _check_own(found, task), classifier, encoder
    )


def _dressed(env: Env, classifier: str, encoder: str) -> Env:
    """The env in the wrappers that were asked for; the classifier inside: an encoder takes frames away."""
    for name, path in (("classifier", classifier), ("encoder", encoder)):
        env = _wrapped(env, name, path) if path else env
    return env


def _wrapped(env: Env, name: str, what: str | Sequence[str]) -> Env:
    """The env inside a wrapper that another layer lends; the env is closed when that refuses it."""
    try:
        wrapped: Env = plugins.load("env", name)(env, what)
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


def crops(env: Env) -> dict[str, tuple[float, float, float, float]]:
    """The part of each camera's picture that is observed: left, top, right and bottom from its middle.

    In heights of the whole picture, x right, y down. Empty where the env does not know: the pictures of a
    robot on ROS are cut before they are published.
    """
    try:
        return dict(env.get_wrapper_attr("crops"))
    except AttributeError:
        return {}


def figures(env: Env) -> dict[str, float]:
    """What an env knows of its practice beyond rewards, for reports, e.g. laps; {} where it says nothing."""
    try:
        return dict(env.get_wrapper_attr("figures")())
    except AttributeError:
        return {}


def adapt(env: Env, task: str) -> Env:
    """Any Gymnasium env with a bounded float Box action as an env of the common shape, or SpecError."""
    return Adapter(env, task)


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
        raise ConfigError(unknown(task)) from err
    except ModuleNotFoundError as err:
        raise ConfigError(f"task '{task}': {err}; install it, or put its folder on PYTHONPATH") from err
    except (gym.error.Error, TypeError, ImportError) as err:
        raise ConfigError(
            f"task '{task}' with {kwargs or 'no settings'} cannot be made: {_one_line(err)}"
        ) from err


def _one_line(err: Exception) -> str:
    """An exception's text without line breaks."""
    return " ".join(str(err).split())


def unknown(task: str) -> str:
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
