"""The simulated wrist camera sees a board on the table: the model's own field of view and mount come back."""

import mujoco
import numpy as np
import pytest
from tests.perception.calibration.made import BOARD

from sandlot.perception.calibration import HandEyeView, hand_eye, intrinsics, poses
from sandlot.perception.cameras import Camera, CameraConfig, Crop, Stamped
from sandlot.robots import rotation
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.arm.tasks import TASKS
from sandlot.sim import arm_kinematics
from sandlot.sim.arm_envs import IMPEDANCES
from sandlot.sim.arm_model import panda
from sandlot.sim.arm_physics import ArmPhysics
from sandlot.sim.render import Quality, Renderer

SIZE = 640, 480
SQUARE_PX = 120
BOARD_M = 0.42, 0.0, 0.002


def world_with_a_board():
    arm, task = panda(), TASKS["arm_reach"]()
    flat = np.repeat(BOARD.draw(SQUARE_PX)[:, :, None], 3, axis=2)
    texture = arm.spec.add_texture(name="board", type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    texture.height, texture.width = flat.shape[:2]
    texture.data = flat.tobytes()
    material = arm.spec.add_material(name="board", texrepeat=(1, 1), specular=0, reflectance=0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "board"
    half = BOARD.columns * BOARD.square_m / 2, BOARD.rows * BOARD.square_m / 2
    arm.spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, pos=BOARD_M, size=(*half, 0.01), material="board",
        contype=0, conaffinity=0,
    )  # fmt: skip
    physics = ArmPhysics(task.name, task.limits, IMPEDANCES[task.name], arm)
    physics.place("target", Pose(np.array([0.0, 0.0, -1.0]), DOWN))  # out of sight
    return physics


def truth(physics):
    """`pose_tool_camera` of the model, the camera's frame optical."""
    data, camera = physics.data, physics.model.camera("wrist").id
    tool = poses.pose(data.site_xmat[physics.chain.site].reshape(3, 3), data.site_xpos[physics.chain.site])
    turn = poses.optical(data.cam_xmat[camera].reshape(3, 3))
    return tool, poses.inverse(tool) @ poses.pose(turn, data.cam_xpos[camera])


def look_around(physics, count):
    """Views of the board from many poses of the arm, and the true mount."""
    rng = np.random.default_rng(1)
    renderer = Renderer(physics.model, *SIZE, Quality(samples=4))
    views, mount = [], None
    try:
        for _ in range(6 * count):
            place = np.array([0.52, 0.0, 0.2]) + rng.uniform(-1, 1, 3) * (0.08, 0.16, 0.08)
            turned = DOWN @ rotation.exp(rng.uniform(-0.5, 0.5, 3))
            arm_kinematics.solve(physics.chain, physics.loop.posture_rad, Pose(place, turned))
            mujoco.mj_forward(physics.model, physics.data)
            tool, mount = truth(physics)
            corners = BOARD.find(renderer.draw(physics.data, "wrist"))
            if corners is not None and len(corners.ids) >= 12:
                views.append(HandEyeView(f"{len(views)}", tool, corners))
            if len(views) == count:
                break
    finally:
        renderer.close()
    return views, mount


def test_field_of_view_and_mount_of_the_wrist_camera_come_back():
    physics = world_with_a_board()
    views, mount = look_around(physics, 14)
    result = intrinsics.calibrate({v.name: v.corners for v in views}, BOARD, SIZE)
    found = result.intrinsics
    fovy_deg = float(physics.model.camera("wrist").fovy[0])
    assert poses.fovy_deg(found.fy_px, SIZE[1]) == pytest.approx(fovy_deg, abs=0.2)
    assert found.fx_px == pytest.approx(poses.focal_px(fovy_deg, SIZE[1]), rel=0.005)
    assert [found.cx_px, found.cy_px] == pytest.approx([319.5, 239.5], abs=2.0)
    assert result.rms_px < 0.2

    eye = hand_eye.solve(views, BOARD, found, "hand")
    away_m, turned_rad = poses.apart(eye.pose, mount)
    assert away_m < 0.001 and np.degrees(turned_rad) < 0.2
    assert eye.left_out_m < 0.001
    board_m = (eye.pose_board @ [*BOARD.points_m.mean(axis=0), 1.0])[:3]
    assert board_m == pytest.approx(BOARD_M, abs=0.001)


def test_a_simulated_camera_is_a_source_like_any_other():
    config = CameraConfig(
        name="wrist",
        source="sim",
        device="arm_reach/wrist",
        width_px=64,
        height_px=48,
        fps=20,
        crop=Crop(8, 0, 48, 48),
    )
    with Camera(config) as camera:
        first = camera.after(0, 60.0)
        second = camera.after(first.number, 20.0)
    assert first.pixels.shape == (48, 64, 3) and first.pixels.std() > 5
    assert first.stamped is Stamped.DRIVER and second.stamp_s > first.stamp_s
