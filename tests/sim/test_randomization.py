"""Randomisation: drawn inside the declared ranges, applied to the model, and gone in the nominal world."""

import dataclasses

import mujoco
import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.sim.arm_envs import make
from sandlot.sim.randomization import NUMBERS, Draw, Nominal, Randomization


def test_draws_lie_in_the_ranges_and_fill_them():
    ranges = Randomization()
    rng = np.random.default_rng(0)
    draws = [ranges.draw(rng) for _ in range(300)]
    for field in dataclasses.fields(ranges):
        low, high = getattr(ranges, field.name)
        values = np.array([getattr(d, field.name) for d in draws])
        assert values.min() >= low and values.max() <= high, field.name
        assert np.ptp(values) > 0.9 * (high - low), field.name


def test_ranges_and_draws_have_the_same_names():
    names = [[f.name for f in dataclasses.fields(c)] for c in (Randomization, Draw)]
    assert names[0] == names[1]


def test_applies_and_restores():
    model = make("arm_pick").robot.model
    cube = model.body("cube").id
    before = {name: getattr(model, name).copy() for name in NUMBERS}
    nominal = Nominal(model, [cube])
    nominal.apply(Draw(mass=2.0, friction=0.5, camera_m=np.array([0.01, 0, 0])))
    assert model.body_mass[cube] == pytest.approx(0.12)
    np.testing.assert_allclose(model.geom_friction[:, 0], before["geom_friction"][:, 0] * 0.5)
    np.testing.assert_allclose(model.cam_pos[:, 0] - before["cam_pos"][:, 0], 0.01)
    nominal.apply(Draw())
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(model, name), value)


def test_one_switch_changes_dynamics_and_sensors():
    plain, varied = make("arm_pick"), make("arm_pick", randomize=True)
    for env in (plain, varied):
        env.reset(seed=3)
    assert not np.array_equal(plain.robot.model.geom_friction, varied.robot.model.geom_friction)
    same = [varied.robot.observe().objects["cube"].position_m for _ in range(2)]
    assert not np.array_equal(*same)  # noise from reading to reading
    same = [plain.robot.observe().objects["cube"].position_m for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_action_delay_moves_the_arm_later():
    def moved_after(delay_s):
        ranges = {f.name: (getattr(Draw(), f.name),) * 2 for f in dataclasses.fields(Draw)}
        for name in ("pose_bias_m", "force_bias_n", "camera_m"):
            ranges[name] = (0.0, 0.0)
        env = make("arm_pick")
        env.robot._randomization = Randomization(**(ranges | {"action_delay_s": (delay_s, delay_s)}))
        env.reset(seed=0)
        start = env.robot.observe().tool.position_m[2]
        env.step(np.array([0, 0, 1, 0, 0, 0, 1], np.float32))
        return env.robot.observe().tool.position_m[2] - start

    assert moved_after(0.03) < 0.75 * moved_after(0.0)


def test_experts_cope():
    env = make("arm_pick", randomize=True)
    for seed in range(8):
        _, info = env.reset(seed=seed)
        for _ in range(50):
            *_, terminated, truncated, info = env.step(env.expert_action())
            if terminated or truncated:
                break
        assert info["success"], seed


def test_refuses_a_range_upside_down():
    with pytest.raises(ConfigError, match=r"'mass' is \(2.0, 1.0\).*low <= high"):
        Randomization(mass=(2.0, 1.0))


def test_numbers_exist_in_mujoco():
    assert all(hasattr(mujoco.MjModel.from_xml_string("<mujoco/>"), name) for name in NUMBERS)
