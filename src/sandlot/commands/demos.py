"""`sandlot demos TASK`."""

import dataclasses
import pathlib
import time

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners import envs
from sandlot.learners.demos import DemosConfig, record_demos, save_demos
from sandlot.learners.env_config import EnvArgs, EnvConfig
from sandlot.learners.store import RunStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Record demonstrations with a task's scripted expert; `sandlot train --demos-file FOLDER` uses them.

    Attributes:
        task: what to demonstrate.
        episodes: successful episodes to record.
        seed: attempt k starts from seed + k.
        noise: how much noise the expert adds, so that demonstrations also show how to recover.
        out: folder to write; `demos/TASK` when empty. More episodes are added to what is there.
        env: the env's settings.
        json: end with one line of JSON.
    """

    task: tyro.conf.Positional[str]
    episodes: int = 20
    seed: int = 0
    noise: float = 0.0
    out: str = ""
    env: EnvArgs = EnvConfig()
    json: bool = False


def main(argv: list[str]) -> int:
    """Records demonstrations."""
    flags = parse(Flags, argv, prog="demos")
    began_s = time.monotonic()
    env = envs.make(flags.task, **flags.env.kwargs())
    spec = envs.env_spec(env)
    env.close()
    folder = pathlib.Path(flags.out or pathlib.Path("demos") / flags.task.replace(":", "-"))
    config = DemosConfig(
        task=flags.task, episodes=flags.episodes, seed=flags.seed, noise=flags.noise, env=flags.env
    )
    with RunStore.open(folder, spec) as store:
        episodes, attempts = save_demos(store, record_demos(config))
        total = store.last_seq
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
