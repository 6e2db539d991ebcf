"""Pictures: shapes, freshness, and clear words where nothing can be drawn."""

import subprocess
import sys

import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sandlot.learners.errors import ConfigError
from sandlot.sim import render
from sandlot.sim.arm_envs import make


def _reason():
    try:
        render.make_context(16, 16).free()
    except ConfigError as err:
        return str(err)
    return ""


REASON = _reason()
needs_gl = pytest.mark.skipif(bool(REASON), reason=REASON or "OpenGL works")


@needs_gl
def test_cameras_give_frames_of_the_spec():
    env = make("arm_pick", cameras=("front", "wrist"), image_px=64)
    assert env.env_spec.images == {"front": (64, 64, 3), "wrist": (64, 64, 3)}
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    assert all(frame.std() > 10 for frame in obs["images"].values())  # there is something to see
    again, *_ = env.step(np.ones(7, np.float32))
    for name, frame in again["images"].items():
        assert not np.shares_memory(frame, obs["images"][name])
        assert not np.array_equal(frame, obs["images"][name])
    check_env(env, skip_render_check=True)
    env.close()
    env.close()


@needs_gl
def test_a_part_of_a_pixel_shows_and_nothing_stands_quite_still():
    env = make("arm_pcb", cameras=("side",), image_px=64)
    env.reset(seed=0)
    views, camera, rng = env.robot._pictures, env.robot.model.camera("side").id, np.random.default_rng(0)
    before, still = (views.frames(rng)["side"].astype(int) for _ in range(2))
    env.robot.model.cam_pos[camera, 0] += 0.0008  # a quarter of a pixel at the board
    mujoco.mj_camlight(env.robot.model, env.robot.data)
    moved = views.frames(rng)["side"].astype(int)
    assert 0 < np.abs(still - before).max() <= 1
    fine = render.Renderer(env.robot.model, 256, 256)
    drawn = fine.draw(env.robot.data, "side").reshape(64, 4, 64, 4, 3)
    fine.close()
    assert np.abs(moved - drawn.mean(axis=(1, 3))).max() <= 1.5  # rounding, and the grain
    assert (np.abs(moved - before) > 8).sum() > 100
    env.close()


@needs_gl
def test_same_seed_same_picture():
    envs = [make("arm_insert", cameras=("side",), image_px=64) for _ in range(2)]
    a, b = (env.reset(seed=4)[0]["images"]["side"] for env in envs)
    np.testing.assert_array_equal(a, b)
    for env in envs:
        env.close()


@needs_gl
def test_the_red_cube_is_seen():
    env = make("arm_pick", cameras=("front",))
    frame = env.reset(seed=0)[0]["images"]["front"].astype(int)
    red = (frame[..., 0] > 120) & (frame[..., 1] < 80) & (frame[..., 2] < 80)
    assert 20 < red.sum() < 2000
    env.close()


@needs_gl
def test_randomisation_changes_the_picture_and_a_seed_still_means_one():
    plain, one, two = (
        make("arm_pick", cameras=("side",), image_px=64, randomize=r) for r in (False, "look", "look")
    )
    two.reset(seed=5)  # an episode before must leave no trace, the texture included
    frames = [env.reset(seed=4)[0]["images"]["side"].astype(int) for env in (plain, one, two)]
    np.testing.assert_array_equal(frames[1], frames[2])
    assert np.abs(frames[0] - frames[1]).mean() > 3
    assert np.abs(frames[1] - one.reset(seed=6)[0]["images"]["side"]).mean() > 3
    for env in (plain, one, two):
        env.close()


TASKS_SEEN = ("arm_pick", "arm_pcb", "arm_cable", "arm_relocate")


@needs_gl
@pytest.mark.parametrize("task", TASKS_SEEN)
def test_success_is_seen_by_a_camera(task):
    """Start and success differ by more than the small part of a picture that noise could change."""
    env = make(task, cameras=("wrist", "side"), image_px=64)
    obs, _ = env.reset(seed=1)
    first, expert, ended, info = obs["images"], type(env.task)(), False, {}
    while not ended:
        obs, _, *ends, info = env.step(expert.expert(env._reading).clip(-1, 1))
        ended = any(ends)
    assert info["success"]
    changed = [np.abs(obs["images"][c].astype(int) - first[c]).max(-1) > 40 for c in first]
    assert max(c.mean() for c in changed) > 0.03
    env.close()


@needs_gl
def test_film_frame():
    env = make("arm_pick", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (480, 640, 3) and picture.dtype == np.uint8 and picture.std() > 20
    env.close()


def test_without_render_mode_there_is_no_picture():
    env = make("arm_pick")
    env.reset(seed=0)
    assert env.render() is None


def test_unknown_camera_names_the_choices():
    with pytest.raises(ConfigError, match="camera 'back' does not exist; choose from .*front.*wrist"):
        make("arm_pick", cameras=("back",))


def test_missing_library_names_the_packages(monkeypatch):
    monkeypatch.setattr(render.ctypes.util, "find_library", lambda name: None)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(ConfigError, match="apt-get install libegl1 libgl1 .*libosmesa6"):
        render.make_context(8, 8)


def test_state_alone_never_touches_opengl():
    code = (
        "import sys, gymnasium, sandlot\n"
        "env = gymnasium.make('sandlot/ArmPick-v0'); env.reset(seed=0); env.step(env.action_space.sample())\n"
        "bad = [m for m in sys.modules if m in ('mujoco.egl', 'mujoco.osmesa')]\n"
        "sys.exit(f'loaded {bad}' if bad else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr


def environment():
    import os
    from pathlib import Path

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MUJOCO_GL", "DISPLAY"))}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
