"""A person with a gamepad demonstrates through real nodes: success is kept, redo and failure are not."""

import contextlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.learners.schema import Flag, Source
from sandlot.learners.store import RunReader

pytestmark = real_time
START_S, WITHIN_S = 120.0, 60.0
Y, A, X, BACK, START, RB = 3, 0, 2, 4, 6, 10
AWAY = "axis 1 -1"


class Stage:
    """The processes, their logs, and the person's hands."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.start("driver", "-m", "sandlot.robots.arm.arm_node", *ros("task:=arm_reach"))
        self.start("gate", "-m", "sandlot.robots.arm.gate_node", *ros("task:=arm_reach", "auto_arm:=true"))
        self.pad = self.start("joy", "-m", "tests.robots.teleop.pad_process", *ros("device:=gamepad"))

    def start(self, name, *arguments):
        with (self.folder / f"{name}.log").open("w") as log, (self.folder / f"{name}.out").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                text=True,
            )
        self.stack.callback(end, process)
        return process

    def hands(self, *lines):
        self.pad.stdin.write("".join(f"{line}\n" for line in lines))
        self.pad.stdin.flush()

    def take_over(self, within_s=WITHIN_S):
        """Holds the deadman until the gate lets the hand's actions through; let go and held again if need be.

        A button that was down before its device was heard first does not count, and needs a fresh press.
        """
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            self.hands(f"button {RB} 1")
            time.sleep(1.0)  # drives for a while
            if (self.folder / "gate.log").read_text().rsplit("event=gate mode=", 1)[-1].startswith("ACTIVE"):
                return
            self.hands(f"button {RB} 0")
            time.sleep(0.2)

    def press(self, number):
        self.hands(f"button {number} 1")
        time.sleep(0.2)  # as long as a person's thumb
        self.hands(f"button {number} 0")

    def said(self, words, times=1, within_s=WITHIN_S):
        """Waits until the command has said something so many times; arms a gate that stopped meanwhile.

        A busy machine may miss the gate's deadline: then a person presses start, as they would anywhere.
        """
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            if (self.folder / "demos.log").read_text().count(words) >= times:
                return
            time.sleep(0.02)
            gate = (self.folder / "gate.log").read_text().rsplit("event=gate mode=", 1)
            if gate[-1].startswith("STOPPED"):
                self.press(START)
        logs = {f.name: f.read_text()[-2000:] for f in self.folder.glob("*.log")}
        raise AssertionError(f"'{words}' was not said {times} times within {within_s} s: {logs}")


def ros(*parameters):
    return ["--ros-args", "-r", "__ns:=/arm", *(word for p in parameters for word in ("-p", p))]


def end(process):
    process.terminate()
    process.wait(WITHIN_S)


def test_a_person_demonstrates_with_a_gamepad(ros_domain, tmp_path):  # noqa: F811
    pytest.importorskip("rclpy")
    pytest.importorskip("pygame")
    with contextlib.ExitStack() as stack:
        stage = Stage(tmp_path, stack)
        flags = ("--robot", "ros", "--teleop", "--out", str(tmp_path / "demos"), "--json")
        command = stage.start("demos", "-m", "sandlot", "demos", "arm_reach", *flags)
        stage.said("event=demo_waits_for_person", within_s=START_S)
        stage.hands(AWAY)
        outcomes = ((Y, "demo_kept attempt=1"), (X, "kind=RedoError"), (A, "demo_failed attempt=2"))
        for times, (button, words) in enumerate(outcomes, start=1):
            stage.said("event=demo_waits_for_person", times)
            stage.take_over()
            stage.press(button)
            stage.said(words)
            stage.hands(f"button {RB} 0")
        stage.said("event=demo_waits_for_person", 4)
        stage.press(BACK)
        assert command.wait(WITHIN_S) == 0
        result = json.loads((tmp_path / "demos.out").read_text())
    assert (result["episodes"], result["attempts"]) == (1, 1)
    steps = np.concatenate([part.steps for part in RunReader(tmp_path / "demos").read()])
    assert len(steps) == result["steps"] >= 2 and set(steps["source"]) == {Source.HUMAN}
    assert steps["flags"][-1] == Flag.SUCCESS | Flag.TERMINATED | Flag.END
    assert steps["action"][0, 0] == pytest.approx(0.5, abs=1e-3)  # the stick, at the default speed
    assert (steps["policy_action"][0] == steps["action"][0]).all()
