"""The arm behind Sandlot's driver and gate as a LeRobot robot."""

import threading
import time
from typing import Any

import numpy as np
from lerobot.robots import Robot
from lerobot.utils.errors import DeviceAlreadyConnectedError, DeviceNotConnectedError

from sandlot.robots.arm.ros_arm import RosArm
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.recording.lerobot_format import names

from .config_sandlot_arm import SandlotArmConfig

SILENT_S = 0.02
"""A loop that has not sent its next action so long after the last one ended is on a break: the arm holds."""
OLD_S = 0.15
"""An observation older than this is taken anew."""


class SandlotArm(Robot):
    """Observes and acts as a Sandlot task does; `send_action` returns at the end of its control period."""

    config_class = SandlotArmConfig
    name = "sandlot_arm"

    def __init__(self, config: SandlotArmConfig) -> None:
        super().__init__(config)
        if config.task not in TASKS:
            raise ValueError(f"task '{config.task}' is unknown; there are: {', '.join(TASKS)}")
        self.config = config
        self._task = TASKS[config.task](privileged=not config.camera_names)
        self._state, self._action = names(self._task.state_entries()), names(self._task.action_entries())
        self._arm: RosArm | None = None
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._acted_s = self._seen_s = 0.0

    @property
    def observation_features(self) -> dict[str, Any]:
        """The task's state by name, and its cameras."""
        side = self.config.image_px
        return {**dict.fromkeys(self._state, float), **{c: (side, side, 3) for c in self.config.camera_names}}

    @property
    def action_features(self) -> dict[str, Any]:
        """The task's action by name, each in [-1, 1]."""
        return dict.fromkeys(self._action, float)

    @property
    def is_connected(self) -> bool:
        """Whether the robot's topics were found."""
        return self._arm is not None

    @property
    def is_calibrated(self) -> bool:
        """Always: the driver sees to it."""
        return True

    def connect(self, calibrate: bool = True) -> None:
        """Waits for sensors and gate; nothing moves."""
        if self._arm:
            raise DeviceAlreadyConnectedError(f"{self} is connected already")
        objects = tuple(self._task.scene(np.random.default_rng(0)).objects)
        arm = RosArm(
            self._task.limits,
            objects,
            known=("target",) if "target" in objects else (),
            cameras=self.config.camera_names,
            image_px=self.config.image_px,
            namespace=self.config.namespace,
        )
        try:
            arm.settle()
        except BaseException:
            arm.close()
            raise
        self._acted_s = self._seen_s = time.monotonic()
        self._arm = arm
        self._stop.clear()
        threading.Thread(target=self._watch, name="sandlot-pause", daemon=True).start()

    def calibrate(self) -> None:
        """Nothing to do."""

    def configure(self) -> None:
        """Nothing to do."""

    def get_observation(self) -> dict[str, Any]:
        """The state by name and the cameras' images; the newest, also while nobody acts."""
        with self._lock:
            arm = self._connected()
            if time.monotonic() - self._seen_s > OLD_S:
                arm.settle()
                self._seen_s = time.monotonic()
            state = self._task.observe(arm.observe())
            return {**dict(zip(self._state, map(float, state), strict=True)), **arm.images()}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Acts for one control period; returns the action as executed."""
        wanted = np.array([float(action[name]) for name in self._action], np.float32)
        with self._lock:
            done = self._connected().act(wanted)
            self._acted_s = self._seen_s = time.monotonic()
        return dict(zip(self._action, map(float, done), strict=True))

    def disconnect(self) -> None:
        """Holds the arm and leaves."""
        with self._lock:
            arm, self._arm = self._connected(), None
            self._stop.set()
            arm.close()

    def _connected(self) -> RosArm:
        if self._arm is None:
            raise DeviceNotConnectedError(f"{self} is not connected; call connect() first")
        return self._arm

    def _watch(self) -> None:
        """Pauses the gate while the loop does something else: it would stop the arm for good."""
        while not self._stop.wait(SILENT_S / 4):
            with self._lock:
                if self._arm and time.monotonic() - self._acted_s > SILENT_S:
                    self._arm.pause()
