"""Names of keys: every one the layout knows exists in evdev, and pynput's are translated."""

from types import SimpleNamespace

import pytest

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.desktop_keys import EVDEV_CODES, EvdevKeys, PynputKeys, pynput_name
from sandlot.robots.teleop.layouts import KEY_BUTTONS, KEYS


def test_every_key_of_the_layout_has_a_code_of_the_kernel():
    ecodes = pytest.importorskip("evdev").ecodes
    assert set(EVDEV_CODES.values()) == KEYS
    assert len({getattr(ecodes, code) for code in EVDEV_CODES}) == len(EVDEV_CODES)
    assert ecodes.KEY_RIGHTCTRL == getattr(ecodes, next(c for c, k in EVDEV_CODES.items() if k == "ctrl_r"))


def test_pynputs_names_become_ours(monkeypatch):
    monkeypatch.setenv("PYNPUT_BACKEND", "dummy")
    base = pytest.importorskip("pynput.keyboard._base")
    assert {pynput_name(base.KeyCode.from_vk(ord(k), char=k)) for k in KEY_BUTTONS if len(k) == 1} < KEYS
    held_with_control = base.KeyCode.from_vk(ord("s"), char="\x13")
    assert pynput_name(held_with_control) == "s"
    special = ("shift", "shift_r", "ctrl", "page_up", "space")  # members of its enum of keys, by their name
    names = [pynput_name(SimpleNamespace(name=n)) for n in special]
    assert names == ["shift_l", "shift_r", "ctrl_l", "page_up", "space"]


def test_a_computer_without_keyboard_or_display_is_told_apart(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="no X display"):
        PynputKeys()
    evdev = pytest.importorskip("evdev")
    monkeypatch.setattr(evdev, "list_devices", list)
    with pytest.raises(DeviceError, match="no keyboard in /dev/input is readable"):
        EvdevKeys()
