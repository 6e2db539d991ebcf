"""The actor: steps an env with the newest policy and never waits, but in simulation for the learner's word.

Steps go to the transport's I/O thread, weights come from the policy feed's thread; the loop itself touches no
socket and no disk.
"""

import gc
import logging
import sys
import threading
import time
from typing import Any

import numpy as np

from sandlot.learners import envs
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.errors import NotReadyError, SandlotError, SpoolFullError
from sandlot.learners.feed import PolicyFeed
from sandlot.learners.pace import Pacer, allowance
from sandlot.learners.process import SWITCH_INTERVAL_S, take_precedence
from sandlot.learners.real_time import RETRY_S, Complaint, real_time
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import EnvSpec
from sandlot.learners.transport import Options, StepClient

log = logging.getLogger(__name__)

SEND_EVERY = 10
"""Steps handed over together when the env is faster than real time."""
REPORT_S = 0.5
WAITING_S = 10.0
ENV_TRIES = 3
NO_ACTION_S = 0.1


class Actor:
    """One env, one stream of experience."""

    def __init__(self, config: ActorConfig, stop: threading.Event) -> None:
        """Makes the env and connects; raises what either refuses."""
        self.config, self.stop = config, stop
        self.env = envs.make(config.task, **config.env.kwargs())
        self.spec, self.robot = envs.env_spec(self.env), real_time(self.env)
        self.timed = config.pace == "realtime" or self.robot is not None
        if self.timed:
            log.info("event=real_time_priority granted=%s", take_precedence())
        options = Options(spool_bytes=config.spool_mb * 1024 * 1024)
        self.client = StepClient(
            self.spec,
            config.name,
            f"tcp://{config.learner}",
            spool=config.spool or f"runs/spool/{config.name}",
            keys=config.keys or None,
            options=options,
        )
        self.feed = PolicyFeed(self.client.latest_weights, self.spec)
        self.recorder = EpisodeRecorder(self.spec, on_step=self.robot.note if self.robot else None)
        period_s = 1.0 / self.spec.control_hz
        self.pacer = Pacer(config.pace, period_s, stop.is_set, env_keeps_time=self.robot is not None)
        self.rng = np.random.default_rng(config.seed)
        self.slowest_ms = 0.0  # the longest the loop spent on anything but the env and waiting
        self.faults = 0
        self.not_ready = 0  # episodes that a robot that could not go on refused or cut short
        self.bad_actions = 0
        self.handed_over = 0  # steps given to the transport
        self._viewer = _viewer(config, self.spec)
        self._reported_s = 0.0
        self._blocked = False
        self._held = False  # a robot was told to hold since the last step
        self._complain = Complaint()

    def run(self) -> None:
        """Steps until stopped."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.freeze()
        try:
            self._wait_for_policy()
            while not self.stop.is_set():
                self.play_episode()
        finally:
            try:
                self._hold()
                self.recorder.cut()
                self._hand_over()
                log.info("event=actor_stopped run=%s steps=%d", self.client.run, self.handed_over)
            finally:
                self.close()

    def _wait_for_policy(self) -> None:
        """Returns with the first weights, or when stopped; says every now and then what it waits for."""
        said_s = time.monotonic()
        while not self.stop.is_set() and self.feed.policy is None:
            self.client.check()
            self.stop.wait(0.01)
            if time.monotonic() - said_s > WAITING_S:
                said_s = time.monotonic()
                state = self.client.status()["state"]
                log.warning("event=waiting_for_weights learner=%s link=%s", self.config.learner, state)

    def play_episode(self) -> None:
        """One episode, from reset to its end, a fault or a stop."""
        try:
            obs, _ = self.env.reset(seed=int(self.rng.integers(2**31)))
            self.recorder.begin(obs, time.monotonic_ns())
        except Exception as error:
            self._env_failed(error)
            return
        self.pacer.episode_began()
        ended = self._held = False
        while not ended and not self.stop.is_set():
            self.client.check()
            if self._stale():
                continue  # before the pacer: a step that is not taken must not be counted
            if not self._held:
                self.pacer.wait(self._left)
                self.pacer.taken -= self._held
            if self._held:  # the robot moved on since it was observed: its episode is cut here
                break
            if not self.stop.is_set():
                obs, ended = self._step(obs)
        self._hold()

    def _hold(self) -> None:
        """Tells a robot that moves by itself that nobody will command it for a while; ends its episode."""
        if self.robot is not None and not self._held:
            self.robot.pause()
            self._held = True

    def _step(self, obs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Acts once; returns the next observation and whether the episode ended."""
        began_s = time.perf_counter()
        decision = done = self._decide(obs)
        if not usable(decision.action, self.spec.action_size):
            self._no_action(decision)
            return obs, True
        decided_s = time.perf_counter()
        try:
            obs, reward, terminated, truncated, info = self.env.step(decision.action)
            if "action" in info:  # as executed, after the robot's limits or a person's hand
                source = info.get("source", decision.source)
                done = decision._replace(action=info["action"], policy_action=decision.action, source=source)
            outcome = Outcome(
                obs,
                float(reward),
                terminated,
                truncated,
                time.monotonic_ns(),
                bool(info.get("success", False)),
            )
            stepped_s = time.perf_counter()
            ended = self.recorder.add(done, outcome) is not None
            self.faults = 0
        except Exception as error:
            self.recorder.abort(decision)
            self._env_failed(error)
            return obs, True
        self._hand_over(at_least=1 if self.timed or ended else SEND_EVERY)
        self._report()
        if self._viewer:
            self._viewer.log_step(obs, decision.action, float(reward))
        self.slowest_ms = max(self.slowest_ms, 1e3 * (time.perf_counter() - stepped_s + decided_s - began_s))
        return obs, ended

    def _decide(self, obs: dict[str, Any]) -> Decision:
        """The policy's action, or a random one in the first `random_steps`."""
        policy = self.feed.policy
        if policy is None:
            raise SandlotError("actor has no policy; it connects to a learner first")
        if self.client.info.get("env_steps", 0.0) < self.config.random_steps:
            action = self.rng.uniform(-1, 1, self.spec.action_size).astype(np.float32)
        else:
            action = policy.act(obs, self.rng)
        return Decision(action, time.monotonic_ns(), time.time(), policy_version=policy.version)

    def _no_action(self, decision: Decision) -> None:
        """Cuts the episode without a command to the robot, and waits a moment for better weights."""
        self.bad_actions += 1
        self.pacer.taken -= 1
        log.error(
            "event=action_refused count=%d version=%d action=%s",
            self.bad_actions,
            decision.policy_version,
            decision.action,
        )
        self._hold()
        self.recorder.cut()
        self._hand_over()
        self.stop.wait(NO_ACTION_S)

    def _env_failed(self, error: Exception) -> None:
        """Counts a failure; gives up when the env keeps failing. A robot that is not ready is waited for."""
        if isinstance(error, NotReadyError):
            self.not_ready += 1
            self._complain(error, time.monotonic())
            self._hand_over()
            self._report()
            self.stop.wait(RETRY_S)
            return
        self.faults += 1
        log.error("event=env_failed try=%d of=%d error=%r", self.faults, ENV_TRIES, error)
        self._hand_over()
        if self.faults >= ENV_TRIES:
            raise SandlotError(
                f"task '{self.config.task}': the env failed {ENV_TRIES} times in a row: {error}"
            ) from error

    def _hand_over(self, at_least: int = 1) -> None:
        """Gives what is complete to the transport; a full spool stops the robot, it never drops a step."""
        if self.recorder.complete < at_least:
            return
        steps, finals = self.recorder.take()
        while True:
            try:
                self.client.send(steps, finals)
                self.handed_over += len(steps)
                self._blocked = False
                return
            except SpoolFullError as error:
                if not self._blocked:
                    log.error("event=spool_full error=%r", str(error))
                self._blocked = True
                self._hold()
                if self.stop.wait(0.1):
                    raise

    def _left(self) -> float:
        """Steps the learner's allowance still covers; while there are none, steps and figures go out."""
        # a held step reaches the learner only with the next one: it must not use up the last of the allowance
        left = allowance(self.client.info, self.client.run, self.pacer.taken - self.recorder.held)
        if left < 1:
            self._hold()
            self._report()
            self._hand_over()  # the learner cannot go on with what it has not got
        return left

    def _stale(self) -> bool:
        """Whether the weights are too old to act on; then the robot holds still."""
        limit_s = self.config.stale_policy_s
        if not limit_s or self.config.on_stale == "continue" or self.feed.age_s(time.monotonic()) <= limit_s:
            return False
        self._hold()
        log.warning("event=policy_stale age_s=%.1f limit_s=%.1f", self.feed.age_s(time.monotonic()), limit_s)
        self.stop.wait(0.2)
        return True

    def _report(self) -> None:
        """Figures for the learner and its people."""
        now_s = time.monotonic()
        if now_s - self._reported_s < REPORT_S:
            return
        self._reported_s = now_s
        spool = self.client.status()
        self.client.report(
            {
                "policy_age_s": self.feed.age_s(now_s),
                "policy_version": float(self.feed.policy.version if self.feed.policy else -1),
                "policies_refused": float(self.feed.refused),
                "actions_refused": float(self.bad_actions),
                "steps": float(self.pacer.taken),
                "slowest_ms": self.slowest_ms,
                "spool_steps": float(spool["spool_steps"]),
                "spool_bytes": float(spool["spool_bytes"]),
                "spool_full": float(self._blocked),
                "not_ready": float(self.not_ready),
                **self.pacer.jitter_ms(),
                **(self.robot.figures() if self.robot else {}),
            }
        )
        self.slowest_ms = 0.0

    def close(self) -> None:
        """Ends the threads; unacknowledged steps stay in the spool for the next life."""
        self.feed.close()
        if self._viewer:
            self._viewer.close()
        self.client.close()
        self.env.close()


def usable(action: np.ndarray, size: int) -> bool:
    """Whether an action may go to the env: `size` finite numbers in [-1, 1]. Finite weights can overflow."""
    return action.shape == (size,) and bool((np.abs(action) <= 1.0).all())  # NaN compares false


def _viewer(config: ActorConfig, spec: EnvSpec) -> Any:
    if not config.rerun:
        return None
    from sandlot.learners.rerun_log import RerunLog  # noqa: PLC0415  (an extra)

    return RerunLog(config.task, spec)


def run_actor(config: ActorConfig, stop: threading.Event) -> None:
    """Makes an actor and runs it until stopped."""
    Actor(config, stop).run()
