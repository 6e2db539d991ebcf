"""One camera, whatever its source: a thread reads it, and the newest frame is there for whoever looks."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.perception.cameras import sources
from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.errors import CameraError, SilentError
from sandlot.perception.cameras.frame import Frame
from sandlot.perception.cameras.newest import Counts, Newest, retry_s
from sandlot.perception.cameras.sources import Source

log = logging.getLogger(__name__)

END_WITHIN_S = 12.0
"""A read of V4L2 that waits for a frame which never comes gives up after 10 s."""


class Camera:
    """An open camera; close it, or use it in a `with`.

    Its thread opens the device, and opens it again, ever less often, whenever it is lost. Nothing of that
    raises in your thread before you ask for a frame.

    Args:
        config: which camera, with which settings.
        source: where frames come from; made from the config when None.
        on_frame: called with every frame in the camera's own thread; what it raises ends the camera.
    """

    def __init__(
        self,
        config: CameraConfig,
        source: Source | None = None,
        on_frame: Callable[[Frame], None] | None = None,
    ) -> None:
        self.config = config
        self._source = sources.make(config) if source is None else source
        self._on_frame = on_frame
        self._newest = Newest(config.latency_s)
        self._came = threading.Condition()
        self._stop = threading.Event()
        self._cause = "it is being opened"
        self._failure: Exception | None = None
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"camera {config.name}", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        return self._newest.counts

    def newest(self, now_s: float) -> Frame:
        """The newest frame; CameraError when there is none, or it is older than the config's `limit_s`."""
        frame = self._newest.take()
        problem = self.problem(now_s)
        if problem or frame is None:
            raise self._error(problem)
        return frame

    def after(self, number: int, within_s: float) -> Frame:
        """The newest frame with a larger number than this, waiting for one; 0 waits for the first.

        A frame is given out once for as long as you pass the number of the last one: never twice as new.
        """
        with self._came:
            self._came.wait_for(lambda: self._number() > number or self._failure is not None, within_s)
        frame = self._newest.take()
        if frame is None or frame.number <= number:
            raise self._error(self.problem(time.monotonic()) or f"no new frame within {within_s:g} s")
        return frame

    def problem(self, now_s: float) -> str:
        """Why there is no usable frame now; "" when there is one."""
        if self._failure is not None:
            return str(self._failure)
        frame, limit_s = self._newest.frame, self.config.limit_s
        if frame is None:
            return f"no frame came for {now_s - self._began_s:.2f} s; {self._cause or 'it is silent'}"
        if now_s - frame.stamp_s > limit_s:
            return (
                f"its newest frame is {now_s - frame.stamp_s:.2f} s old, the limit is {limit_s:g} s; "
                f"{self._cause or 'it is silent'}"
            )
        return ""

    def check(self) -> None:
        """Raises what ended the camera for good, if anything did: a setting that it cannot have."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends the thread and frees the device; may be called twice."""
        self._stop.set()
        self._thread.join(END_WITHIN_S)

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _error(self, problem: str) -> SandlotError:
        if isinstance(self._failure, ConfigError):
            return self._failure
        return CameraError(f"{self.config.label}: {problem}; check its cable and power")

    def _number(self) -> int:
        return 0 if self._newest.frame is None else self._newest.frame.number

    def _run(self) -> None:
        failures, silent = 0, False
        while not self._stop.is_set():
            before = self.counts.frames
            try:
                if not silent:
                    self._source.open()
                self._newest.restart()
                self._cause = ""
                self._read()
            except CameraError as error:
                silent = isinstance(error, SilentError)
                failures = 1 if self.counts.frames > before else failures + 1
                self.counts.failures += 1
                self._cause = str(error)
                log.warning(
                    "event=camera_lost camera=%s device=%r failures=%d again_s=%.1f cause=%r",
                    self.config.name, self.config.device, failures, retry_s(failures), str(error),
                )  # fmt: skip
            except Exception as error:  # told to whoever asks for a frame: it will not get better
                self._fail(error)
            if not silent:
                self._source.close()
            self._stop.wait(retry_s(failures) if failures else 0.0)
        self._source.close()

    def _read(self) -> None:
        """Until it is closed or the device is lost."""
        back = self.counts.failures > 0
        while not self._stop.is_set():
            shot = self._source.read()
            with self._came:
                new = self._newest.offer(shot, time.monotonic())
                self._came.notify_all()
            if new and back:
                log.info("event=camera_back camera=%s device=%r", self.config.name, self.config.device)
                back = False
            if new and self._on_frame is not None and self._newest.frame is not None:
                self._on_frame(self._newest.frame)

    def _fail(self, error: Exception) -> None:
        log.error("event=camera_failed camera=%s cause=%r", self.config.name, repr(error))
        self._failure = error
        self._stop.set()
        with self._came:
            self._came.notify_all()
