"""The arm's kinematics and limits against the published numbers of the Franka Panda."""

import mujoco
import numpy as np
import pytest

from sandlot.sim.arm_hand import FLANGE_M, TOOL_M
from sandlot.sim.arm_model import panda

DH = (  # a, d, alpha of the modified convention, from the maker's documentation, written down a second time
    (0, 0.333, 0),
    (0, 0, -np.pi / 2),
    (0, 0.316, np.pi / 2),
    (0.0825, 0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0, 0, np.pi / 2),
    (0.088, 0, np.pi / 2),
)


@pytest.fixture(scope="module")
def model():
    return panda().spec.compile()


def flange_by_dh(q):
    """Pose of the flange [4, 4] by multiplying out the table."""
    pose = np.eye(4)
    for theta, (a, d, alpha) in zip(q, DH, strict=True):
        ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
        pose = pose @ np.array(
            [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]]
        )
    pose[:3, 3] += FLANGE_M * pose[:3, 2]
    return pose


def forward(model, q):
    data = mujoco.MjData(model)
    data.qpos[:7] = q
    mujoco.mj_kinematics(model, data)
    return data


def test_flange_follows_the_table(model):
    rng = np.random.default_rng(0)
    for _ in range(50):
        q = rng.uniform(model.jnt_range[:7, 0], model.jnt_range[:7, 1])
        want = flange_by_dh(q)
        hand = forward(model, q).body("hand")
        np.testing.assert_allclose(hand.xpos, want[:3, 3], atol=1e-9)
        np.testing.assert_allclose(hand.xmat.reshape(3, 3)[:, 2], want[:3, 2], atol=1e-9)


def test_published_poses_by_hand(model):
    # All joints at 0: up 333 + 316 + 384, back down 107, out 88 mm.
    np.testing.assert_allclose(forward(model, np.zeros(7)).body("hand").xpos, [0.088, 0, 0.926], atol=1e-12)
    # The ready posture puts the tool at (306.9, 0, 486.9) mm, pointing down, x forward.
    ready = (0, -np.pi / 4, 0, -3 * np.pi / 4, 0, np.pi / 2, np.pi / 4)
    tool = forward(model, ready).site("tool")
    np.testing.assert_allclose(tool.xpos, [0.30689, 0, 0.59028 - TOOL_M], atol=1e-5)
    np.testing.assert_allclose(tool.xmat.reshape(3, 3), np.diag([1, -1, -1]), atol=1e-9)


def test_limits_of_the_data_sheet(model):
    low = [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]
    high = [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]
    np.testing.assert_allclose(model.jnt_range[:7], np.transpose([low, high]))
    assert panda().torque_nm == (87, 87, 87, 87, 12, 12, 12)
    arm_kg = sum(float(model.body(f"link{i}").mass[0]) for i in range(1, 8))
    assert arm_kg == pytest.approx(16.0621, abs=1e-3)
    assert model.body_subtreemass[model.body("hand").id] == pytest.approx(0.76)
