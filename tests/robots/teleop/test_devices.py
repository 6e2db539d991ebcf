"""Each device from its own bytes to `Hands`: an SDL gamepad, a terminal, a SpaceMouse's reports."""

import os
import pty
import struct

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.gamepad import Gamepad
from sandlot.robots.teleop.keyboard import Keyboard
from sandlot.robots.teleop.layouts import Feel
from sandlot.robots.teleop.mapping import Button
from sandlot.robots.teleop.source import RETRY_S, Source
from sandlot.robots.teleop.spacemouse import LINGER_S, SpaceMouse
from sandlot.robots.teleop.terminal_keys import AXIS_HOLD_S, PRESS_HOLD_S, TerminalKeys, terminal_keys

FULL = Feel(dead_zone=0.1, speed=1.0, turn_speed=1.0)
A, B, X, Y, BACK, START, LB, RB, LEFT, RIGHT = 0, 1, 2, 3, 4, 6, 9, 10, 13, 14


@pytest.fixture
def gamepad():
    """A reader whose SDL is up, so that virtual pads can be plugged in."""
    pytest.importorskip("pygame")
    reader = Gamepad(FULL)
    with pytest.raises(DeviceError, match="no gamepad is connected; plug one in"):
        reader.open()
    yield reader
    reader.close()


@pytest.fixture
def plugged(gamepad):
    """Plugs in a virtual pad; whatever is still plugged in is pulled out at the end."""
    from tests.robots.teleop.virtual_pad import VirtualPad

    pads = []

    def plug(*shape):
        pads.append(VirtualPad(*shape))
        pads[-1].plug()
        return pads[-1]

    yield plug
    for pad in pads:
        pad.unplug()


@pytest.fixture
def pad(gamepad, plugged):
    pad = plugged()
    gamepad.open()
    return pad


def test_the_sticks_of_a_gamepad_move_the_tool(gamepad, pad):
    pad.axis(1, -1.0)  # left stick away
    pad.axis(0, 0.55)  # and half right
    pad.axis(3, 1.0)  # right stick towards oneself
    pad.button(RB)
    hands = gamepad.read(0.0)
    assert hands.axes == pytest.approx((1.0, -0.5, -1.0, 0, 0, 0, 0), abs=1e-4)
    assert hands.down == {Button.TAKE_OVER}


def test_the_left_shoulder_turns_moving_into_tilting(gamepad, pad):
    pad.axis(1, -1.0)
    pad.button(LB)
    assert gamepad.read(0.0).axes == pytest.approx((0, 0, 0, 0, 1.0, 0, 0), abs=1e-4)


@pytest.mark.parametrize(("trigger", "grip"), [(4, -1.0), (5, 1.0)])
def test_the_triggers_close_and_open_the_gripper(gamepad, pad, trigger, grip):
    pad.axis(trigger, 1.0)
    assert gamepad.read(0.0).axes[6] == grip


def test_the_buttons_of_a_gamepad(gamepad, pad):
    meaning = {
        Y: Button.SUCCESS,
        A: Button.FAILURE,
        X: Button.REDO,
        LEFT: Button.REDO,
        RIGHT: Button.NEXT,
        BACK: Button.QUIT,
        B: Button.STOP,
        START: Button.ARM,
    }
    for number, button in meaning.items():
        pad.button(number)
        assert gamepad.read(0.0).down == {button}
        pad.button(number, 0)
    assert gamepad.read(0.0).down == frozenset()


def test_a_pad_without_known_layout_is_read_in_directinput_order(gamepad, plugged):
    pad = plugged(0, 4, 12, 1)  # SDL's "unknown": 4 axes, 12 buttons, 1 hat
    gamepad.open()
    pad.axis(1, -1.0)
    pad.button(5)
    pad.button(6)
    hands = gamepad.read(0.0)
    assert hands.down == {Button.TAKE_OVER} and hands.axes[0] > 0.99 and hands.axes[6] == -1.0
    pad.button(6, 0)
    pad.button(7)
    pad.hat(2)  # right
    hands = gamepad.read(0.0)
    assert hands.axes[6] == 1.0 and hands.down == {Button.TAKE_OVER, Button.NEXT}


def test_an_unplugged_gamepad_is_nobody_until_it_is_back(gamepad, plugged, caplog):
    caplog.set_level("INFO")
    pad = plugged()
    source = Source([gamepad])
    source.open()
    pad.button(RB)
    assert source.read(0.0).down == {Button.TAKE_OVER}
    pad.unplug()
    assert [source.read(0.02 * k) for k in range(5)] == [None] * 5
    assert caplog.text.count("event=joystick_lost") == 1 and "unplugged" in caplog.text
    pad.plug()
    assert source.read(0.1) is None  # it is looked for twice a second
    assert source.read(0.2 + RETRY_S).down == frozenset()
    assert "event=joystick_back" in caplog.text


@pytest.fixture
def terminal():
    """A keyboard on a pseudo-terminal, and what types into it."""
    master, slave = pty.openpty()
    keyboard = Keyboard(FULL)
    keyboard.attach(TerminalKeys(slave))
    yield keyboard, lambda text: os.write(master, text), master
    keyboard.close()
    os.close(slave)


def test_a_terminal_drives_after_space_and_for_as_long_as_a_key_repeats(terminal):
    keyboard, send, _ = terminal
    send(b"\x1b[A")
    assert keyboard.read(0.0).down == frozenset()
    send(b" ")
    hands = keyboard.read(0.1)
    assert hands.down == {Button.TAKE_OVER} and hands.axes[0] == 1.0
    assert keyboard.read(0.0 + AXIS_HOLD_S + 0.01).axes[0] == 0.0
    send(b"\x1b[5~\x1b[C")
    assert keyboard.read(0.5).axes[:3] == (0.0, -1.0, 1.0)


