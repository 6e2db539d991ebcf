"""A reset that cannot succeed on the arm behind ROS 2: the gate stops it until a person arms it."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bench.ros_arm_rig import RosArmRig  # noqa: E402
from tests.stalls import real_time  # noqa: E402

from sandlot.learners import envs  # noqa: E402
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
