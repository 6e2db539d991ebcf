import numpy as np
import pytest

pytest.importorskip("h5py")

from tests.robots.car.recon_made import HZ, drive, write  # noqa: E402
from tests.robots.recording.steps_made import write_run  # noqa: E402

from sandlot.cli import run as sandlot  # noqa: E402
from sandlot.learners.errors import ConfigError  # noqa: E402
from sandlot.learners.schema import Flag, check_steps  # noqa: E402
from sandlot.learners.store_read import RunReader  # noqa: E402
from sandlot.robots.car import hindsight_run, task  # noqa: E402
from sandlot.robots.car.recon import ReconConfig  # noqa: E402
from sandlot.robots.car.recon_import import import_files  # noqa: E402
from sandlot.robots.recording.episodes import read_episodes  # noqa: E402
from sandlot.robots.recording.source import Asked  # noqa: E402

GOALS = slice(7, 13)


@pytest.fixture
def run(tmp_path) -> str:
    """Two episodes of a car: one that ends in a collision, and one of 38 steps."""
    numbers = drive([1.0] * 50, [0.1] * 50)
    numbers["collision/physical"][10] = True
    write(tmp_path / "a.hdf5", numbers)
    import_files([str(tmp_path / "a.hdf5")], str(tmp_path / "run"), ReconConfig(hz=HZ, image_px=8))
    return str(tmp_path / "run")


def of(folder) -> list:
    return list(read_episodes(RunReader(folder)))


def test_only_goals_and_rewards_are_new(run, tmp_path):
    assert sandlot(["data", "hindsight", run, "--out", str(tmp_path / "new"), "--latest-s", "4"]) == 0
    spec = RunReader(run).spec
    assert RunReader(tmp_path / "new").spec == spec
    for before, after in zip(of(run), of(tmp_path / "new"), strict=True):
        check_steps(after.steps, after.finals, spec)
        for name in set(before.steps.dtype.names) - {"state", "reward"}:
            assert before.steps[name].tobytes() == after.steps[name].tobytes(), name
        changed = (before.steps["state"] != after.steps["state"]).any(axis=0)
        assert changed[GOALS].any() and not changed[:7].any() and not changed[13:].any()
        assert before.stream != after.stream
    first = of(tmp_path / "new")[0].steps
    assert first["flags"][-1] == Flag.END | Flag.TERMINATED
    assert first["reward"][-1] < -2.0  # what the collision cost is still in it
    assert first["reward"][:-1].min() > 0.0


def test_a_segment_without_an_end_is_left_out_and_every_segment_has_goals_of_its_own(run):
    episode = of(run)[1]
    broken = episode.steps.copy()
    broken["flags"][20] |= Flag.END
    broken["flags"][-1] = 0
    final = np.zeros(1, episode.finals.dtype)
    for name in ("state", "image.bumper"):
        final[name] = broken[name][21]
    final["step"] = broken["step"][20]
    made = hindsight_run.in_hindsight(episode._replace(steps=broken, finals=final), HZ, 0)
    assert len(made.steps) == 21
    # behind a segment's end driving goes on straight ahead: a goal is never left behind
    seen = made.finals["state"][0, GOALS]
    assert seen[0] > 0.9 and 0 < seen[2] * task.UNIT_M < 9.1
    assert made.finals["state"][0, :7].tolist() == broken["state"][21, :7].tolist()


def test_another_robots_run_is_refused(tmp_path):
    write_run(tmp_path / "arm")
    with pytest.raises(ConfigError, match="arm' observes .*; goals in hindsight need .*: accel, velocity"):
        hindsight_run.to_run(str(tmp_path / "arm"), Asked(), str(tmp_path / "new"))
