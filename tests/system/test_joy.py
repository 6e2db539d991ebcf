"""The joy node as a process: hands in, `Joy` out over DDS; unplugged it is silent, replugged it goes on."""

import os
import pathlib
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.robots.teleop.mapping import TIMEOUT_S, Button, Operator

ROOT = pathlib.Path(__file__).parents[2]
WITHIN_S = 20.0
RB = 10


class Listener:
    """What a gate or an actor hears: every Joy goes to an Operator."""

    def __init__(self):
        from sandlot.robots import ros_node

        import rclpy  # isort: skip

        rclpy.init(args=["--ros-args", "-r", "__ns:=/arm"])
        self.rclpy, self.node = rclpy, rclpy.create_node("listener")
        self.executor = ros_node.SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.operator, self.heard, self.message = Operator(), 0, None
        from sandlot.robots.topics import JOY

        ros_node.subscription(self.node, JOY, self._on_joy)

    def _on_joy(self, message):
        self.heard, self.message = self.heard + 1, message
        assert self.operator.offer(message.axes, message.buttons, time.monotonic()), self.operator.refusal

    def until(self, condition):
        """Spins until the condition holds for what the person wants now; returns that."""
        end_s = time.monotonic() + WITHIN_S
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)
            intent = self.operator.take(time.monotonic())
            if condition(intent):
                return intent
        raise AssertionError(f"not within {WITHIN_S} s; last {intent}, {self.heard} messages")

    def during(self, seconds):
        """What the person wanted at each moment of a span of time."""
        end_s, intents = time.monotonic() + seconds, []
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)
            intents.append(self.operator.take(time.monotonic()))
        return intents


@pytest.fixture
def listener(ros_domain):  # noqa: F811
    pytest.importorskip("rclpy")
    found = Listener()
    yield found
    found.executor.shutdown()
    found.node.destroy_node()
    found.rclpy.try_shutdown()


def joy_node(env, script, *parameters, **streams):
    settings = [part for p in parameters for part in ("-p", p)]
    argv = [sys.executable, *script, "--ros-args", "-r", "__ns:=/arm", *settings]
    return subprocess.Popen(
        argv,
        env={**env, PARENT_VARIABLE: str(os.getpid()), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        text=True,
        **streams,
    )


NODE = ("-m", "sandlot.robots.teleop.joy_node")


def test_a_gamepad_drives_until_it_is_unplugged_and_then_needs_a_fresh_press(listener, ros_domain):  # noqa: F811
    pytest.importorskip("pygame")
    script = ("-m", "tests.robots.teleop.pad_process")
    process = joy_node(
        ros_domain, script, "device:=gamepad", "speed:=1.0", stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )

    def hands(*lines):
        process.stdin.write("".join(f"{line}\n" for line in lines))
        process.stdin.flush()

    try:
        listener.until(lambda i: i.alive)
        hands("axis 1 -1", f"button {RB} 1")
        intent = listener.until(lambda i: i.take_over)
        assert intent.action[0] == pytest.approx(1.0, abs=1e-3)
        assert listener.message.header.frame_id == "gamepad"
        hands("unplug")
        listener.until(lambda i: not i.alive)
        heard = listener.heard
        assert not any(i.take_over or i.action.any() for i in listener.during(2 * TIMEOUT_S))
        assert listener.heard == heard
        hands("plug", f"button {RB} 1", "axis 1 -1")
        listener.until(lambda i: i.alive)
        assert not any(i.take_over for i in listener.during(0.3))
        assert listener.message.buttons[Button.TAKE_OVER] == 1  # held all the time: that is not enough
        hands(f"button {RB} 0")
        listener.until(lambda i: listener.message.buttons[Button.TAKE_OVER] == 0)
        hands(f"button {RB} 1")
        listener.until(lambda i: i.take_over)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert "event=joystick_lost device=gamepad" in errors and "event=joystick_back" in errors


def test_a_keyboard_drives_from_its_terminal_and_gives_it_back(listener, ros_domain):  # noqa: F811
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = joy_node(ros_domain, NODE, "device:=keyboard", "keyboard:=terminal", stdin=slave)
    try:
        listener.until(lambda i: i.alive)
        os.write(master, b" \x1b[A")
        assert listener.until(lambda i: i.take_over).action[0] == pytest.approx(0.5)  # the default speed
        os.write(master, b"s")
        listener.until(lambda i: i.success)
        os.write(master, b"x")
        listener.until(lambda i: i.stop)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    ("parameter", "line"),
    [
        ("device:=gamepad", "sandlot joy: no gamepad is connected; plug one in"),
        ("device:=spacemouse", "sandlot joy: no SpaceMouse is connected; plug one in"),
        ("device:=mouse", "sandlot joy: device 'mouse': 'mouse' does not exist; choose of keyboard"),
        ("dead_zone:=2.0", "dead_zone=2.0 must lie in [0, 0.9]"),
    ],
)
def test_what_cannot_be_used_is_refused_with_one_line(ros_domain, parameter, line):  # noqa: F811
    pytest.importorskip("rclpy")
    process = joy_node(ros_domain, NODE, parameter, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 2 and len(errors.splitlines()) == 1 and line in errors
