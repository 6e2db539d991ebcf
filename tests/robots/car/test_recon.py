import json
import math
import sys

import numpy as np
import pytest

pytest.importorskip("h5py")

from tests.robots.car import recon_made  # noqa: E402
from tests.robots.car.recon_made import HZ, drive, jpeg, texture, write  # noqa: E402

from sandlot.cli import run as sandlot  # noqa: E402
from sandlot.learners.errors import ConfigError  # noqa: E402
from sandlot.learners.schema import Flag, Source, check_steps  # noqa: E402
from sandlot.learners.store_read import RunReader  # noqa: E402
from sandlot.perception.encoders.file import TrainedEncoder  # noqa: E402
from sandlot.robots.car import task  # noqa: E402
from sandlot.robots.car.recon import ReconConfig  # noqa: E402
from sandlot.robots.car.recon_import import import_files  # noqa: E402
from sandlot.robots.car.spec import CarLimits  # noqa: E402
from sandlot.robots.recording.episodes import read_episodes  # noqa: E402
from sandlot.robots.recording.errors import DatasetError  # noqa: E402

CONFIG = ReconConfig(hz=HZ, image_px=16)


def imported(tmp_path, *files, config=CONFIG):
    done = import_files(files, str(tmp_path / "run"), config)
    return done, list(read_episodes(RunReader(tmp_path / "run")))


def test_steps_are_what_the_car_would_have_read_and_done(tmp_path):
    numbers = drive([1.0] * 4 + [1.2] * 5, [0.5] * 9, heading_rad=0.3)
    done, (episode,) = imported(tmp_path, write(tmp_path / "a.hdf5", numbers))
    assert (done["files"], done["episodes"], done["steps"], done["collisions"]) == (1, 1, 7, 0)
    assert done["frames_left_out"] == 1  # before the first frame no command is known
    assert done["hz_by_odometry"] == pytest.approx(HZ, rel=0.05)
    assert "notes" not in done
    steps = episode.steps
    check_steps(steps, episode.finals, CONFIG.spec(CarLimits()))
    state = steps["state"]
    np.testing.assert_allclose(state[:, :3], np.tile([0, 0, 1], (7, 1)), atol=1e-6)
    # frame 4 is told 1.2 m/s and drives so at frame 5; steps begin with frame 1
    np.testing.assert_allclose(state[:, 3] * 4, [1, 1, 1, 1, 1.2, 1.2, 1.2], atol=1e-6)
    np.testing.assert_allclose(state[:, 6] * 4, state[:, 3] * 4)
    np.testing.assert_allclose(state[:, 5] * 4, 0.5)
    slow, fast = math.atan(0.33 * 0.5 / 1.0), math.atan(0.33 * 0.5 / 1.2)
    np.testing.assert_allclose(state[:, 13] * 4, [1, 1, 1, 1, 1.2, 1.2, 1.2], atol=1e-6)
    np.testing.assert_allclose(state[:, 14] * 0.4, [slow] * 4 + [fast] * 3, atol=1e-6)
    # 0.2 m/s in a frame of five control periods, 0.4 m/s at most in each: 0.1
    changed = np.zeros((7, 2))
    changed[3] = 0.2 / 0.4 / 5, (fast - slow) / 0.1 / 5
    np.testing.assert_allclose(steps["action"], changed, atol=1e-6)
    assert done["actions_clipped"] == 0
    assert set(steps["source"].tolist()) == {Source.SCRIPT}
    assert steps["flags"].tolist() == [0] * 6 + [Flag.END | Flag.TRUNCATED]
    assert steps["discount"].tolist() == [1.0] * 7


def test_goals_lie_on_the_way_and_the_reward_is_the_speed_towards_them(tmp_path):
    numbers = drive([1.0] * 60, [0.0] * 60, heading_rad=2.0, start_m=(5.0, -3.0))
    _, (episode,) = imported(tmp_path, write(tmp_path / "a.hdf5", numbers))
    goal, following = episode.steps["state"][:, 7:10], episode.steps["state"][:, 10:13]
    np.testing.assert_allclose(goal[:, :2], np.tile([1, 0], (58, 1)), atol=1e-5)  # straight ahead
    metres = goal[:, 2] * task.UNIT_M
    assert (metres <= 8.5 + 1e-4).all() and metres.max() > 2
    assert (following[:, 2] * task.UNIT_M >= metres + 2.0 - 1e-4).all()
    assert metres.min() >= 1.0 - 1e-4  # two frames: the one at which a step is paid still has a way to go
    np.testing.assert_allclose(episode.steps["reward"], 1.0 / 4.0, atol=1e-5)


