"""From the middle of one trial to the start of the next, by actions alone, in simulation."""

from dataclasses import replace

import numpy as np
import pytest

from sandlot.learners import envs
from sandlot.robots import rotation
from sandlot.robots.arm.homing import WITHIN_M, homeward
from sandlot.robots.arm.spec import Command, Pose

STEPS = 60


@pytest.mark.parametrize("task", ["arm_pick", "arm_insert", "arm_reach"])
def test_the_arm_comes_to_the_start_of_the_next_trial(task):
    env = envs.make(task).unwrapped
    for seed in range(3):
        env.reset(seed=seed)
        success = False
        while not success:  # ends low, with the cube in the gripper or the peg in the hole
            success = env.step(env.expert_action())[4]["success"]
        scene = env.task.scene(np.random.default_rng(seed + 100))
        for _ in range(STEPS):
            reading = env.robot.observe()
            action = homeward(reading, scene, env.task.limits)
            if action is None:
                break
            env.robot.act(action)
        assert action is None, f"not there: {reading.tool.position_m} of {scene.tool.position_m}"
        assert np.linalg.norm(reading.tool.position_m - scene.tool.position_m) < WITHIN_M
        assert not env.task.limits.gripper or reading.width_m > 0.07
    env.close()


@pytest.mark.parametrize("task", ["arm_insert", "arm_pcb"])
def test_a_peg_that_a_command_clamps_in_its_hole_comes_out(task):
    """The command wanted it turned by 0.2 rad, for ever: that held it against 21 N upwards."""
    env = envs.make(task).unwrapped
    env.reset(seed=0)
    while not env.step(env.expert_action())[4]["success"]:
        pass
    for _ in range(5):
        env.step(np.float32([0, 0, -1, 0, 0, 1]))
    before = env.robot.observe()
    clamped = np.linalg.norm(rotation.between(before.command.pose.rotation, before.tool.rotation))
    for _ in range(15):
        env.step(homeward(env.robot.observe(), env.task.scene(np.random.default_rng(1)), env.task.limits))
    risen_m = (env.robot.observe().tool.position_m - before.tool.position_m)[2]
    env.close()
    assert clamped > 0.1 and risen_m > 0.04


def test_a_tool_that_cannot_rise_to_its_command_goes_home_all_the_same():
    """A joint at its limit kept it 26 mm below for as long as it waited for the tool to rise."""
    env = envs.make("arm_pick").unwrapped
    env.reset(seed=0)
    scene, reading = env.task.scene(np.random.default_rng(1)), env.robot.observe()
    corner = np.array([0.34, -0.16, scene.tool.position_m[2]])
    stuck = replace(
        reading,
        tool=Pose(corner - [0.0, 0.0, 0.026], reading.tool.rotation),
        command=Command(Pose(corner, reading.tool.rotation), True),
        width_m=0.08,
    )
    action = homeward(stuck, scene, env.task.limits)
    env.close()
    assert action[0] > 0.5 and action[1] > 0.5 and abs(action[2]) < 0.1
