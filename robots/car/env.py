"""`CarEnv`: a car that practises laps of a course, as a plain `gymnasium.Env`; simulated or on topics.

An episode is what is driven between two ends: a lap's (truncated: driving goes on), a collision's, getting
stuck, a roll (terminated) or a person's who takes over (truncated). The car is put down once; after that
`reset` only brings it to where it can drive on, with the practice machine's recovery. Nobody carries it back.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.real_time import RealTime, ResetNote
from sandlot.robots.car import laps, practice, task
from sandlot.robots.car.course import Course
from sandlot.robots.car.laps import Lap, LapState
from sandlot.robots.car.practice import Cause, Mode, PracticeConfig, PracticeState
from sandlot.robots.car.pursuit import action_for, follow
from sandlot.robots.car.racing_line import Line
from sandlot.robots.car.spec import CarCommand, CarLimits, CarReading, CarScene
from sandlot.robots.errors import RobotStoppedError
from sandlot.robots.protocol import Robot, Stoppable

Obs = dict[str, Any]


class Car(Robot[CarReading, CarScene], Protocol):
    """A robot that is a car."""

    limits: CarLimits

    @property
    def time_s(self) -> float:
        """Steady time, of the clock that readings are stamped with."""
        ...

    @property
    def taken_over(self) -> bool:
        """Whether a person drives."""
        ...

    def drive(self, command: CarCommand) -> None:
        """One control period with a command of its own, backwards too."""
        ...


@runtime_checkable
class Witnessed(Protocol):
    """A simulated car: the world knows what its sensors may miss, and has a hand to put it right."""

    collisions: int

    def right_up(self) -> None:
        """Puts it on its wheels, on the course, at rest."""
        ...


@runtime_checkable
class Aimed(Protocol):
    """A car that is told what its env has it drive to, as its recorded steps are to say that."""

    def aim(self, goal_m: np.ndarray, following_m: np.ndarray) -> None:
        """The checkpoint to be passed next, and the one after it, [2] each."""
        ...


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a car practises.

    Attributes:
        course: that it drives.
        start: where it is put down.
        line: what its scripted driver follows; None where nobody knows the way.
        lap_m: the slow lap [N, 2] that the course was made of, for a picture of it.
        walls_m: both ends of each piece of wall [W, 2, 2], where they are known.
    """

    course: Course
    start: CarScene
    line: Line | None = None
    lap_m: np.ndarray | None = None
    walls_m: np.ndarray | None = None


