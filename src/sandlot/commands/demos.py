"""`sandlot demos TASK`."""

import dataclasses
import pathlib
import time

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners import envs
from sandlot.learners.demos import STREAM_PERSON, DemosConfig, fresh_seed, record_demos, save_demos
from sandlot.learners.env_config import EnvArgs, EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.human_demos import give_time, record_human
from sandlot.learners.store import RunStore
from sandlot.robots import kinds
from sandlot.robots.kinds import KINDS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Record demonstrations; `sandlot train --demos-file FOLDER` uses them.

    A task's scripted expert plays, or with `--robot ros --teleop joy` a person: take the robot (gamepad: hold
    RB, keyboard: space), then next, redo, success, failure or quit.

    Attributes:
        task: what to demonstrate.
        episodes: successful episodes to record.
        seed: attempt k starts from seed + k; when there are episodes, after the seeds that they had.
        noise: how much noise the expert adds, so that demonstrations also show how to recover.
        limit_s: how long a person has for one episode; the task's own limit is meant for policies.
        out: folder to write; `demos/TASK` when empty. More episodes are added to what is there.
        env: the env's settings.
        json: end with one line of JSON.
    """

    task: tyro.conf.Positional[str]
    episodes: int = 20
    seed: int = 0
    noise: float = 0.0
    limit_s: float = 60.0
    out: str = ""
    env: EnvArgs = EnvConfig()
    json: bool = False


def main(argv: list[str]) -> int:
    """Records demonstrations."""
    flags = parse(Flags, argv, prog="demos")
    if flags.env.teleop == "scripted":
        raise ConfigError(
            "--teleop scripted is for correcting a policy; without --teleop the scripted expert demonstrates"
        )
    began_s = time.monotonic()
    folder = pathlib.Path(flags.out or pathlib.Path("demos") / flags.task.replace(":", "-"))
    config = DemosConfig(
        task=flags.task, episodes=flags.episodes, seed=flags.seed, noise=flags.noise, env=flags.env
    )
    if flags.env.robot == "ros" and KINDS[kinds.of_task(flags.task)].hands:
        raise ConfigError(
            f"task '{flags.task}' is shown by driving it: `sandlot up car --record --teleop gamepad`, then "
            "`sandlot course lap BAG --demos FOLDER`"
        )
    record = _by_hand if flags.env.teleop == "joy" else _by_script
    episodes, attempts, total = record(config, flags, folder)
    seconds = round(time.monotonic() - began_s, 2)
    result = {
        "task": flags.task,
        "folder": str(folder),
        "episodes": episodes,
        "attempts": attempts,
        "steps": total,
        "seconds": seconds,
    }
    print_result(result, as_json=flags.json)
    return 0


def _by_script(config: DemosConfig, flags: Flags, folder: pathlib.Path) -> tuple[int, int, int]:
    """The expert plays; returns episodes, attempts and how many steps the folder now has."""
    env = envs.make(config.task, **config.env.kwargs())
    spec = envs.env_spec(env)
    env.close()
    with RunStore.open(folder, spec) as store:
        config = dataclasses.replace(config, seed=fresh_seed(store, config.seed))
        return *save_demos(store, record_demos(config), seed=config.seed), store.last_seq


def _by_hand(config: DemosConfig, flags: Flags, folder: pathlib.Path) -> tuple[int, int, int]:
    """A person plays; the same figures."""
    env = envs.make(config.task, **config.env.kwargs())
    try:
        give_time(env, flags.limit_s)
        with RunStore.open(folder, envs.env_spec(env)) as store:
            return *save_demos(store, record_human(env, config), STREAM_PERSON), store.last_seq
    finally:
        env.close()
