"""A person takes over, lets go, and says how an episode ended: a wrapper around any `RobotEnv`."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from sandlot.learners.real_time import real_time
from sandlot.learners.schema import Source
from sandlot.robots.env import Obs
from sandlot.robots.errors import RedoError, RobotStoppedError

EVENTS = ("success", "failure", "redo", "next")
GRIPPER = 6
POLL_S = 0.02


class Wish(Protocol):
    """What a person wants now: `teleop.mapping.Intent`. An event is True once for each press."""

    @property
    def alive(self) -> bool:
        """Whether the person's device is heard."""

    @property
    def take_over(self) -> bool:
        """Whether the person drives."""

    @property
    def action(self) -> np.ndarray:
        """Translation, rotation, gripper in [-1, 1], float32 [7]."""

    @property
    def success(self) -> bool:
        """The episode succeeded."""

    @property
    def failure(self) -> bool:
        """It failed."""

    @property
    def redo(self) -> bool:
        """Throw it away."""

    @property
    def next(self) -> bool:
        """End it here and keep it."""

    @property
    def quit(self) -> bool:
        """End the recording."""


class Intervention(gym.Wrapper[Obs, np.ndarray, Obs, np.ndarray]):
    """While a person drives, their action is executed instead of the policy's.

    Such a step's info says `source` HUMAN, and `action` what was executed. Success ends the episode with
    reward 1 and failure with 0, both for good (info `told`); `next` truncates it (info `next`); `redo` raises
    RedoError.
    When the device falls silent while the person drives, the robot pauses and RobotStoppedError is raised
    until it is heard again: control never goes back to the policy because a cable came loose.

    Attributes:
        drives: whether the person drove when they were last listened to.
        quit: whether they ended the recording.

    Args:
        env: a `RobotEnv`, or wrappers around one.
        intent: now_s -> what the person wants; None before anything was heard.
        clock: steady clock, s.
    """

    def __init__(
        self,
        env: gym.Env[Obs, np.ndarray],
        intent: Callable[[float], Wish | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(env)
        self._intent, self._clock = intent, clock
        self.drives = self.quit = False
        self._action = np.zeros(7, np.float32)
        self._events: set[str] = set()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode; what was pressed before it begins does not count."""
        self.listen()
        found = self.env.reset(seed=seed, options=options)
        self.listen()
        self._events.clear()
        return found

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes the person's action, or this one while nobody drives."""
        self.listen()
        human = self.drives
        action = self._take() if human else action
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.listen()  # what was pressed meanwhile is about this step
        pressed, self._events = self._events, set()
        info = {"action": action, **info, "source": Source.HUMAN} if human else info
        if pressed:
            self._hold()
        if "redo" in pressed:
            raise RedoError("the operator threw the episode away; it starts again")
        if pressed & {"success", "failure"}:
            success = "success" in pressed
            return obs, float(success), True, False, {**info, "success": success, "told": True}
        if "next" in pressed and not terminated:
            return obs, float(reward), False, True, {**info, "next": True}
        return obs, float(reward), terminated, truncated, info

    def reversed(self) -> "Intervention":
        """The reverse task's env, in the same person's hands."""
        return Intervention(self.env.get_wrapper_attr("reversed")(), self._intent, self._clock)

    def wait_for_person(self) -> bool:
        """True once the person takes the robot anew, False once they quit; other presses are void."""
        let_go = not self.drives
        while not (self.quit or (let_go and self.drives)):
            time.sleep(POLL_S)
            self.listen()
            let_go = let_go or not self.drives
        self._events.clear()
        return not self.quit

    def _take(self) -> np.ndarray:
        """The person's action; a task without a gripper leaves that out."""
        action = self._action[: (self.action_space.shape or (0,))[0]].copy()
        self._action[GRIPPER] = 0.0
        return action

    def listen(self) -> None:
        """Notes what the person wants; raises when they drive and are not heard any more."""
        wish = self._intent(self._clock())
        if self.drives and (wish is None or not wish.alive):
            self._hold()
            raise RobotStoppedError(
                "the operator's device fell silent while they drove: the robot holds; plug it in again"
            )
        self.drives = wish is not None and wish.take_over
        grip = self._action[GRIPPER] if self.drives else 0.0  # a press between two actions is not lost
        if wish is not None:
            self.quit = self.quit or wish.quit
            self._action = np.array(wish.action, np.float32)
            self._action[GRIPPER] = self._action[GRIPPER] or grip
            self._events |= {name for name in EVENTS if getattr(wish, name)}

    def _hold(self) -> None:
        """Tells the robot to hold, where it can be told."""
        robot = real_time(self.env)
        if robot is not None:
            robot.pause()
