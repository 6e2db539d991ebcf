"""The recorder is killed with SIGKILL at random moments; what it had longer than a second is in the bag."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)

from sandlot.robots.recording.bag import Bag, decoder

ROOT = pathlib.Path(__file__).parents[2]
SRC = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
JOINTS = "/arm/joint_states"


def start(*argv: str, env=None, **more) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *argv], env={**(env or os.environ), "PYTHONPATH": SRC}, **more)


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def size_of(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.mcap"))


def received(folder: pathlib.Path) -> list[tuple[int, int]]:
    """(number, arrival ns) of every joint message in a bag."""
    decode = decoder()
    return [(int(decode(m).position[0]), m.log_ns) for m in Bag(folder).messages([JOINTS])]


def kill(process: subprocess.Popen) -> int:
    """Kills it; returns when that was, in ns."""
    now_ns = time.time_ns()
    process.send_signal(signal.SIGKILL)
    process.wait()
    return now_ns


def test_twenty_killed_recorders_lose_less_than_a_second(tmp_path):
    rng = np.random.default_rng(5)
    parent = start("-m", "tests.system.killed_recorder", str(tmp_path), "20", stdout=subprocess.PIPE)
    pids = json.loads(parent.stdout.readline())
    killed_ns = {}
    try:
        wait_for(lambda: all(size_of(tmp_path / f"bag{i}") > 10_000 for i in range(20)))
    finally:
        for number in rng.permutation(20):
            time.sleep(rng.uniform(0.0, 0.2))
            killed_ns[number] = time.time_ns()
            os.kill(pids[number], signal.SIGKILL)
        parent.wait()
    for number, at_ns in killed_ns.items():
        found = received(tmp_path / f"bag{number}")
        assert [n for n, _ in found] == list(range(len(found)))
        assert at_ns - found[-1][1] < 1_000_000_000


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_nodes_leave_bags_that_hold_all_but_the_last_second(tmp_path, ros_domain, kills):  # noqa: F811
    pytest.importorskip("rclpy")
    rng = np.random.default_rng(6)
    publisher = start("-m", "tests.system.publish_joints", str(tmp_path / "sent.json"), env=ros_domain)
    try:
        for number in range(kills):
            folder = tmp_path / f"bag{number}"
            recorder = start(
                *("-m", "sandlot.robots.recording.recorder_node", "--ros-args", "-r", "__ns:=/arm"),
                *("-p", f"bag:={folder}", "-p", "reserve_mb:=0", "-p", "task:=arm_pick"),
                env=ros_domain,
            )
            try:
                wait_for(lambda folder=folder: size_of(folder) > 20_000)
                time.sleep(rng.uniform(0.0, 1.0))
            finally:
                killed_ns = kill(recorder)
            found = [n for n, _ in received(folder)]
            sent = json.loads((tmp_path / "sent.json").read_text())["sent"]
            assert found == list(range(found[0], found[0] + len(found)))
            last_ns = sent["first_ns"] + sent["period_ns"] * found[-1]
            assert killed_ns - last_ns < 1_000_000_000
            assert Bag(folder).custom["task"] == "arm_pick"
            assert Bag(folder).repair()
    finally:
        kill(publisher)
