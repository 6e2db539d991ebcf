"""Streaming an actor's steps to the Rerun viewer (`--rerun`), through the optional package `rerun-sdk`.

The control loop only puts a step into a short queue; a thread of its own does the rest. When the viewer does
not keep up, steps are left out of the picture and counted, and the loop never waits.
"""

import contextlib
import importlib
import logging
import os
import queue
import threading
import time
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry, EnvSpec

log = logging.getLogger(__name__)

TARGET_VARIABLE = "SANDLOT_RERUN"
INSTALL = "pip install 'rerun-sdk>=0.28'"
QUEUE_STEPS = 32


class Shown(NamedTuple):
    """One step for the viewer: the next observation, the action [A], the reward, and when."""

    number: int
    wall_s: float
    obs: dict[str, Any]
    action: np.ndarray
    reward: float


class RerunLog:
    """Shows steps until it is closed.

    Where to: a running viewer's address (`rerun+http://HOST:9876/proxy`), a file to record to (`*.rrd`), or,
    with neither, a viewer that is started here. The environment variable SANDLOT_RERUN says it when `target`
    does not.
    """

    def __init__(self, task: str, spec: EnvSpec | None = None, *, target: str = "") -> None:
        """Connects.

        Args:
            task: shown as the recording's name.
            spec: names the entries of state and action; without it they are numbered.
            target: viewer address or file; see the class.

        Raises:
            ConfigError: rerun-sdk is not installed, or there is no display to start a viewer on.
        """
        try:
            self._rerun = importlib.import_module("rerun")
        except ImportError as err:
            raise ConfigError(
                f"--rerun needs the package rerun-sdk, which is not installed: {INSTALL}"
            ) from err
        self._spec = spec
        self._stream = self._rerun.RecordingStream(f"sandlot {task}")
        self._open(target or os.environ.get(TARGET_VARIABLE, ""))
        self._queue: queue.Queue[Shown | None] = queue.Queue(QUEUE_STEPS)
        self._number = self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="rerun", daemon=True)
        self._thread.start()

    def log_step(self, obs: dict[str, Any], action: np.ndarray, reward: float) -> None:
        """Hands over one step without waiting; the arrays must not be written to afterwards."""
        self._number += 1
        try:
            self._queue.put_nowait(Shown(self._number, time.time(), obs, action, reward))
        except queue.Full:
            self.dropped += 1

    def log_recorded(self, wall_s: float, obs: dict[str, Any], action: np.ndarray, reward: float) -> None:
        """Hands over a step of the past; waits where `log_step` would leave it out."""
        self._number += 1
        self._queue.put(Shown(self._number, wall_s, obs, action, reward))

    def close(self) -> None:
        """Shows what is queued and ends the thread."""
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.1)
                self._thread.join()
        self._stream.flush()
        self._stream.disconnect()
        log.info("event=rerun_closed steps=%d dropped=%d", self._number, self.dropped)

    def _open(self, target: str) -> None:
        if target.endswith(".rrd"):
            self._stream.save(target)
        elif target:
            self._stream.connect_grpc(target)
        elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            self._stream.spawn()
        else:
            raise ConfigError(
                f"--rerun: there is no display to start the viewer on; set {TARGET_VARIABLE}=steps.rrd to "
                f"record to a file, or {TARGET_VARIABLE}=rerun+http://HOST:9876/proxy for a viewer elsewhere"
            )

    def _run(self) -> None:
        while (shown := self._queue.get()) is not None:
            self._show(shown)

    def _show(self, shown: Shown) -> None:
        self._stream.set_time("step", sequence=shown.number)
        self._stream.set_time("time", timestamp=shown.wall_s)
        self._scalars("observation.state", shown.obs["state"], self._spec.state if self._spec else ())
        self._scalars("action", shown.action, self._spec.action if self._spec else ())
        self._stream.log("next.reward", self._rerun.Scalars([shown.reward]))
        for name, image in shown.obs["images"].items():
            picture = image[..., 0] if image.shape[-1] == 1 else image
            self._stream.log(f"observation.images.{name}", self._rerun.Image(picture))

    def _scalars(self, path: str, values: np.ndarray, entries: tuple[Entry, ...]) -> None:
        """One plot per named entry."""
        start = 0
        for entry in entries or (Entry("", len(values)),):
            place = f"{path}/{entry.name}" if entry.name else path
            self._stream.log(place, self._rerun.Scalars(values[start : start + entry.size]))
            start += entry.size
