"""Randomisation: drawn inside the declared ranges, applied to the model, and gone in the nominal world."""

import dataclasses

import mujoco
import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.sim.appearance import PATTERN, PATTERN_PX
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


def test_look_alone_leaves_dynamics_and_sensors_nominal():
    plain, looks = make("arm_pick"), make("arm_pick", randomize="look")
    actions = np.random.default_rng(0).uniform(-1, 1, (10, 7)).astype(np.float32)
    for env in (plain, looks):
        env.reset(seed=3)
    for action in actions:
        states = [env.step(action)[0]["state"] for env in (plain, looks)]
    np.testing.assert_array_equal(*states)
    colours = [env.robot.model.geom_rgba for env in (plain, looks)]
    assert not np.array_equal(*colours)


def test_the_pattern_keeps_within_its_contrast_and_goes_again():
    model = make("arm_pick").robot.model
    nominal = Nominal(model, [])
    start = int(model.texture(PATTERN).adr[0])
    painted = model.tex_data[start : start + 3 * PATTERN_PX**2]
    nominal.apply(Draw(contrast=0.4, pattern=0.3))
    assert painted.min() >= 0.6 * 255 - 1 and painted.max() <= 255 and painted.std() > 5
    first = painted.copy()
    nominal.apply(Draw(contrast=0.4, pattern=0.7))
    assert not np.array_equal(first, painted)
    nominal.apply(Draw())
    assert (painted == 255).all()


def test_cameras_and_lights_turn_by_the_drawn_angle():
    model = make("arm_pick").robot.model
    quats, lights = model.cam_quat.copy(), model.light_dir.copy()
    Nominal(model, []).apply(Draw(camera_rad=np.array([0.02, 0, 0]), light_rad=np.array([0, 0, 0.3])))
    cosine = np.abs((quats * model.cam_quat).sum(1))  # of half the angle
    np.testing.assert_allclose(2 * np.arccos(cosine), 0.02, rtol=1e-6)
    flat = [v[:, :2] / np.linalg.norm(v[:, :2], axis=1, keepdims=True) for v in (lights, model.light_dir)]
    np.testing.assert_allclose((flat[0] * flat[1]).sum(1), np.cos(0.3), atol=1e-9)


def test_action_delay_moves_the_arm_later():
    def moved_after(delay_s):
        env = make("arm_pick")
        look = Randomization.look()  # all else is nominal
        env.robot._randomization = dataclasses.replace(look, action_delay_s=(delay_s, delay_s))
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