def test_a_collision_ends_an_episode_and_what_follows_it_is_left_out(tmp_path):
    numbers = drive([1.0] * 8 + [-0.5] + [1.0] * 5, [0.0] * 14)
    numbers["collision/physical"][6:8] = True
    numbers["imu/linear_acceleration"][6, 0] = -15.0
    done, (first, second) = imported(tmp_path, write(tmp_path / "a.hdf5", numbers))
    assert (done["collisions"], done["steps"], done["frames_left_out"]) == (1, 5 + 4, 3)
    assert first.steps["flags"][-1] == Flag.END | Flag.TERMINATED
    assert first.steps["discount"].tolist() == [1, 1, 1, 1, 0]
    # the wall is between the car and its goal: full progress, less 10 + 15/5 metres per second
    assert first.steps["reward"][-1] == pytest.approx((1.0 - 10.0 - 3.0) / 4.0, abs=1e-5)
    assert first.finals["state"][0, 0] == pytest.approx(-15.0 / 9.81)
    assert second.steps["flags"][-1] == Flag.END | Flag.TRUNCATED
    # it begins after the recovery, whose command is still in force
    assert second.steps["state"][0, 13] * 4 == pytest.approx(-0.5)
    assert second.steps["action"][0, 0] == pytest.approx(1.5 / 0.4 / 5)
    assert [e.number for e in (first, second)] == [0, 1]
    for episode in (first, second):
        check_steps(episode.steps, episode.finals, CONFIG.spec(CarLimits()))


def test_another_collision_can_end_episodes(tmp_path):
    numbers = drive([1.0] * 10, [0.0] * 10)
    numbers["collision/any"][5] = True
    path = write(tmp_path / "a.hdf5", numbers)
    done, _ = imported(tmp_path, path)
    assert done["collisions"] == 0
    done = import_files([path], str(tmp_path / "any"), ReconConfig(hz=HZ, collision="any"))
    assert done["collisions"] == 1


def test_turning_on_the_spot_is_full_steering_and_clipped_actions_are_counted(tmp_path):
    numbers = drive([1.0, 1.0, 0.0, 0.0, 1.0, 3.5], [0.0, 0.0, 0.8, 0.8, 0.0, 0.0])
    done, (episode,) = imported(tmp_path, write(tmp_path / "a.hdf5", numbers))
    assert (episode.steps["state"][2:, 14] * 0.4).tolist() == pytest.approx([0.4, 0.4])
    # 0.4 rad of steering in five periods of 0.1 rad; then 2.5 m/s, of which 2 m/s are possible
    assert episode.steps["action"][1].tolist() == pytest.approx([-0.5, 0.8])
    assert done["actions_clipped"] == 0
    numbers = drive([1.0, 1.0, 3.5, 3.5], [0.0] * 4)
    done = import_files([write(tmp_path / "b.hdf5", numbers)], str(tmp_path / "fast"), CONFIG)
    assert done["actions_clipped"] == 1


def test_frames_with_a_number_missing_break_the_drive(tmp_path):
    numbers = drive([1.0] * 10, [0.0] * 10)
    numbers["imu/linear_acceleration"][4, 1] = np.nan
    done, episodes = imported(tmp_path, write(tmp_path / "a.hdf5", numbers))
    # frames 1 to 3; then 6 to 9: what was told at frame 4 may be as wrong as the rest of it
    assert [len(e.steps) for e in episodes] == [2, 3]
    assert not any(e.steps["flags"][-1] & Flag.TERMINATED for e in episodes)


@pytest.mark.parametrize("kind", ["fixed", "bytes"])
def test_pictures_are_the_middle_square_in_rgb(tmp_path, kind):
    picture = np.full((48, 64, 3), 255, np.uint8)
    picture[:, 8:56] = 200, 40, 90
    images = [jpeg(texture(i)) for i in range(5)]
    images[2] = jpeg(picture)
    numbers = {k: v.reshape(5, -1) for k, v in drive([1.0] * 5, [0.0] * 5).items()}  # [T, 1], as some are
    _, (episode,) = imported(tmp_path, write(tmp_path / "a.hdf5", numbers, images, kind))
    shown = episode.steps["image.bumper"]
    assert shown.shape == (3, 16, 16, 3)
    assert np.abs(shown[1, :, 2:-2].astype(int) - [200, 40, 90]).max() <= 6
    middle = texture(3)[:, 8:56].reshape(16, 3, 16, 3, 3).mean(axis=(1, 3))
    assert np.abs(shown[2].astype(float) - middle).mean() < 4  # JPEG and rounding


def test_the_same_seed_draws_the_same_goals_and_files_of_a_folder_come_in_order(tmp_path):
    for name, mps in (("b", 2.0), ("a", 1.0)):
        write(tmp_path / f"{name}.hdf5", drive([mps] * 30, [0.2] * 30))
    runs = {}
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        import_files([str(tmp_path)], str(tmp_path / name), ReconConfig(hz=HZ, seed=seed))
        runs[name] = [e.steps.tobytes() for e in read_episodes(RunReader(tmp_path / name))]
    assert runs["one"] == runs["same"] != runs["other"]
    first, second = read_episodes(RunReader(tmp_path / "one"))
    assert (first.steps["state"][0, 3] * 4, second.steps["state"][0, 3] * 4) == (1.0, 2.0)


def test_a_rate_that_odometry_contradicts_is_told(tmp_path):
    path = write(tmp_path / "a.hdf5", drive([1.0] * 9, [0.0] * 9))
    done, _ = imported(tmp_path, path, config=ReconConfig(hz=3.0))
    assert done["hz_by_odometry"] == 2.0
    assert done["notes"] == "positions and speeds speak of 2.0 frames a second, not 3; give --hz"


