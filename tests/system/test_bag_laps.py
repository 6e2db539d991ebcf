"""A bag of a car's drive through real topics gives its steps, bit for bit, and the course of its slow lap."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time
from tests.system.test_bag_steps import recorded, same
from tests.system.test_recorder import SRC, start

from sandlot.learners.schema import Flag, Source
from sandlot.learners.store_read import RunReader
from sandlot.robots.car import course as courses
from sandlot.robots.recording.bag import Bag
from sandlot.robots.recording.episodes import read_episodes
from sandlot.robots.recording.source import open_folder

pytest.importorskip("rclpy")

pytestmark = real_time
NODE = ("--ros-args", "-r", "__ns:=/car")


def drive(folder, env) -> None:
    """Records a lap and a crash; the steps are in `folder/run`, the bag in `folder/bag`."""
    camera = ("-p", "cameras:=[bumper]")
    gate = ("-p", "auto_arm:=true", "-p", "deadline_s:=1.0", "-p", "deadman_button:=-1")
    kept = ("-p", "kind:=car", "-p", "task:=car_hall", "-p", f"bag:={folder / 'bag'}", "-p", "reserve_mb:=0")
    nodes = [
        start("-m", "sandlot.robots.car.car_node", *NODE, *camera, "-p", "gate_timeout_s:=1.0", env=env),
        start("-m", "sandlot.robots.car.gate_node", *NODE, *gate, env=env),
    ]
    recorder = start("-m", "sandlot.robots.recording.recorder_node", *NODE, *camera, *kept, env=env)
    driver = ("tests.system.recorded_lap", str(folder / "run"), "bumper")
    recorded(folder, [recorder, *nodes], driver, env)


def test_a_cars_bag_gives_its_steps_bit_for_bit_and_its_course(tmp_path, ros_domain):  # noqa: F811
    drive(tmp_path, ros_domain)
    assert Bag(tmp_path / "bag").info().finished
    bag = open_folder(tmp_path / "bag")
    lived, again = list(read_episodes(RunReader(tmp_path / "run"))), list(bag.read())
    assert bag.notes() == []
    for a, b in zip(lived, again, strict=True):
        same(a, b)
    assert any(e.success for e in lived) and Flag(int(lived[-1].steps["flags"][-1])) & Flag.TERMINATED
    made = tmp_path / "course.yaml"
    argv = [sys.executable, "-m", "sandlot", "course", "lap", str(tmp_path / "bag"), "--out", str(made)]
    argv += ["--demos", str(tmp_path / "demos"), "--json"]
    env = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run(argv, check=False, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checkpoints"] == len(courses.load(made).checkpoints_m)
    assert np.ptp(np.array(courses.load(made).checkpoints_m), axis=0).min() > 1.0
    by_hand = list(read_episodes(RunReader(tmp_path / "demos")))
    assert {int(s) for e in by_hand for s in e.steps["source"]} == {Source.HUMAN}
    assert again_by_hand(lived[0].steps, by_hand[0].steps) < 0.01


def again_by_hand(lived, made) -> float:
    """How far the actions of a drive are from those made of what was commanded in it, at their best match."""
    apart = []
    for ahead in range(4):  # the drive by hand begins when the car moves
        n = min(len(lived) - ahead, len(made))
        apart.append(np.abs(lived["action"][ahead:][:n] - made["action"][:n]).mean())
    return float(min(apart))
