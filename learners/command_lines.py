"""The command lines of a run's processes, as `sandlot train` starts them."""

import contextlib
import dataclasses
import pathlib
import socket

from sandlot.learners.config import TrainConfig
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import BusyError
from sandlot.learners.prepare import SPOOL
from sandlot.learners.process import sandlot_argv


def learner_argv(folder: pathlib.Path, config: TrainConfig, port: int) -> list[str]:
    """The learner's command line: everything else is in the run's config."""
    return sandlot_argv("learner", config.task, "--run", run_flag(folder), "--port", str(port))


def actor_argv(folder: pathlib.Path, config: TrainConfig, port: int, index: int) -> list[str]:
    """The command line of the run's actor number `index`."""
    flags = {
        "learner": f"{config.host}:{port}",
        "name": f"actor-{index}",
        "seed": str(config.seed + index),
        "pace": config.pace,
        "random-steps": str(config.random_steps),
        "stale-policy-s": str(config.stale_policy_s),
        "on-stale": config.on_stale,
        "spool": str(folder / SPOOL / f"actor-{index}"),
        **({"keys": config.keys} if config.keys else {}),
        **({"tries": str(config.tries), "call-after": str(config.call_after)} if config.partner else {}),
    }
    argv = sandlot_argv("actor", config.task, *(word for k, v in flags.items() for word in (f"--{k}", v)))
    argv += env_argv(config.env)
    argv += ["--autoreset"] if config.autoreset else []
    return argv + (["--rerun"] if config.rerun and index == 0 else [])


def env_argv(env: EnvConfig) -> list[str]:
    """The flags of an env's settings, only of those that are not as they are by default."""
    argv: list[str] = []
    for field in dataclasses.fields(env):
        value = getattr(env, field.name)
        if value == field.default:
            continue
        words = value if isinstance(value, tuple) else () if value is True else (value,)
        argv += [f"--{field.name.replace('_', '-')}", *map(str, words)]
    return argv


def run_flag(folder: pathlib.Path) -> str:
    """A folder as `--run` takes it: always with a slash."""
    return str(folder) if "/" in str(folder) else f"./{folder}"  # pathlib would drop the "./"


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise BusyError(f"cannot listen on '{host}': {error.strerror}; choose another --host") from error
        return int(probe.getsockname()[1])
