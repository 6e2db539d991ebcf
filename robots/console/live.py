"""Who looks at the page just now, and what each of them is sent: the newest, never a queue.

A viewer says which cameras it wants and acknowledges each picture; while two of a camera are on their way, a
newer one replaces the one that waits. What nobody wants is not even encoded.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from sandlot.robots.console.robot import Robot

UNDERWAY = 2
MOST_CAMERAS = 8
WORDS = frozenset({"robot", "cameras"})


class Viewer:
    """One open page."""

    def __init__(self) -> None:
        self.watched: frozenset[str] = frozenset()
        self._sent: dict[str, int] = {}  # number of a camera's picture that went last
        self._underway: dict[str, int] = {}
        self._words = True
        self.news = asyncio.Event()

    def wants(self, cameras: Iterable[str]) -> None:
        """From now on it looks at these cameras."""
        self.watched = frozenset(list(cameras)[:MOST_CAMERAS])
        self._sent = {c: n for c, n in self._sent.items() if c in self.watched}
        self._underway = {c: n for c, n in self._underway.items() if c in self.watched}
        self.news.set()

    def saw(self, camera: str) -> None:
        """A picture of a camera has been drawn."""
        if self._underway.get(camera):
            self._underway[camera] -= 1
            self.news.set()

    def hear(self, what: str) -> None:
        """There is something new: words, or a camera's picture."""
        if what in WORDS:
            self._words = True
        if what in WORDS or what in self.watched:
            self.news.set()

    def take(self, robot: Robot) -> list[bytes | str]:
        """What to send now."""
        found: list[bytes | str] = []
        if self._words:
            self._words = False
            found.append(json.dumps(words(robot)))
        for camera in self.watched & robot.pictures.keys():
            number, jpeg = robot.pictures[camera]
            if number != self._sent.get(camera) and self._underway.get(camera, 0) < UNDERWAY:
                self._sent[camera] = number
                self._underway[camera] = self._underway.get(camera, 0) + 1
                found.append(picture(camera, jpeg))
        return found


class Hall:
    """All viewers of one robot."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()

    def hear(self, what: str) -> None:
        """Tells everybody of something new."""
        for viewer in self.viewers:
            viewer.hear(what)

    def wanted(self) -> frozenset[str]:
        """Cameras that anybody looks at."""
        return frozenset().union(*(viewer.watched for viewer in self.viewers))


def words(robot: Robot) -> dict[str, Any]:
    """Everything that is known of the robot, but pictures."""
    known = {"cameras": robot.cameras, "faults": robot.faults, "problem": robot.problem, "robot": robot.name}
    return {**robot.state(), "nodes": robot.heard.get("nodes", []),
            "topics": robot.heard.get("topics", {}), **known}  # fmt: skip


def picture(camera: str, jpeg: bytes) -> bytes:
    """One length byte, the camera's name, the JPEG."""
    name = camera.encode()[:255]
    return bytes([len(name)]) + name + jpeg
