"""Turning what an env does into step records: stamps, flags, and the episode and segment counters.

A segment is unbroken experience of one source. It breaks where an episode ends, where a person takes over or
lets go, and where experience was interrupted; its last step carries END and its next observation becomes a
`final`. Because a step's END may follow only from the next decision's source, the newest step of a running
episode is held back until the next one arrives: `take` never returns a step that could still change.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.errors import RecordError
from sandlot.learners.real_time import StepNote
from sandlot.learners.schema import EnvSpec, Flag, Source, obs_dtype, step_dtype


class Decision(NamedTuple):
    """What was done, who chose it and when.

    Attributes:
        action: the action as executed, float32 [A] in [-1, 1].
        t_act_ns: `time.monotonic_ns` when it was sent.
        wall_s: `time.time` then, for people.
        policy_action: what the policy wanted, float32 [A]; None when nobody overruled it.
        source: who chose `action`.
        policy_version: number of the weights; -1 when there are none.
    """

    action: np.ndarray
    t_act_ns: int
    wall_s: float
    policy_action: np.ndarray | None = None
    source: Source = Source.POLICY
    policy_version: int = -1


class Outcome(NamedTuple):
    """What came of a decision; `obs` is the next observation and `t_obs_ns` its monotonic stamp."""

    obs: dict[str, Any]
    reward: float
    terminated: bool
    truncated: bool
    t_obs_ns: int
    success: bool = False


class Episode(NamedTuple):
    """A finished episode in numbers; `success` is that of its last step."""

    number: int
    steps: int
    reward_sum: float
    success: bool
    aborted: bool


class EpisodeRecorder:
    """Writes one stream's steps: `begin(obs)`, then `add` until the episode ends; `take` what is complete.

    It reads no clock and keeps no reference to an array it is given: every number is copied once.
    `episode` and `segment` count from 0 over the whole stream, as `step` does. `on_step` is told every step.
    """

    def __init__(
        self, spec: EnvSpec, *, capacity: int = 64, on_step: Callable[[StepNote], None] | None = None
    ) -> None:
        self._spec, self._on_step = spec, on_step
        self._rows = np.zeros(max(capacity, 4), step_dtype(spec))
        self._columns = _columns(self._rows)
        self._images = [(name, f"image.{name}", shape) for name, shape in spec.images.items()]
        self._finals: list[np.ndarray] = []
        self._count = 0  # rows written; the row after them holds the current observation
        self._open = False  # whether the newest row may still get END
        self._running = False  # whether an episode is going on
        self._step, self._segment = 0, 0
        self._now = Episode(-1, 0, 0.0, False, False)

    @property
    def complete(self) -> int:
        """Steps that `take` would return."""
        return self._count - self._open

    @property
    def held(self) -> int:
        """Steps held back because they may still get END: 0 or 1."""
        return int(self._open)

    def begin(self, obs: dict[str, Any], t_obs_ns: int) -> None:
        """Starts an episode at its first observation; one that is still going on is cut."""
        self._check_obs(obs)
        self.cut()
        self._running = True
        self._now = Episode(self._now.number + 1, 0, 0.0, False, False)
        self._write_obs(obs, t_obs_ns)

    def add(self, decision: Decision, outcome: Outcome) -> Episode | None:
        """Records one step, and returns the episode when this was its last.

        Raises:
            RecordError: something is not finite, out of range or of the wrong shape. Nothing was recorded;
                `abort` or `cut` ends the episode.
        """
        self._check_obs(outcome.obs)
        if not math.isfinite(outcome.reward):
            raise RecordError(f"field 'reward' is {outcome.reward}: must be finite; task '{self._spec.task}'")
        flags = Flag.SUCCESS if outcome.success else Flag(0)
        if outcome.terminated:
            flags |= Flag.TERMINATED | Flag.END
        elif outcome.truncated:
            flags |= Flag.TRUNCATED | Flag.END
        self._write_step(decision, flags, outcome.reward)
        if flags & Flag.END:
            self._finals.append(self._final_of(outcome.obs))
            return self._finish()
        self._write_obs(outcome.obs, outcome.t_obs_ns)
        return None

    def abort(self, decision: Decision) -> Episode:
        """Ends the episode by a fault: the step is kept, never learned from; its observation is its final."""
        self._write_step(decision, Flag.ABORTED | Flag.END, 0.0)
        self._finals.append(self._final_of_row(self._count - 1))
        return self._finish()._replace(aborted=True, success=False)

    def cut(self) -> None:
        """Ends the segment, but not the episode, where it is: nothing was done at the last observation."""
        if self._open:
            self._break()
        self._running = False

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """Moves out what is complete: steps [n] of `step_dtype` and finals [m] of `obs_dtype`, as copies."""
        done = self.complete
        steps = self._rows[:done].copy()
        kept = self._count + self._running - done
        self._rows[:kept] = self._rows[done : done + kept]  # the held step, the current observation
        self._count -= done
        finals = np.array(self._finals, obs_dtype(self._spec))
        self._finals.clear()
        return steps, finals

    def _write_step(self, decision: Decision, flags: Flag, reward: float) -> None:
        """Completes the current row; its observation is already there."""
        if not self._running:
            raise RecordError(f"task '{self._spec.task}': no episode is going on; call begin(obs) first")
        wanted = decision.action if decision.policy_action is None else decision.policy_action
        self._check_action("action", decision.action)
        self._check_action("policy_action", wanted)
        column, i = self._columns, self._count
        if self._open and decision.source != column["source"][i - 1]:
            self._break()
        column["step"][i] = self._step
        column["episode"][i] = self._now.number
        column["segment"][i] = self._segment
        column["policy_version"][i] = decision.policy_version
        column["t_act_ns"][i] = decision.t_act_ns
        column["wall_s"][i] = decision.wall_s
        column["source"][i] = decision.source
        column["flags"][i] = flags
        column["reward"][i] = reward
        column["discount"][i] = 0.0 if flags & Flag.TERMINATED else 1.0
        column["action"][i] = decision.action
        column["policy_action"][i] = wanted
        _, steps, reward_sum, _, _ = self._now
        self._now = Episode(
            self._now.number, steps + 1, reward_sum + reward, bool(flags & Flag.SUCCESS), False
        )
        self._count += 1
        self._step += 1
        self._open = True
        if self._on_step is not None:
            self._on_step(self._note(decision, wanted, flags, reward))

    def _note(self, decision: Decision, wanted: np.ndarray, flags: Flag, reward: float) -> StepNote:
        """The newest step as others are told of it."""
        return StepNote(
            episode=self._now.number,
            step=self._step - 1,
            flags=flags,
            reward=reward,
            source=decision.source,
            policy_version=decision.policy_version,
            t_obs_ns=int(self._columns["t_obs_ns"][self._count - 1]),
            t_act_ns=decision.t_act_ns,
            wall_s=decision.wall_s,
            action=decision.action,
            policy_action=wanted,
            task=self._spec.task,
        )

    def _break(self) -> None:
        """Makes the newest step the last of its segment; its final is the current observation."""
        self._columns["flags"][self._count - 1] |= Flag.END
        self._finals.append(self._final_of_row(self._count))
        self._segment += 1
        self._open = False

    def _finish(self) -> Episode:
        self._segment += 1
        self._open = self._running = False
        return self._now

    def _write_obs(self, obs: dict[str, Any], t_obs_ns: int) -> None:
        """Puts an observation into the row that the next decision completes."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._columns = _columns(self._rows)
        self._columns["t_obs_ns"][self._count] = t_obs_ns
        self._columns["state"][self._count] = obs["state"]
        for name, column, _ in self._images:
            self._columns[column][self._count] = obs["images"][name]

    def _final_of(self, obs: dict[str, Any]) -> np.ndarray:
        """A `final` record of an observation, for the newest step."""
        final = np.zeros((), obs_dtype(self._spec))
        final["step"], final["state"] = self._step - 1, obs["state"]
        for name, column, _ in self._images:
            final[column] = obs["images"][name]
        return final

    def _final_of_row(self, row: int) -> np.ndarray:
        """A `final` record of a row's observation, for the newest step."""
        final = np.zeros((), obs_dtype(self._spec))
        for column in final.dtype.names or ():
            final[column] = self._rows[column][row]
        final["step"] = self._step - 1
        return final

    def _check_action(self, field: str, value: np.ndarray) -> None:
        if np.shape(value) != (self._spec.action_size,) or not np.abs(value).max() <= 1:  # NaN compares false
            raise RecordError(
                f"field '{field}' is {value!s}: must be {self._spec.action_size} finite numbers in [-1, 1]; "
                f"task '{self._spec.task}'"
            )

    def _check_obs(self, obs: dict[str, Any]) -> None:
        state, task = obs["state"], self._spec.task
        if np.shape(state) != (self._spec.state_size,) or not np.isfinite(state).all():
            raise RecordError(
                f"field 'state' is {state!s}: must be {self._spec.state_size} finite numbers; task '{task}'"
            )
        for name, _, shape in self._images:
            image = obs["images"].get(name)
            if image is None or image.shape != shape or image.dtype != np.uint8:
                got = "missing" if image is None else f"{image.dtype}{list(image.shape)}"
                raise RecordError(f"field 'image.{name}' is {got}: must be uint8{list(shape)}; task '{task}'")


def _columns(rows: np.ndarray) -> dict[str, np.ndarray]:
    """One view per field: writing through it skips the lookup that a structured row does."""
    return {name: rows[name] for name in rows.dtype.names or ()}
