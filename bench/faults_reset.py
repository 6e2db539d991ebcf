"""Fault 26: reset controllers that cannot succeed, on the simulated arm; `make faults` finds every `fault_*`.

An injection breaks something for good in the middle of a scripted reset. The reset must end by itself, within
its tries and its time, leave the arm at rest, call a person once, and work again when that person came.
"""

import random
from dataclasses import replace
from typing import Any

import numpy as np

from bench.transport_rig import row
from sandlot.learners import envs
from sandlot.robots.arm.spec import ArmReading, Pose
from sandlot.robots.env import RobotEnv
from sandlot.robots.errors import ResetFailedError
from sandlot.robots.resets.machine import Patience

TASK = "arm_relocate"
KINDS = ("blocked", "unreachable", "frozen", "oscillating", "slippery")
FAR_M = np.array([0.5, 0.6, 0.02])
HELD_STEPS, AT_REST_MPS = 4, 0.02


class Broken:
    """The simulated arm with something wrong from its `after`th action of a reset on.

    `blocked`: the arm stays where it is; `unreachable`: the cube lies far away; `frozen`: the reading stands
    still; `oscillating`: the cube is where it was, then elsewhere, and back; `slippery`: it falls from the
    hand.
    """

    def __init__(self, robot: Any) -> None:
        self.robot, self.kind, self.after, self.acts = robot, "", 0, 0
        self._last: ArmReading | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.robot, name)

    def breaks(self, kind: str, after: int) -> None:
        """From now on; an empty kind heals it."""
        self.kind, self.after, self.acts, self._last = kind, after, 0, None

    @property
    def broken(self) -> str:
        """What is wrong now."""
        return self.kind if self.acts >= self.after else ""

    def act(self, action: np.ndarray) -> np.ndarray:
        """Executes the action, or what is left of it."""
        self.acts += 1
        if self.broken == "blocked":
            action = np.array([*np.zeros(6), action[6]], np.float32)
        if self.broken == "slippery" and self.robot.observe().width_m < 0.05:
            action = np.array([*action[:6], 1.0], np.float32)
        done: np.ndarray = self.robot.act(action)
        return done

    def observe(self) -> ArmReading:
        """The reading as it seems."""
        now: ArmReading = self.robot.observe()
        self._last = self._last or now
        if self.broken == "frozen":
            return self._last
        self._last = now
        cube = now.objects["cube"]
        if self.broken == "unreachable":
            return replace(now, objects={**now.objects, "cube": Pose(FAR_M, cube.rotation)})
        if self.broken == "oscillating" and self.acts % 16 < 8:
            away = Pose(cube.position_m + (0.06, 0, 0), cube.rotation)
            return replace(now, objects={**now.objects, "cube": away})
        return now


def fault_26(injections: int = 120, seed: int = 0) -> dict[str, Any]:
    """Blocked, unreachable, frozen, oscillating, slippery: bounded tries and time, at rest, one call."""
    rng, violations, taken_s = random.Random(seed), 0, list[float]()  # noqa: S311  (moments, not secrets)
    env = envs.make(TASK)
    inner: Any = env.unwrapped
    inner.robot = robot = Broken(inner.robot)
    for i in range(injections):
        kind, after = KINDS[i % len(KINDS)], rng.randint(0, 12)
        wrong, seconds = inject(inner, robot, kind, after, rng.randrange(2**31))
        violations += wrong
        taken_s.append(seconds)
    env.close()
    return row(f"26 reset {', '.join(KINDS)}: until a person is called", injections, violations, taken_s, "s")


def inject(env: RobotEnv[Any, Any], robot: Broken, kind: str, after: int, seed: int) -> tuple[int, float]:
    """Whether a promise was broken, and the robot's time until a person was called."""
    patience, back = Patience(), env.reversed()
    env.reset(seed=seed)
    for _ in range(5):
        env.step(env.expert_action(noise=0.5))
    robot.breaks(kind, after)
    try:
        back.reset(seed=seed, options={"scripted": True})  # the cube has to be carried to the other bin
    except ResetFailedError as error:
        notes = error.resets
    else:
        return 1, float("nan")
    finally:
        acts = robot.acts
        robot.breaks("", 0)
    last, seconds = notes[-1], sum(note.seconds for note in notes)
    wrong = not last.failed or last.tries > patience.tries or last.seconds > patience.all_s + 0.2
    wrong |= sum(note.steps for note in notes) != acts or len(notes) > 4 * patience.tries
    robot.settle()
    for _ in range(HELD_STEPS):
        robot.act(np.zeros(7, np.float32))
    speed = float(np.linalg.norm(robot.observe().velocity_mps))
    _, info = back.reset(options={"continue": True})  # the simulator's hand stands for the person
    wrong |= speed > AT_REST_MPS or bool(info["resets"]) or info["success"] or info["stuck"]
    return int(wrong), seconds
