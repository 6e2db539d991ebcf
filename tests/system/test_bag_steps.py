"""A bag of a drive through real topics gives that drive's steps, bit for bit; so does a LeRobot data set."""

import pathlib
import subprocess
import time

import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time
from tests.system.test_recorder import start

from sandlot.learners.store_read import RunReader
from sandlot.robots.recording import actions
from sandlot.robots.recording.bag import Bag
from sandlot.robots.recording.episodes import read_episodes
from sandlot.robots.recording.source import Asked, open_folder

pytest.importorskip("rclpy")

pytestmark = real_time
NODE = ("--ros-args", "-r", "__ns:=/arm")


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def recorded(folder: pathlib.Path, started: list[subprocess.Popen], driver: tuple[str, ...], env) -> None:
    """Runs a driver once the recorder's `folder/bag` is there; then stops what was started, in this order."""
    try:
        deadline = time.monotonic() + 60
        while not (folder / "bag").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        driving = start("-m", *driver, env=env)
        try:
            assert driving.wait(200) == 0
        finally:
            stop(driving)
    finally:
        for process in started:
            stop(process)


def drive(folder: pathlib.Path, env: dict[str, str], cameras: tuple[str, ...]) -> None:
    """Records a drive of two episodes; their steps are in `folder/run`, the bag in `folder/bag`."""
    listed = ("-p", f"cameras:=[{','.join(cameras)}]", "-p", "task:=arm_pick")
    nodes = [
        start("-m", "sandlot.robots.arm.arm_node", *NODE, *listed, "-p", "gate_timeout_s:=1.0", env=env),
        start(
            *("-m", "sandlot.robots.arm.gate_node", *NODE, "-p", "task:=arm_pick"),
            *("-p", "auto_arm:=true", "-p", "deadline_s:=1.0"),
            env=env,
        ),
    ]
    bag = ("-p", f"bag:={folder / 'bag'}", "-p", "objects:=[cube]", "-p", "reserve_mb:=0")
    recorder = start("-m", "sandlot.robots.recording.recorder_node", *NODE, *listed, *bag, env=env)
    driver = ("tests.system.recorded_drive", str(folder / "run"), "2", *cameras)
    recorded(folder, [recorder, *nodes], driver, env)


def same(a, b) -> None:
    for mine, theirs in ((a.steps, b.steps), (a.finals, b.finals)):
        assert mine.dtype == theirs.dtype
        for name in mine.dtype.names:
            assert mine[name].tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("cameras", [("wrist",)])
def test_a_bag_gives_the_steps_of_its_drive_bit_for_bit(tmp_path, ros_domain, cameras):  # noqa: F811
    drive(tmp_path, ros_domain, cameras)
    assert Bag(tmp_path / "bag").info().finished
    bag = open_folder(tmp_path / "bag")
    lived, again = list(read_episodes(RunReader(tmp_path / "run"))), list(bag.read())
    assert bag.notes() == []
    assert sum(e.success for e in lived) >= 1
    assert {int(s) for e in lived for s in e.steps["source"]} == {1, 2}
    for a, b in zip(lived, again, strict=True):
        same(a, b)
    pytest.importorskip("pyarrow")
    actions.export(str(tmp_path / "bag"), Asked(), str(tmp_path / "set"), "", "png")
    for a, b in zip(lived, open_folder(tmp_path / "set").read(), strict=True):
        same(a, b)
