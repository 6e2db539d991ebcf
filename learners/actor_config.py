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
        pace: `learner`, `realtime` or `free`; see `sandlot train --help`.
        random_steps: env steps, over all actors, with uniformly random actions.
        stale_policy_s: age at which weights are stale; 0 means never.
        on_stale: what to do then.
        spool: folder for steps that are not acknowledged yet; `runs/spool/NAME` when empty.
        spool_mb: how much of them it may hold.
        keys: folder made by `sandlot keys`.
        rerun: stream to the Rerun viewer.
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
