"""A simulated camera's crop: what is drawn is what cutting and resizing the whole picture gives."""

import numpy as np
import pytest

from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import CameraConfig, Crop, fit, save, view
from sandlot.perception.cameras.view import used
from sandlot.robots.arm.tasks import TASKS
from sandlot.sim.arm import SimArm
from sandlot.sim.render import Quality, Renderer
from sandlot.sim.windows import Window, window, windows

CROPS = [Crop(), Crop(160, 40, 240, 240), Crop(300, 200, 320, 160), Crop(200, 30, 150, 400)]


def test_the_used_part_by_hand():
    assert used((480, 640), Crop(), (64, 64)) == Crop(80, 0, 480, 480)
    assert used((480, 640), CROPS[2], (64, 64)) == CROPS[2]
    assert window(Crop(80, 0, 480, 480), 640, 480) == Window(-0.5, -0.5, 0.5, 0.5)
    assert window(Crop(320, 240, 240, 120), 640, 480) == Window(0, 0, 0.5, 0.25)


@pytest.fixture(scope="module")
def robot():
    task = TASKS["arm_pick"]()
    made = SimArm("arm_pick", task.limits)
    rng = np.random.default_rng(0)
    made.reset(task.scene(rng), rng)
    yield made
    made.close()


def test_a_drawn_crop_is_the_cut_and_resized_picture(robot):
    fine = Quality(samples=4)
    large, small = Renderer(robot.model, 640, 480, fine), Renderer(robot.model, 64, 64, fine)
    try:
        whole = large.draw(robot.data, "side")
        for crop in CROPS:
            part = window(used((480, 640), crop, (64, 64)), 640, 480)
            drawn = small.draw(robot.data, "side", part).astype(float)
            cut_out = view(whole, crop, (64, 64)).astype(float)
            elsewhere = fit(np.roll(whole, 40, axis=1), (64, 64)) if crop.whole else fit(whole, (64, 64))
            off = np.abs(drawn - cut_out).mean()
            assert off < 4.0 and off < np.abs(drawn - elsewhere).mean() / 3, crop
        assert (
            small.draw(robot.data, "side") == small.draw(robot.data, "side", Window(-0.5, -0.5, 0.5, 0.5))
        ).all()
    finally:
        large.close()
        small.close()


def test_an_env_takes_the_crops_of_a_camera_file(tmp_path):
    file = tmp_path / "cameras.yaml"
    side = CameraConfig(name="side", source="sim", device="arm_pick/side", crop=CROPS[1])
    save(file, {"side": side})
    config = EnvConfig(cameras=("side",), image_px=64, camera_file=str(file))
    frames, crops = [], []
    for settings in (config, EnvConfig(cameras=("side",), image_px=64)):
        env = envs.make("arm_pick", **settings.kwargs())
        frames.append(env.reset(seed=1)[0]["images"]["side"])
        crops.append(envs.crops(env)["side"])
        env.close()
    assert frames[0].shape == (64, 64, 3) and np.abs(frames[0].astype(float) - frames[1]).mean() > 10
    assert windows(str(file), ["arm_pick"], ("side",), 64)["side"] == window(CROPS[1], 640, 480) == crops[0]
    assert crops[1] == Window(-0.5, -0.5, 0.5, 0.5)
    with pytest.raises(ConfigError, match="camera 'wrist' is not in"):
        envs.make("arm_pick", cameras=("wrist",), camera_file=str(file))


def test_a_camera_file_of_another_task_or_camera_is_refused(tmp_path):
    file = str(tmp_path / "cameras.yaml")
    for device in ("arm_pcb/wrist", "arm_relocate/side"):
        save(file, {"wrist": CameraConfig(name="wrist", source="sim", device=device, crop=CROPS[1])})
        with pytest.raises(ConfigError, match=f"camera 'wrist' is '{device}'.* file of arm_relocate"):
            windows(file, ["arm_relocate", "arm_relocate_back"], ["wrist"], 64)
    for device in ("arm_relocate/wrist", "arm_relocate_back/wrist"):
        save(file, {"wrist": CameraConfig(name="wrist", source="sim", device=device, crop=CROPS[1])})
        assert windows(file, ["arm_relocate", "arm_relocate_back"], ["wrist"], 64)
    save(file, {"wrist": CameraConfig(name="wrist", source="v4l2", device="0", crop=CROPS[1])})
    assert windows(file, ["arm_relocate"], ["wrist"], 64)


def test_where_a_camera_file_means_nothing_it_is_refused():
    with pytest.raises(ConfigError, match="--camera-file is for simulated robots"):
        EnvConfig(robot="ros", cameras=("side",), camera_file="cameras.yaml")
    with pytest.raises(ConfigError, match="--camera-file is about cameras; name them"):
        EnvConfig(camera_file="cameras.yaml")