def damaged(tmp_path, what: str) -> str:
    numbers, images = drive([1.0] * 8, [0.0] * 8), [jpeg(texture(i)) for i in range(8)]
    path = tmp_path / f"{what}.hdf5"
    if what == "no_hdf5":
        path.write_bytes(b"RIFF" * 100)
    elif what == "cut":
        write(path, numbers)
        path.write_bytes(path.read_bytes()[:3000])
    elif what == "lacks":
        del numbers["jackal/yaw"]
    elif what == "lengths":
        numbers["jackal/position"] = numbers["jackal/position"][:-1]
    elif what == "narrow":
        numbers["imu/linear_acceleration"] = numbers["imu/linear_acceleration"][:, :2]
    elif what == "words":
        numbers["jackal/yaw"] = np.array([b"north"] * 8)
    elif what == "no_jpeg":
        images[3] = b"no picture \xff\xd9"
    elif what == "cut_jpeg":
        images[3] = images[3][:600]
    if what not in ("no_hdf5", "cut", "none"):
        write(path, numbers, images)
    return str(path)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("none", "none.hdf5' is no file; name files of the RECON data set, or folders"),
        ("no_hdf5", "no_hdf5.hdf5' cannot be read as HDF5 .*; get the file anew, or leave .* --skip-damaged"),
        ("cut", "cut.hdf5' cannot be read as HDF5 .*; get the file anew"),
        ("lacks", "lacks.hdf5' lacks jackal/yaw; it has collision/any, .*: name files of the RECON data set"),
        ("lengths", r"jackal/position has shape \(7, 3\), images/rgb_left has 8 frames"),
        ("narrow", r"imu/linear_acceleration is float64 of shape \(8, 2\), not 3 numbers a frame"),
        ("words", r"jackal/yaw is \|S5 of shape \(8,\), not 1 numbers a frame"),
        ("no_jpeg", "images/rgb_left, frame 3, is no whole JPEG; get the file anew"),
        ("cut_jpeg", "images/rgb_left, frame 3, is no whole JPEG; get the file anew"),
    ],
)
def test_a_damaged_file_is_one_line_or_left_out(tmp_path, what, words):
    path, good = damaged(tmp_path, what), write(tmp_path / "good.hdf5", drive([1.0] * 9, [0.0] * 9))
    with pytest.raises(DatasetError, match=words) as caught:
        import_files([good, path], str(tmp_path / "run"), CONFIG)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    done = import_files([path, good], str(tmp_path / "run"), ReconConfig(hz=HZ, skip_damaged=True))
    assert (done["files"], done["episodes"], done["steps"]) == (1, 1, 7)
    assert done["notes"].startswith("1 files left out, the first: '")


def test_what_cannot_be_imported_at_all_is_said(tmp_path, monkeypatch):
    write(tmp_path / "a.hdf5", drive([-1.0] * 9, [0.0] * 9))
    with pytest.raises(ConfigError, match="1 files, '.*a.hdf5' first, hold no two frames of driving ahead"):
        import_files([str(tmp_path)], str(tmp_path / "run"), CONFIG)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty' holds no .hdf5 or .h5 file"):
        import_files([str(tmp_path / "empty")], str(tmp_path / "run"), CONFIG)
    with pytest.raises(DatasetError, match=r"lacks collision/soft \(--collision names another\)"):
        import_files([str(tmp_path)], str(tmp_path / "run"), ReconConfig(collision="soft"))
    with pytest.raises(ConfigError, match="--hz 0 and"):
        ReconConfig(hz=0.0)
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"needs the package 'h5py', .*: pip install 'sandlot\[recon\]'"):
        import_files([str(tmp_path)], str(tmp_path / "run"), CONFIG)


def test_import_then_pretrain_from_the_command_line(tmp_path, capsys):
    for i in range(4):
        write(tmp_path / f"{i}.hdf5", drive([0.8 + 0.2 * i] * 14, [0.3 * i - 0.4] * 14))
    run, file = str(tmp_path / "run"), tmp_path / "seen.safetensors"
    asked = ["--format", "recon", "--out", run, "--image-px", "32", "--hz", str(recon_made.HZ), "--json"]
    assert sandlot(["data", "import", str(tmp_path), *asked]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (done["files"], done["episodes"], done["steps"]) == (4, 4, 48)
    learn = ["--method", "iql", "--encoder", "conv", "--steps", "4", "--batch-size", "8", "--json"]
    assert sandlot(["pretrain", run, *learn, "--out", str(file)]) == 0
    made = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert made["frames"] == 52 and math.isfinite(made["loss"])
    encoder = TrainedEncoder.load(file)
    assert dict(encoder.shapes) == {"bumper": (32, 32, 3)}


def test_a_lerobot_import_takes_one_folder(tmp_path, capsys):
    assert sandlot(["data", "import", "a", "b", "--out", str(tmp_path / "run")]) == 2
    assert "name one LeRobot data set, not 2" in capsys.readouterr().err