class CarEnv(gym.Env[Obs, np.ndarray]):
    """One car on one course, or on another one for every seed.

    Observation: `{"state": float32 [15], "images": {camera: uint8 [H, W, 3]}}`; action: float32 [2] in
    [-1, 1], changes of speed and steering. `info` has `success` (a lap ended, and it was clean), `lap` where
    one ended (`laps.Lap`), `cause` of an end, and the `action` as executed.

    Args:
        name: of the task.
        robot: the car.
        place: draws where a car that is put down practises.
        config: of the practice machine.
        stays: put it down once; else for every episode, somewhere else (to record driving).
        render_mode: "rgb_array" to make `render` work.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        name: str,
        robot: Car,
        place: Callable[[np.random.Generator], Place],
        *,
        config: PracticeConfig | None = None,
        stays: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self.robot, self._place, self._stays = robot, place, stays
        self._config, self.render_mode = config or PracticeConfig(), render_mode
        self.real_time = robot if isinstance(robot, RealTime) else None
        self.env_spec = task.env_spec(name, robot.limits, robot.cameras)
        cameras: dict[str, spaces.Space[Any]] = {
            camera: spaces.Box(0, 255, shape, np.uint8) for camera, shape in robot.cameras.items()
        }
        size = self.env_spec.state_size
        self.observation_space = spaces.Dict(
            {"state": spaces.Box(-1e9, 1e9, (size,), np.float32), "images": spaces.Dict(cameras)}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (self.env_spec.action_size,), np.float32)
        self.place: Place | None = None
        self.driven: list[Lap] = []
        self.ends: Counter[Cause] = Counter()
        self._state, self._laps = PracticeState(), LapState()
        self._began_s = self._collisions = self._steps = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begins an episode where the car is, once it is clear; the first time, where it is put down."""
        super().reset(seed=seed)
        notes: list[ResetNote] = []
        if self.place is None or not self._stays:
            self._put_down(self._place(self.np_random))
        else:
            self.robot.settle()
            notes = self._recover()
        self._steps = 0
        self._reading = self.robot.observe()
        return self._obs(), {"success": False, "stuck": False, "nothing_to_do": False, "resets": notes}

    def _put_down(self, place: Place) -> None:
        """A new drive."""
        self.place = place
        self.robot.reset(place.start, self.np_random)
        self._reading = reading = self.robot.observe()
        self._state = practice.put_right(PracticeState(), self.robot.time_s)
        self._laps = laps.begin(place.course, reading.position_m, reading.heading_rad)
        self._began_s, self._collisions = self.robot.time_s, self._witnessed()
        self.driven, self.ends = [], Counter()

    def _recover(self) -> list[ResetNote]:
        """Lets the practice machine drive until a policy may."""
        began_s, steps, called = self.robot.time_s, 0, ""
        why = self._state.cause.value if self._state.cause else ""
        while self._state.mode is not Mode.LEARNING:
            if self._state.mode is Mode.ERROR:
                called = self._call_person()
                continue
            _, order = self._tick()
            if self._state.mode in (Mode.RECOVERY, Mode.PAUSE, Mode.TELEOP):
                self.robot.drive(order.command or CarCommand())
                steps += 1
        if not steps and not called:
            return []
        taken_s = self.robot.time_s - began_s
        return [ResetNote(f"recovery_{why}" if why else "recovery", taken_s, 1, steps, called)]

    def _call_person(self) -> str:
        """A person puts the car right: in simulation at once, on a robot by arming it again."""
        cause = self._state.cause.value if self._state.cause else "fault"
        why = f"the car cannot go on by itself ({cause})"
        self._state = practice.put_right(self._state, self.robot.time_s)
        self._laps = dataclasses.replace(self._laps, interventions=self._laps.interventions + 1)
        if isinstance(self.robot, Witnessed):
            self.robot.right_up()
        else:
            if isinstance(self.robot, Stoppable):
                self.robot.stop()
            raise RobotStoppedError(f"{why}: put it on its wheels, on the course, then let it move again")
        return why

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes one action for one control period."""
        done = self.robot.act(action)
        self._steps += 1
        before = self._goals()[0]
        lap, order = self._tick()
        reward = task.reward(self._reading, before)
        if order.ended:
            spent = practice.cost(order.ended, self._reading.jolt_mps2, self._config)
            reward -= spent / task.UNIT_MPS
            self.ends[order.ended] += 1
        terminated = order.ended in practice.TRUE_ENDS
        truncated = not terminated and (
            order.ended is not None or lap is not None or self._steps >= task.MOST_STEPS
        )
        if self.real_time is not None and (terminated or order.ended):
            self.real_time.pause()
        info = {"success": bool(lap and lap.clean), "stuck": False, "action": done}
        info |= {"lap": lap} if lap else {}
        info |= {"cause": order.ended.value} if order.ended else {}
        return self._obs(), reward, terminated, truncated, info

    def _tick(self) -> tuple[Lap | None, practice.Order]:
        """Looks at the car: the practice machine and the lap counter go on."""
        course, now_s = self._course, self.robot.time_s
        self._reading = reading = self.robot.observe()
        goal = task.seen_from(reading, self._goals()[0])
        was = self._state.mode
        self._state, order = practice.tick(
            self._state,
            reading,
            now_s,
            self._config,
            goal_rad=math.atan2(goal[1], goal[0]),
            taken_over=self.robot.taken_over,
        )
        seen = self._witnessed()
        collided = seen > self._collisions
        if not isinstance(self.robot, Witnessed):
            collided = was is Mode.LEARNING and order.ended is Cause.COLLISION
        self._collisions = seen
        self._laps, lap = laps.drive(
            self._laps,
            course,
            reading.position_m,
            now_s,
            collided=collided,
            taken_over=order.ended is Cause.TELEOP,
        )
        self.driven += [lap] if lap else []
        return lap, order

    def _witnessed(self) -> int:
        """Collisions that the simulated world has counted."""
        return self.robot.collisions if isinstance(self.robot, Witnessed) else 0

    @property
    def _course(self) -> Course:
        if self.place is None:
            raise RuntimeError("the car was not put down yet: call reset() before step()")
        return self.place.course

    def _goals(self) -> tuple[np.ndarray, np.ndarray]:
        """The checkpoint to be passed next, and the one after it, [2] each."""
        points = self._course.checkpoints_m
        return np.array(points[self._laps.goal]), np.array(points[(self._laps.goal + 1) % len(points)])

    def figures(self) -> dict[str, float]:
        """What is known of this drive, for reports; counted since the car was put down."""
        found = laps.summary(self.driven, self._began_s)
        ends = {f"ends_{cause.value}": float(self.ends[cause]) for cause in Cause}
        driven_s = {"driven_s": self.robot.time_s - self._began_s} if self.place else {}
        return {**{name: float(v) for name, v in found.items() if v is not None}, **ends, **driven_s}

    def expert_action(self, noise: float = 0.0) -> np.ndarray:
        """The scripted driver's action here, float32 [2], plus Gaussian noise of this standard deviation."""
        if self.place is None or self.place.line is None:
            raise RobotStoppedError("no scripted driver knows this course; drive it by hand")
        wanted = follow(self.place.line, self._reading)
        action = action_for(self._reading.command, wanted, self.robot.limits)
        if noise > 0:
            action = action + self.np_random.normal(0.0, noise, action.shape)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def map(self) -> tuple[Course, np.ndarray | None, np.ndarray | None]:
        """The course, the lap it was made of, and the walls; of one drawn at random where there are many."""
        place = self.place or self._place(np.random.default_rng(0))
        return place.course, place.lap_m, place.walls_m

    def render(self) -> np.ndarray | None:
        """A picture for people, uint8 [H, W, 3], when made with `render_mode="rgb_array"`."""
        return self.robot.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the robot."""
        self.robot.close()

    def _obs(self) -> Obs:
        goals = self._goals()
        if isinstance(self.robot, Aimed):
            self.robot.aim(*goals)
        return {"state": task.observe(self._reading, *goals), "images": self.robot.images()}
