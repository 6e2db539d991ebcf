"""The arm's envs as a user gets them: contract, seeds, experts, time limit, other arms, randomisation."""

import gymnasium as gym
import numpy as np
import pytest

import sandlot  # noqa: F401  registers the ids
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.robots.arm.tasks import ArmPick
from sandlot.robots.env import RobotEnv
from sandlot.sim.arm import SimArm
from sandlot.sim.randomization import Randomization

IDS = ["sandlot/ArmReach-v0", "sandlot/ArmPick-v0", "sandlot/ArmInsert-v0"]
NEW_IDS = [f"sandlot/Arm{name}-v0" for name in ("Pcb", "Cable", "Relocate", "RelocateBack")]


def play(env, seed, *, noise=0.0, steps=100):
    """States of one expert episode [n, S], and whether it succeeded."""
    obs, info = env.reset(seed=seed)
    states = [obs["state"]]
    for _ in range(steps):
        obs, reward, terminated, truncated, info = env.step(env.unwrapped.expert_action(noise=noise))
        states.append(obs["state"])
        assert reward == float(info["success"]) == float(terminated)
        if terminated or truncated:
            break
    return np.array(states), info["success"]


@pytest.mark.parametrize("id_", [*IDS, *NEW_IDS])
def test_keeps_gymnasiums_contract(id_):
    env = gym.make(id_)
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs) and obs["images"] == {}
    for _ in range(5):
        assert env.observation_space.contains(env.step(env.action_space.sample())[0])
    spec = env.unwrapped.env_spec
    assert spec.state_size == env.observation_space["state"].shape[0]
    assert spec.action_size == env.action_space.shape[0]
    assert spec.control_hz == 10.0


@pytest.mark.parametrize("id_", [*IDS, *NEW_IDS])
def test_the_twin_on_ros_observes_and_does_the_same(id_):
    pytest.importorskip("rclpy")
    twin = gym.make(id_.replace("sandlot/", "sandlot_ros/"))  # connects to nothing before its first reset
    assert twin.unwrapped.env_spec == gym.make(id_).unwrapped.env_spec


@pytest.mark.parametrize("id_", [*IDS, *NEW_IDS])
def test_expert_succeeds(id_):
    env = gym.make(id_)
    assert all(play(env, seed)[1] for seed in range(15))


@pytest.mark.parametrize("id_", [*IDS, *NEW_IDS])
@pytest.mark.parametrize("randomize", [False, True])
def test_a_seed_is_one_episode_bit_for_bit(id_, randomize):
    first, second = (gym.make(id_, randomize=randomize) for _ in range(2))
    play(second, 1, noise=0.2)  # an episode before must leave no trace
    a, b = (play(env, 7, noise=0.1)[0] for env in (first, second))
    assert a.tobytes() == b.tobytes()
    assert play(first, 8, noise=0.1)[0].tobytes() != a.tobytes()


def test_reaching_the_time_limit_truncates():
    env = gym.make("sandlot/ArmPick-v0")
    env.reset(seed=0)
    for step in range(1, 51):
        _, reward, terminated, truncated, info = env.step(np.zeros(7, np.float32))
        assert (reward, terminated, truncated) == (0.0, False, step == 50)
    assert info["success"] is False


def test_executed_action_is_reported():
    env = gym.make("sandlot/ArmPick-v0")
    env.reset(seed=0)
    *_, info = env.unwrapped.step(np.full(7, 3.0, np.float32))
    assert info["action"].tolist() == [1.0] * 7
    obs, *_, info = env.unwrapped.step(np.full(7, np.nan, np.float32))
    assert info["action"].tolist() == [0.0] * 7 and np.isfinite(obs["state"]).all()


def test_tool_stays_in_its_workspace():
    env = gym.make("sandlot/ArmPick-v0").unwrapped
    rng = np.random.default_rng(0)
    low, high = (np.array(v) for v in (env.task.limits.low_m, env.task.limits.high_m))
    for corner in ([1, 1, 1], [-1, -1, -1], [1, -1, -1]):
        env.reset(seed=0)
        for _ in range(12):
            turn = rng.uniform(-1, 1, 3)
            env.step(np.array([*corner, *turn, 1], np.float32))
        tool = env.robot.observe().tool.position_m
        assert (tool > low - 0.01).all() and (tool < high + 0.01).all()


