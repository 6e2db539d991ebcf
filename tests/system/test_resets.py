"""A reset that cannot succeed on the arm behind ROS 2: the gate stops it until a person arms it."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bench.ros_arm_rig import RosArmRig  # noqa: E402
from tests.stalls import real_time  # noqa: E402

from sandlot.learners import envs  # noqa: E402
from sandlot.robots.arm.spec import Pose  # noqa: E402
from sandlot.robots.arm.tasks_relocate import Place  # noqa: E402
from sandlot.robots.errors import ResetFailedError, RobotStoppedError  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.resets import Patience  # noqa: E402

pytestmark = real_time


def test_a_blocked_reset_stops_the_arm_until_a_person_arms_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sandlot.robots.resets.plan.Patience", lambda: Patience(state_s=0.7))
    with RosArmRig(tmp_path) as rig:
        env = envs.make(rig.task, robot="ros")
        robot = env.unwrapped.robot
        try:
            rig.reset(env, 0)
            for _ in range(5):
                env.step(np.float32([1, 0, 0, 0, 0, 0, 1]))
            moves = robot.act
            robot.act = lambda action: moves(np.zeros_like(action))  # something holds the arm where it is
            with pytest.raises(ResetFailedError, match="'go_home' gave up after 3 tries") as caught:
                env.reset(seed=1)
            assert caught.value.resets[-1].tries == 3
            assert robot.link.gate.mode is Mode.STOPPED
            for _ in range(3):
                with pytest.raises(RobotStoppedError, match="is STOPPED: stop service"):
                    env.reset(seed=1)
            robot.act = moves
            rig.arm()
            rig.reset(env, 1)
            before = robot.observe().tool.position_m
            _, info = env.reset(seed=2, options={"continue": True})  # where it stands
            assert np.linalg.norm(robot.observe().tool.position_m - before) < 0.01 and not info["success"]
            env.step(np.float32([1, 0, 0, 0, 0, 0, 1]))
        finally:
            env.close()


def test_what_lies_out_of_reach_calls_a_person_and_the_simulated_device_then_puts_it_back(tmp_path):
    with RosArmRig(tmp_path, "arm_relocate") as rig:
        env = envs.make(rig.task, robot="ros")
        robot, task = env.unwrapped.robot, env.unwrapped.task
        try:
            rig.reset(env, 0)
            robot.link.place("cube", Pose(np.array([0.5, -0.26, 0.02]), np.eye(3)))
            until(lambda: robot.settle() or task.place(robot.observe()) is Place.LOST)
            with pytest.raises(ResetFailedError, match="'put_back' gave up .* out of the arm's reach"):
                env.reset(seed=1, options={"scripted": True})
            with pytest.raises(RobotStoppedError, match=r"'put_back' gave up .* STOPPED: stop service"):
                env.reset(seed=1, options={"scripted": True})
            rig.arm()
            env.reset(seed=1, options={"scripted": True})
            assert task.place(robot.observe()) is Place.A
        finally:
            env.close()


def until(done):
    """Asks again and again; pytest's time limit is the deadline."""
    while not done():
        time.sleep(0.05)
