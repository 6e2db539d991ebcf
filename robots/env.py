"""`RobotEnv`: Robot x Task as a plain `gymnasium.Env`."""

import dataclasses
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.errors import NotReadyError, SandlotError
from sandlot.learners.real_time import RealTime, ResetNote
from sandlot.learners.schema import EnvSpec
from sandlot.robots.errors import ResetFailedError, RobotStoppedError
from sandlot.robots.protocol import Placing, Robot, Stoppable, Task
from sandlot.robots.resets.plan import restore

Obs = dict[str, Any]
Reading = TypeVar("Reading")
Scene = TypeVar("Scene")


@dataclasses.dataclass
class Standing:
    """How a robot and its objects stand, for all envs round it.

    Attributes:
        placed: whether a trial was set up since they were in an unknown state.
        call: why a person was called who has not come yet; empty when none was.
    """

    placed: bool = False
    call: str = ""


class RobotEnv(gym.Env[Obs, np.ndarray], Generic[Reading, Scene]):
    """One robot practising one task.

    Observation: `{"state": float32 [n], "images": {camera: uint8 [H, W, 3]}}`; action: float32 [A] in
    [-1, 1]. `env_spec` names every number. The reward is 1 in the step that succeeds, which ends the
    episode, and 0 before; reaching `max_episode_steps` truncates. `info` holds `success` and, after a step,
    `action`: what was executed (clipped; all zeros, "hold", in place of one that is not finite). `real_time`
    is the robot when it moves by itself, None in simulation. `crops`: see `sandlot.learners.envs.crops`.

    How a trial begins is for `reset`'s options to say: without any, the robot does as it can (in simulation
    things are put where the scene wants them); `continue`: where everything stands; `scripted`: the task's
    reset controllers bring it there; `call`: a person does, with this reason. Whatever a reset controller did
    is in `info["resets"]`. When one gives up the robot stops, ResetFailedError is raised, and a person is
    waited for; in simulation the next reset stands for them, and puts things where the scene wants them.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        robot: Robot[Reading, Scene],
        task: Task[Reading, Scene],
        render_mode: str | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.robot = robot
        self._standing = standing or Standing()
        self.real_time = robot if isinstance(robot, RealTime) else None
        self.crops = dict(getattr(robot, "crops", {}))
        self.task = task
        self.render_mode = render_mode
        self.env_spec = EnvSpec(
            task=task.name,
            state=task.state_entries(),
            images=dict(robot.cameras),
            action=task.action_entries(),
            control_hz=robot.control_hz,
            max_episode_steps=task.max_steps,
        ).check()
        state = [np.full(e.size, (e.low, e.high)[i], np.float32) for i in (0, 1) for e in self.env_spec.state]
        low, high = np.split(np.concatenate(state), 2)
        cameras: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(0, 255, shape, np.uint8) for name, shape in robot.cameras.items()
        }
        self.observation_space = spaces.Dict({"state": spaces.Box(low, high), "images": spaces.Dict(cameras)})
        self.action_space = spaces.Box(-1.0, 1.0, (self.env_spec.action_size,), np.float32)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode; the same seed gives the same episode bit for bit."""
        super().reset(seed=seed)
        self._steps = 0
        asked = options or {}
        if asked.get("call") and not self._standing.call:
            self._call(str(asked["call"]))
        resets = self._set_up(self.task.scene(self.np_random), asked)
        self._before = self._reading = self.robot.observe()
        called = {"called": 1.0} if asked.get("call") and self.real_time is None else {}  # and came at once
        idle = self.task.nothing_to_do(self._reading)
        return self._obs(), {**self._judged(), "nothing_to_do": idle, "resets": resets, **called}

    def _set_up(self, scene: Scene, asked: dict[str, Any]) -> list[ResetNote]:
        """Brings things to where a trial begins; returns what reset controllers did."""
        standing, notes = self._standing, list[ResetNote]()
        as_is = bool(asked.get("continue") or asked.get("scripted"))
        try:
            called = bool(standing.call)
            if called and self.real_time is not None:
                self._await_person()
            if as_is and standing.placed and not (called and self._places()):
                self.robot.settle()
                if asked.get("scripted"):
                    moves = self.real_time is not None
                    notes = restore(self.robot, self.task.resets, scene, real_time=moves)
            else:
                self.robot.reset(scene, self.np_random)
        except ResetFailedError as error:
            standing.call = str(error)
            self._stop()
            raise
        standing.placed, standing.call = True, ""
        return notes

    def _places(self) -> bool:
        """Whether things are put right by the simulator's hand when a person was called."""
        return self.real_time is None or (isinstance(self.robot, Placing) and self.robot.places())

    def _await_person(self) -> None:
        """Raises, with the reason of the call, until a person has armed the robot."""
        try:
            self.robot.settle()
        except RobotStoppedError as error:
            raise RobotStoppedError(f"{self._standing.call}; {error}") from error
        self._standing.call = ""

    def _call(self, why: str) -> None:
        """Calls a person: a robot is stopped, and RobotStoppedError raised; in simulation one is there."""
        self._standing.call = why
        if self.real_time is not None:
            self._stop()
            raise RobotStoppedError(f"{why}: a person is called; see to it, then let the robot move again")

    def _stop(self) -> None:
        if isinstance(self.robot, Stoppable):
            self.robot.stop()

    @property
    def reverse_task(self) -> str:
        """The name of the task that undoes this one; empty when there is none."""
        return self.task.reverse

    def reversed(self) -> "RobotEnv[Reading, Scene]":
        """An env of that task, on the same robot among the same objects."""
        return RobotEnv(self.robot, self.task.reversed(), self.render_mode, self._standing)

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes one action for one control period."""
        try:
            done = self.robot.act(action)
        except NotReadyError:
            raise
        except SandlotError:
            self._standing.placed = False  # nothing can be said of where things are
            raise
        self._steps += 1
        self._before, self._reading = self._reading, self.robot.observe()
        judged = self._judged()
        success = judged["success"]
        truncated = not success and self._steps >= self.task.max_steps
        if self.real_time is not None and (success or truncated):
            self.real_time.pause()
        return self._obs(), float(success), success, truncated, {**judged, "action": done}

    def _judged(self) -> dict[str, bool]:
        """What the task says of how things are."""
        stuck = self.task.stuck(self._reading, self._before)
        return {"success": self.task.success(self._reading), "stuck": stuck}

    def expert_action(self, noise: float = 0.0) -> np.ndarray:
        """The scripted expert's action here, float32 [A], plus Gaussian noise of this standard deviation."""
        action = self.task.expert(self._reading)
        if noise > 0:
            action = action + self.np_random.normal(0.0, noise, action.shape)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """A picture for people, uint8 [H, W, 3], when made with `render_mode="rgb_array"`."""
        return self.robot.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the robot."""
        self.robot.close()

    def _obs(self) -> Obs:
        return {"state": self.task.observe(self._reading), "images": self.robot.images()}