ARM_6R = """
<mujoco model="six"><compiler angle="degree"/><worldbody><body name="base"><body name="a" pos="0 0 0.3">
<joint name="j1" axis="0 0 1" range="-175 175" armature="0.1" damping="1"/>
<geom type="capsule" fromto="0 0 -0.2 0 0 0" size="0.05" mass="3"/>
<body name="b"><joint name="j2" axis="0 1 0" range="-120 120" armature="0.1" damping="1"/>
<geom type="capsule" fromto="0 0 0.1 0 0 0.35" size="0.04" mass="3"/>
<body name="c" pos="0 0 0.4"><joint name="j3" axis="0 1 0" range="-150 150" armature="0.1" damping="1"/>
<geom type="capsule" fromto="0 0 0.1 0 0 0.3" size="0.04" mass="2"/>
<body name="d" pos="0 0 0.4"><joint name="j4" axis="0 0 1" range="-350 350" armature="0.1" damping="1"/>
<geom type="capsule" fromto="0 0 -0.05 0 0 0.03" size="0.03" mass="1"/>
<body name="e"><joint name="j5" axis="0 1 0" range="-120 120" armature="0.1" damping="1"/>
<geom type="capsule" fromto="0 0 0.03 0 0 0.08" size="0.03" mass="0.5"/>
<body name="f" pos="0 0 0.08"><joint name="j6" axis="0 0 1" range="-350 350" armature="0.1" damping="1"/>
<geom type="box" size="0.03 0.06 0.02" mass="0.5"/><site name="tcp" pos="0 0 0.12"/>
<body name="l" pos="0 0 0.06"><joint name="jl" type="slide" axis="0 1 0" range="0 0.04" damping="100"
armature="0.1"/><geom type="box" pos="0 0.007 0.04" size="0.01 0.007 0.03" mass="0.02" friction="1.2"/></body>
<body name="r" pos="0 0 0.06"><joint name="jr" type="slide" axis="0 -1 0" range="0 0.04" damping="100"
armature="0.1"/><geom type="box" pos="0 -0.007 0.04" size="0.01 0.007 0.03" mass="0.02" friction="1.2"/>
</body>
</body></body></body></body></body></body></body></worldbody>
<contact><exclude body1="f" body2="l"/><exclude body1="f" body2="r"/></contact>
<equality><joint joint1="jl" joint2="jr"/></equality>
<actuator><position name="servo1" joint="j1" kp="500" forcerange="-60 60"/>
<position name="grip" joint="jl" kp="2000" ctrlrange="0 0.04" forcerange="-40 40"/></actuator></mujoco>
"""


def test_another_arm_by_path_does_the_tasks(tmp_path):
    """Six joints, degrees, its own servos and no keyframe: everything is guessed."""
    path = tmp_path / "six.xml"
    path.write_text(ARM_6R)
    for id_ in [*IDS, *NEW_IDS]:
        env = gym.make(id_, mjcf=str(path))
        assert all(play(env, seed)[1] for seed in range(3)), id_
    arm = env.unwrapped.robot
    assert arm.model.nu == 1  # only the gripper's servo is left
    assert arm._physics.loop.torque_nm[0] == 60.0


@pytest.mark.parametrize(
    ("text", "kwargs", "message"),
    [
        (None, {}, r"arm file '.*arm.xml' does not exist"),
        ("<mujoco><worldbody><geom type='nope'/></worldbody></mujoco>", {}, r"not readable MJCF.*'nope'"),
        ("not xml", {}, r"not readable MJCF"),
        ("<mujoco/>", {}, r"no site whose name suggests the tool.*mjcf_site"),
        (ARM_6R, {"mjcf_site": "nose"}, r"no site 'nose'; it has tcp"),
        (ARM_6R, {"mjcf_gripper": "claw"}, r"no actuator 'claw'; it has servo1, grip"),
        (ARM_6R.replace('name="j1"', 'name="j1" type="slide"'), {}, r"5 hinge joints .* 6 to 8"),
        (ARM_6R.replace("0 0 0.4", "0 0 0.1"), {}, r"cannot reach"),
    ],
)
def test_an_arm_that_cannot_be_used_is_one_clear_line(tmp_path, text, kwargs, message):
    path = tmp_path / "arm.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        gym.make(IDS[1], mjcf=str(path), **kwargs).reset(seed=0)
    assert "\n" not in str(caught.value)


def test_a_simulation_that_blew_up_is_not_experience():
    env = gym.make("sandlot/ArmPick-v0")
    env.reset(seed=0)
    env.unwrapped.robot.data.qvel[:] = 1e12
    with pytest.raises(SandlotError, match="the simulation diverged at"):
        env.step(np.zeros(7, np.float32))
    env.reset(seed=0)
    env.step(np.zeros(7, np.float32))


def test_a_heavier_cube_is_not_shot_away():
    heavy = Randomization(mass=(1.5, 1.5))
    env = RobotEnv(SimArm("arm_pick", ArmPick.limits, randomization=heavy), ArmPick())
    for seed in range(20):  # with the nominal masses' solver weights 13 of 20 of these blew up
        env.reset(seed=seed)
        ended = False
        while not ended:
            *_, terminated, truncated, _ = env.step(env.unwrapped.expert_action(noise=0.4))
            ended = terminated or truncated
