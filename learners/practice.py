"""What an actor has for each agent that it plays: the env as that agent sees it, its policy, its stream.

Nearly every actor has one. Where two tasks undo each other and nobody resets, it has two, and plays them in
turn on one robot.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sandlot.learners import envs
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.errors import SandlotError, SpoolFullError
from sandlot.learners.feed import PolicyFeed
from sandlot.learners.frames import Frames
from sandlot.learners.pace import allowance
from sandlot.learners.real_time import real_time
from sandlot.learners.recorder import Decision, EpisodeRecorder
from sandlot.learners.transport import Options, StepClient

log = logging.getLogger(__name__)

FULL_S = 0.1


class Practice:
    """One agent's env, policy and stream; it touches no socket and no disk itself.

    Attributes:
        handed_over: steps given to the transport.
        blocked: whether the spool is full.
    """

    def __init__(self, env: envs.Env, config: ActorConfig, learner: str, spool: str) -> None:
        """Begins to connect to the agent's learner, HOST:PORT."""
        self.env, self.spec, self.learner = env, envs.env_spec(env), learner
        robot = real_time(env)
        self.client = StepClient(
            self.spec,
            config.name,
            f"tcp://{learner}",
            spool=spool,
            keys=config.keys or None,
            options=Options(spool_bytes=config.spool_mb * 1024 * 1024),
        )
        self.feed = PolicyFeed(self.client.latest_weights, self.spec)
        self.recorder = EpisodeRecorder(self.spec, on_step=robot.note if robot else None)
        self.frames = Frames()
        self.handed_over = 0
        self.blocked = False

    @property
    def ready(self) -> bool:
        """Whether there is a policy; raises when the learner refuses this actor."""
        self.client.check()
        return self.feed.policy is not None

    def decide(self, obs: dict[str, Any], rng: np.random.Generator, random_steps: int) -> Decision:
        """The policy's action, or a random one in the learner's first `random_steps`."""
        policy = self.feed.policy
        if policy is None:
            raise SandlotError("actor has no policy; it connects to a learner first")
        obs = self.frames.add(obs, policy)
        if self.client.info.get("env_steps", 0.0) < random_steps:
            action = rng.uniform(-1, 1, self.spec.action_size).astype(np.float32)
        else:
            action = policy.act(obs, rng)
        return Decision(action, time.monotonic_ns(), time.time(), policy_version=policy.version)

    def left(self) -> float:
        """Steps the learner's allowance still covers."""
        # a held step reaches the learner only with the next one: it must not use up the last of the allowance
        return allowance(self.client.info, self.client.run, self.handed_over + self.recorder.complete)

    def hand_over(self, at_least: int, stop: threading.Event, hold: Callable[[], None]) -> None:
        """Gives what is complete to the transport; a full spool stops the robot, it never drops a step."""
        if self.recorder.complete < at_least:
            return
        steps, finals = self.recorder.take()
        while True:
            try:
                self.client.send(steps, finals)
                self.handed_over += len(steps)
                self.blocked = False
                return
            except SpoolFullError as error:
                if not self.blocked:
                    log.error("event=spool_full error=%r", str(error))
                self.blocked = True
                hold()
                if stop.wait(FULL_S):
                    raise

    def figures(self, now_s: float) -> dict[str, float]:
        """For the learner's people."""
        spool, policy = self.client.status(), self.feed.policy
        return {
            "policy_age_s": self.feed.age_s(now_s),
            "policy_version": float(policy.version if policy else -1),
            "policies_refused": float(self.feed.refused),
            "steps": float(self.handed_over + self.recorder.complete + self.recorder.held),
            "spool_steps": float(spool["spool_steps"]),
            "spool_bytes": float(spool["spool_bytes"]),
            "spool_full": float(self.blocked),
        }

    def close(self) -> None:
        """Ends the threads; unacknowledged steps stay in the spool for the next life."""
        self.feed.close()
        self.client.close()


def usable(action: np.ndarray, size: int) -> bool:
    """Whether an action may go to the env: `size` finite numbers in [-1, 1]. Finite weights can overflow."""
    return action.shape == (size,) and bool((np.abs(action) <= 1.0).all())  # NaN compares false
