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
from sandlot.learners.errors import NotReadyError, SandlotError
from sandlot.learners.ledger import Ledger, Use
from sandlot.learners.pace import Pacer
from sandlot.learners.practice import Practice, usable
from sandlot.learners.process import SWITCH_INTERVAL_S, take_precedence
from sandlot.learners.real_time import RETRY_S, Complaint, real_time
from sandlot.learners.recorder import Decision, Outcome
from sandlot.learners.schema import EnvSpec
from sandlot.learners.turns import Trial, TurnConfig, done_before, first, judged

log = logging.getLogger(__name__)

SEND_EVERY = 10
"""Steps handed over together when the env is faster than real time."""
REPORT_S = 0.5
WAITING_S = 10.0
ENV_TRIES = 3
NO_ACTION_S = 0.1
BACK = "_back"
"""What the reverse task's spool and run are called after, next to the first ones."""


class Actor:
    """One env, one stream of experience; or two of both round one robot, played in turn."""

    def __init__(self, config: ActorConfig, stop: threading.Event) -> None:
        """Makes the env and connects; raises what either refuses."""
        self.config, self.stop = config, stop
        self.turns = TurnConfig(config.tries, config.call_after).check()
        env = envs.make(config.task, **config.env.kwargs())
        self.robot = real_time(env)
        self.timed = config.pace == "realtime" or self.robot is not None
        if self.timed:
            log.info("event=real_time_priority granted=%s", take_precedence())
        spool = config.spool or f"runs/spool/{config.name}"
        self.practices = [Practice(env, config, config.learner, spool)]
        if config.back_learner:
            back = envs.make_reverse(env, config.back_classifier, config.env.encoder)
            self.practices.append(Practice(back, config, config.back_learner, f"{spool}{BACK}"))
        self.turn = first(pair=bool(config.back_learner), autoreset=config.autoreset)
        self.ledger = Ledger(time.time())
        period_s = 1.0 / self.spec.control_hz
        self.pacer = Pacer(config.pace, period_s, stop.is_set, env_keeps_time=self.robot is not None)
        self.rng = np.random.default_rng(config.seed)
        self.slowest_ms = 0.0  # the longest the loop spent on anything but the env and waiting
        self.faults = 0
        self.not_ready = 0  # episodes that a robot that could not go on refused or cut short
        self.bad_actions = 0
        self._viewer: Any = None
        if config.rerun:
            from sandlot.learners.rerun_log import RerunLog  # noqa: PLC0415  (an extra)

            self._viewer = RerunLog(config.task, self.spec)
        self._reported_s = 0.0
        self._waits_for: Use | None = None  # what the env was not ready for, since its last reset
        self._held = False  # a robot was told to hold since the last step
        self._complain = Complaint()

    @property
    def now(self) -> Practice:
        """Whose turn it is."""
        return self.practices[self.turn.direction]

    @property
    def spec(self) -> EnvSpec:
        """What that env observes and does."""
        return self.now.spec

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
                for practice in self.practices:
                    practice.recorder.cut()
                    practice.hand_over(1, self.stop, self._hold)
                    run = practice.client.run
                    log.info("event=actor_stopped run=%s steps=%d", run, practice.handed_over)
            finally:
                self.close()

    def _wait_for_policy(self) -> None:
        """Returns with the first weights, or when stopped; says every now and then what it waits for."""
        said_s = time.monotonic()
        while not self.stop.is_set() and not all([p.ready for p in self.practices]):
            self.stop.wait(0.01)
            if time.monotonic() - said_s > WAITING_S:
                said_s = time.monotonic()
                for practice in self.practices:
                    state = practice.client.status()["state"]
                    log.warning("event=waiting_for_weights learner=%s link=%s", practice.learner, state)

    def play_episode(self) -> None:
        """One episode, from reset to its end, a fault or a stop; then it may be another practice's turn."""
        self._use(self._waits_for or Use.RESETTING)
        try:
            seed = int(self.rng.integers(2**31))
            obs, info = self.now.env.reset(seed=seed, options=self.turn.options(self.turns))
            self.now.recorder.begin(obs, time.monotonic_ns())
            self.now.frames.begin()
        except Exception as error:
            self.ledger.note_resets(getattr(error, "resets", ()))
            self._env_failed(error)
            return
        if self._waits_for is Use.PERSON:
            self._complain = Complaint()  # the next call is another one
        self._waits_for = None
        self.ledger.note_resets(info.get("resets", ()))
        self.ledger.count("calls", info.get("called", 0.0))
        if len(self.practices) > 1 and done_before(info):
            trial = Trial.DONE_BEFORE
            self.now.recorder.cut()
        else:
            trial = self._play(obs)
        if len(self.practices) > 1 and not self.stop.is_set():
            self.turn = self.turn.next(trial, self.turns)
            log.info("event=turn ended=%s %s", trial.name, self.turn)

    def _play(self, obs: dict[str, Any]) -> Trial:
        """Steps until the episode ends; says how."""
        self.pacer.episode_began()
        self._use(Use.STEPPING)
        ended: Trial | None = None
        self._held = False
        while ended is None and not self.stop.is_set():
            self.now.client.check()
            if self._stale():
                continue  # before the pacer: a step that is not taken must not be counted
            if not self._held:
                self.pacer.wait(self._left)
                self.pacer.taken -= self._held
            if self._held:  # the robot moved on since it was observed: its episode is cut here
                break
            if not self.stop.is_set():
                self._use(Use.STEPPING)
                obs, ended = self._step(obs)
        self._hold()
        return ended or Trial.BROKEN

    def _hold(self) -> None:
        """Tells a robot that moves by itself that nobody will command it for a while; ends its episode."""
        if self.robot is not None and not self._held:
            self.robot.pause()
            self._held = True

    def _step(self, obs: dict[str, Any]) -> tuple[dict[str, Any], Trial | None]:
        """Acts once; returns the next observation and how the episode ended, None while it goes on."""
        began_s = time.perf_counter()
        decision = done = self.now.decide(obs, self.rng, self.config.random_steps)
        if not usable(decision.action, self.spec.action_size):
            self._no_action(decision)
            return obs, Trial.BROKEN
        decided_s = time.perf_counter()
        try:
            obs, reward, terminated, truncated, info = self.now.env.step(decision.action)
            if "action" in info:  # as executed, after the robot's limits or a person's hand
                source = info.get("source", decision.source)
                done = decision._replace(action=info["action"], policy_action=decision.action, source=source)
            success = bool(info.get("success", False))
            outcome = Outcome(obs, float(reward), terminated, truncated, time.monotonic_ns(), success)
            stepped_s = time.perf_counter()
            ended = self.now.recorder.add(done, outcome) is not None
            self.faults = 0
        except Exception as error:
            self.now.recorder.abort(decision)
            self._env_failed(error)
            return obs, Trial.BROKEN
        self._report()
        if self._viewer:
            self._viewer.log_step(obs, decision.action, float(reward))
        # last: it wakes the transport's thread, which then competes for the interpreter
        self._hand_over(at_least=1 if self.timed or ended else SEND_EVERY)
        self.slowest_ms = max(self.slowest_ms, 1e3 * (time.perf_counter() - stepped_s + decided_s - began_s))
        return obs, judged(success, info.get("stuck", False)) if ended else None

    def _no_action(self, decision: Decision) -> None:
        """Cuts the episode without a command to the robot, and waits a moment for better weights."""
        self.bad_actions += 1
        self.pacer.taken -= 1
        version = decision.policy_version
        log.error(
            "event=action_refused count=%d version=%d action=%s", self.bad_actions, version, decision.action
        )
        self._use(Use.LEARNER)
        self._hold()
        self.now.recorder.cut()
        self._hand_over()
        self.stop.wait(NO_ACTION_S)

    def _env_failed(self, error: Exception) -> None:
        """Counts a failure; gives up when the env keeps failing. A robot that is not ready is waited for."""
        if isinstance(error, NotReadyError):
            self.not_ready += 1
            if error.needs_person and self._waits_for is not Use.PERSON:
                self.ledger.count("calls")
            self._waits_for = Use.PERSON if error.needs_person else Use.FAULT
            self._use(self._waits_for)
            self._complain(error, time.monotonic())
            self._hand_over()
            self._report()
            self.stop.wait(RETRY_S)
            return
        self._use(Use.FAULT)
        self.faults += 1
        log.error("event=env_failed try=%d of=%d error=%r", self.faults, ENV_TRIES, error)
        self._hand_over()
        if self.faults >= ENV_TRIES:
            text = f"task '{self.spec.task}': the env failed {ENV_TRIES} times in a row: {error}"
            raise SandlotError(text) from error

    def _hand_over(self, at_least: int = 1) -> None:
        """Gives what is complete to the transport; while the spool is full, the robot waits."""
        self.now.hand_over(at_least, self.stop, self._hold)

    def _left(self) -> float:
        """Steps the learner's allowance still covers; while there are none, steps and figures go out."""
        left = self.now.left()
        if left < 1:
            self._use(Use.LEARNER)
            self._hold()
            self._report()
            self._hand_over()  # the learner cannot go on with what it has not got
        return left

    def _stale(self) -> bool:
        """Whether the weights are too old to act on; then the robot holds still."""
        limit_s, age_s = self.config.stale_policy_s, self.now.feed.age_s(time.monotonic())
        if not limit_s or self.config.on_stale == "continue" or age_s <= limit_s:
            return False
        self._use(Use.LEARNER)
        self._hold()
        log.warning("event=policy_stale age_s=%.1f limit_s=%.1f", age_s, limit_s)
        self.stop.wait(0.2)
        return True

    def _use(self, use: Use) -> None:
        """From now on the time goes to this."""
        self.ledger.enter(use, time.monotonic())

    def _report(self) -> None:
        """Figures for the learners and their people."""
        now_s = time.monotonic()
        if now_s - self._reported_s < REPORT_S:
            return
        self._reported_s = now_s
        common = {
            "actions_refused": float(self.bad_actions),
            "slowest_ms": self.slowest_ms,
            "not_ready": float(self.not_ready),
            "waits_for_person": float(self._waits_for is Use.PERSON),
            **self.ledger.figures(now_s),
            **self.pacer.jitter_ms(),
            **(self.robot.figures() if self.robot else {}),
            **envs.figures(self.practices[0].env),
        }
        for practice in self.practices:
            practice.client.report({**practice.figures(now_s), **common})
        self.slowest_ms = 0.0

    def close(self) -> None:
        """Ends the threads; unacknowledged steps stay in the spool for the next life."""
        for practice in self.practices:
            practice.close()
        if self._viewer:
            self._viewer.close()
        for practice in self.practices:
            practice.env.close()


def run_actor(config: ActorConfig, stop: threading.Event) -> None:
    """Makes an actor and runs it until stopped."""
    Actor(config, stop).run()
