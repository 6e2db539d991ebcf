"""From the middle of one trial to the start of the next, by actions alone, in simulation."""

import numpy as np
import pytest

from sandlot.learners import envs
from sandlot.robots.arm.homing import WITHIN_M, homeward

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
