"""Which cameras are plugged into this machine."""

import importlib.util
import logging
import pathlib
from typing import NamedTuple

V4L = pathlib.Path("/sys/class/video4linux")
BY_ID = pathlib.Path("/dev/v4l/by-id")

log = logging.getLogger(__name__)


class Device(NamedTuple):
    """A camera that is there: the source and device to write into the camera file, and its own name."""

    source: str
    device: str
    name: str


def v4l2(sysfs: pathlib.Path = V4L, by_id: pathlib.Path = BY_ID) -> list[Device]:
    """The kernel's cameras; by their lasting name where they have one."""
    links = {link.resolve().name: str(link) for link in by_id.glob("*")} if by_id.is_dir() else {}
    found = []
    for entry in sorted(sysfs.glob("video*"), key=lambda p: (len(p.name), p.name)):
        name, index = _text(entry / "name"), _text(entry / "index")
        if index in {"", "0"}:  # the others carry metadata, not pictures
            found.append(Device("v4l2", links.get(entry.name, f"/dev/{entry.name}"), name))
    return found


def realsense() -> list[Device]:
    """RealSense cameras, when their library is installed."""
    if importlib.util.find_spec("pyrealsense2") is None:
        return []
    try:
        import pyrealsense2 as rs  # noqa: PLC0415  only when asked
    except ImportError as error:  # it needs libusb, which pip does not bring
        log.warning("event=realsense_unusable cause=%r way_out='apt-get install libusb-1.0-0'", str(error))
        return []
    info = rs.camera_info
    return [
        Device("realsense", d.get_info(info.serial_number), d.get_info(info.name))
        for d in rs.context().query_devices()
    ]


def _text(file: pathlib.Path) -> str:
    return file.read_text().strip() if file.exists() else ""