def test_space_toggles_once_however_long_it_is_held(terminal):
    keyboard, send, _ = terminal
    for k in range(30):
        send(b" ")
        assert Button.TAKE_OVER in keyboard.read(0.04 * k).down
    assert Button.TAKE_OVER in keyboard.read(1.2 + PRESS_HOLD_S).down
    send(b" ")
    assert keyboard.read(2.0).down == frozenset()


def test_the_keys_of_a_terminal(terminal):
    keyboard, send, _ = terminal
    for k, (key, button) in enumerate(
        {
            b"s": Button.SUCCESS,
            b"\x1b": Button.FAILURE,
            b"r": Button.REDO,
            b"N": Button.NEXT,
            b"q": Button.QUIT,
            b"x": Button.STOP,
            b"a": Button.ARM,
        }.items()
    ):
        send(key)
        assert keyboard.read(float(k)).down == {button}


def test_a_closed_terminal_is_gone(terminal):
    keyboard, send, master = terminal
    send(b" ")
    keyboard.read(0.0)
    os.close(master)
    with pytest.raises(DeviceError, match="terminal is gone"):
        keyboard.read(0.1)


def test_what_a_terminal_sends_at_once_is_taken_apart():
    assert terminal_keys(b"\x1b[A\x1bOD s\x1b[6~") == ["up", "left", "space", "s", "page_down"]
    assert terminal_keys(b"\x1b[1;5Cz\x1b") == ["esc"]  # control-right and z mean nothing


def test_no_terminal_and_no_such_way_are_refused():
    read, write = os.pipe()
    with pytest.raises(DeviceError, match="no terminal"):
        TerminalKeys(read)
    os.close(read)
    os.close(write)
    with pytest.raises(ConfigError, match="'telepathy' does not exist; choose one of auto"):
        Keyboard(FULL, "telepathy")


class Wire:
    """A HID connection that replays reports."""

    def __init__(self):
        self.reports, self.cut, self.closed = [], False, False

    def read(self, size):
        if self.cut:
            raise OSError("read error")
        return list(self.reports.pop(0)[:size]) if self.reports else []

    def close(self):
        self.closed = True

    def motion(self, *raw):
        """Both of a SpaceNavigator's reports: x right, y towards oneself, z down; then the rotations."""
        self.reports += [struct.pack("<B3h", 1, *raw[:3]), struct.pack("<B3h", 2, *raw[3:])]

    def buttons(self, mask):
        self.reports.append(struct.pack("<BBB", 3, mask, 0))


@pytest.fixture
def spacemouse():
    parser = pytest.importorskip("pyspacemouse")
    mouse, wire = SpaceMouse(FULL), Wire()
    mouse.attach(wire, parser.get_device_specs()["SpaceNavigator"])
    return mouse, wire


def test_pushing_a_spacemouse_takes_over_and_moves_the_tool_that_way(spacemouse):
    mouse, wire = spacemouse
    assert mouse.read(0.0).down == frozenset()
    wire.motion(0, -350, 0, 0, 0, 0)  # away from oneself
    assert mouse.read(1.0).axes == pytest.approx((1.0, 0, 0, 0, 0, 0, 0))
    wire.motion(-350, 0, -350, 0, 0, 0)  # left and up
    hands = mouse.read(1.02)
    assert hands.axes[:3] == pytest.approx((0, 1.0, 1.0)) and hands.down == {Button.TAKE_OVER}
    wire.motion(0, 0, 0, 0, 0, -350)  # counter-clockwise from above
    assert mouse.read(1.04).axes == pytest.approx((0, 0, 0, 0, 0, 1.0, 0))


def test_a_spacemouse_at_rest_gives_control_back_after_a_moment(spacemouse):
    mouse, wire = spacemouse
    wire.motion(0, -350, 0, 0, 0, 0)
    mouse.read(0.0)
    wire.motion(0, -20, 5, 0, 0, 3)  # within the dead zone
    assert mouse.read(LINGER_S - 0.01).down == {Button.TAKE_OVER}
    hands = mouse.read(LINGER_S + 0.01)
    assert hands.down == frozenset() and not any(hands.axes)


def test_the_two_buttons_of_a_spacemouse(spacemouse):
    mouse, wire = spacemouse
    got = []
    for mask in (1, 2, 3, 0):
        wire.buttons(mask)
        hands = mouse.read(5.0)
        got.append((hands.axes[6], hands.down))
    take, stop = frozenset({Button.TAKE_OVER}), frozenset({Button.STOP})
    assert got == [(-1.0, take), (1.0, take), (0.0, stop), (0.0, frozenset())]


def test_a_spacemouse_that_was_pulled_out_is_gone(spacemouse):
    mouse, wire = spacemouse
    wire.motion(0, -350, 0, 0, 0, 0)
    wire.cut = True
    with pytest.raises(DeviceError, match="unplugged"):
        mouse.read(0.0)
    mouse.close()
    assert wire.closed


def test_no_spacemouse_is_one_clear_line():
    pytest.importorskip("hid")
    with pytest.raises(DeviceError, match="no SpaceMouse is connected"):
        SpaceMouse(FULL).open()


def test_settings_of_the_feel_are_checked():
    with pytest.raises(ConfigError, match=r"dead_zone=1.0 must lie in \[0, 0.9\]"):
        Feel(dead_zone=1.0)
    with pytest.raises(ConfigError, match="speed=0.0"):
        Feel(speed=0.0)
