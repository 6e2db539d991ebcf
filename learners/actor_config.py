"""What one actor process is told."""

import dataclasses

import tyro

from sandlot.learners.env_config import EnvArgs, EnvConfig, Pace, Stale


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """One actor process.

    Attributes:
        task: what to step; the learner must be learning the same.
        learner: HOST:PORT of the learner.
        name: unique among the learner's actors; its spool and keys go by it.
        seed: of resets and exploration.
        env: the env's settings.
        pace: `learner`, `realtime` or `free`, see `sandlot train --help`; `realtime` by itself with
            `--robot ros`.
        random_steps: env steps, over all actors, with uniformly random actions.
        stale_policy_s: age at which weights are stale; 0 means never.
        on_stale: what to do then.
        spool: folder for steps that are not acknowledged yet; `runs/spool/NAME` when empty.
        spool_mb: how much of them it may hold.
        keys: folder made by `sandlot keys`.
        rerun: stream to the Rerun viewer.
        autoreset: let the task's reset controllers set up every trial but the first, by the same actions as a
            policy's; else the env does as it can (in simulation things are put where they belong).
        back_learner: HOST:PORT of the learner of the reverse task, where the task has one: both are then
            practised in turn, on one robot, and nothing is reset in between.
        back_classifier: a reward classifier of the reverse task.
        tries: failures in a row before the other direction, and then the reset controllers, have a go.
        call_after: trials in a row without a success before a person is called; 0 means never.
    """

    task: tyro.conf.Positional[str]
    learner: str = "127.0.0.1:5567"
    name: str = "actor-0"
    seed: int = 0
    env: EnvArgs = EnvConfig()
    pace: Pace = "learner"
    random_steps: int = 0
    stale_policy_s: float = 0.0
    on_stale: Stale = "continue"
    spool: str = ""
    spool_mb: int = 1024
    keys: str = ""
    rerun: bool = False
    autoreset: bool = False
    back_learner: str = ""
    back_classifier: str = ""
    tries: int = 3
    call_after: int = 50
