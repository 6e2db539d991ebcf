"""The server's side of the robot: what was heard of it last, and the operator's commands. No ROS here.

Two processes are in the ROS graph, one for words and commands and one for pictures; without ROS both refuse
to run, and the page says why.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.robots.console.children import Child, ChildError, SilentError
from sandlot.robots.console.config import ConsoleConfig
from sandlot.robots.console.pipe import Message

log = logging.getLogger(__name__)

BUTTONS = frozenset({"success", "failure", "redo", "next"})
STOP_S, CALL_S, ARM_S, PRESS_S = 1.5, 8.0, 6.0, 5.0
SILENT_S = 2.0
STARTER = "sandlot.robots.console.in_ros"


class Robot:
    """One robot, as the server knows it.

    Args:
        config: of the page.
        on_change: called with "robot", "cameras" or a camera's name when there is something new of it.

    Attributes:
        heard: the newest words of the bridge.
        cameras: image topics that there are.
        pictures: camera -> (number, JPEG) of its newest picture.
        faults: camera -> why its frames cannot be shown.
    """

    def __init__(self, config: ConsoleConfig, on_change: Callable[[str], None]) -> None:
        self.name, self._on_change = config.robot, on_change
        self.heard: Message = {}
        self.cameras: list[str] = []
        self.pictures: dict[str, tuple[int, bytes]] = {}
        self.faults: dict[str, str] = {}
        self._heard_s = 0.0
        self._numbers = 0
        words = [STARTER, "ros_bridge", config.robot]
        pictures = [STARTER, "ros_cameras", config.robot, str(config.camera_hz), str(config.camera_px)]
        self._bridge = Child("robot", words, self._hear)
        self._cameras = Child("cameras", pictures, self._see)
        self._watched: frozenset[str] = frozenset()
        self._attended = False
        self._calling: asyncio.Task[str] | None = None
        self._runs: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts its processes."""
        self._bridge.on_ready = lambda: self._bridge.tell("attend", yes=self._attended)
        self._runs = [asyncio.create_task(child.run()) for child in (self._bridge, self._cameras)]

    async def close(self) -> None:
        """Ends them."""
        for task in self._runs:
            task.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    @property
    def problem(self) -> str:
        """Why nothing is known of the robot, "" when something is."""
        if self._bridge.problem:
            return self._bridge.problem
        if time.monotonic() - self._heard_s > SILENT_S:
            return "the page's own process 'robot' is silent: what is shown of the robot is old"
        return ""

    async def stop(self) -> str:
        """Stops the robot; ChildError when nobody confirmed it. Never waits for anything else."""
        try:
            return str(await self._bridge.ask("stop", timeout_s=STOP_S))
        except SilentError as error:
            log.warning("event=stop_not_confirmed error=%r", str(error))
        if not self._bridge.problem:
            self._bridge.kill()  # frozen: it starts again
        if self._calling is None or self._calling.done():
            self._calling = asyncio.create_task(self._call_gate())
        return await asyncio.shield(self._calling)

    async def arm(self) -> str:
        """Arms its gate; ChildError says why not."""
        return str(await self._bridge.ask("arm", timeout_s=ARM_S))

    async def press(self, button: str) -> str:
        """Presses success, failure, redo or next; ChildError says why not."""
        return str(await self._bridge.ask("press", timeout_s=PRESS_S, button=button))

    def watch(self, cameras: frozenset[str], viewers: int) -> None:
        """Pictures of these cameras are wanted, and of no others; without viewers little is listened to."""
        if self._attended != bool(viewers):
            self._attended = bool(viewers)
            self._bridge.tell("attend", yes=self._attended)
        if cameras != self._watched:
            self._watched = cameras
            self.pictures = {c: p for c, p in self.pictures.items() if c in cameras}
            self._cameras.tell("watch", cameras=sorted(cameras))

    async def _call_gate(self) -> str:
        """A stop by a fresh process, one for all who press meanwhile."""
        argv = ["-m", "sandlot", "gate", "stop", "--robot", self.name, "--wait", "3"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *argv,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), CALL_S)
        except TimeoutError:
            process.kill()
            raise ChildError("no gate answered; use the hardware button") from None
        if process.returncode:
            raise ChildError(err.decode(errors="replace").strip().rpartition("\n")[2])
        return out.decode(errors="replace").strip()

    def _hear(self, message: Message) -> None:
        if message.get("event") == "robot":
            self._heard_s = time.monotonic()
            before = self.state()
            self.heard |= message
            if "topics" in message or self.state() != before:
                self._on_change("robot")

    def state(self) -> dict[str, Any]:
        """The gate's mode and cause, and whether the page holds the e-stop down."""
        return {"gate": self.heard.get("gate", {}), "pressed": self.heard.get("pressed", False)}

    def _see(self, message: Message) -> None:
        if message.get("event") == "cameras":
            self.cameras = message["cameras"]
            self._cameras.tell("watch", cameras=sorted(self._watched))  # it may be a new process
            self._on_change("cameras")
        elif message.get("event") == "camera_fault":
            if self.faults.get(message["camera"]) != message["text"]:
                self.faults[message["camera"]] = message["text"]
                self._on_change("cameras")
        elif message.get("event") == "picture":
            self._numbers += 1
            if self.faults.pop(message["camera"], None):
                self._on_change("cameras")
            self.pictures[message["camera"]] = self._numbers, message["jpeg"]
            self._on_change(message["camera"])
