"""What every hand-held device offers, and how one that is unplugged comes back."""

import logging
from typing import Protocol

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.mapping import Hands, merge

log = logging.getLogger(__name__)

RETRY_S = 0.5


class Reader(Protocol):
    """One device. `now_s` is `time.monotonic`; nothing here waits."""

    name: str

    def open(self) -> None:
        """Finds and opens it; DeviceError says what is missing and what to do."""
        ...

    def read(self, now_s: float) -> Hands:
        """What the hands do now; DeviceError once it is gone."""
        ...

    def close(self) -> None:
        """Frees it; may be called twice."""
        ...


class Source:
    """One or more devices in one person's hands; while one of them is gone there is no person.

    Raises:
        DeviceError: from `open`, when a device is not there to begin with.
    """

    def __init__(self, readers: list[Reader]) -> None:
        self._readers = readers
        self._lost: dict[str, float] = {}  # name of a device that is gone -> when to look for it again

    def open(self) -> None:
        """Opens all."""
        for reader in self._readers:
            reader.open()
            log.info("event=joystick_opened device=%s", reader.name)

    def read(self, now_s: float) -> Hands | None:
        """What the person does now; None while a device is unplugged."""
        hands = [self._read(reader, now_s) for reader in self._readers]
        return None if None in hands else merge(h for h in hands if h is not None)

    def close(self) -> None:
        """Frees all."""
        for reader in self._readers:
            reader.close()

    def _read(self, reader: Reader, now_s: float) -> Hands | None:
        if now_s < self._lost.get(reader.name, now_s):
            return None
        try:
            if reader.name in self._lost:
                reader.open()
                log.info("event=joystick_back device=%s", reader.name)
                del self._lost[reader.name]
            return reader.read(now_s)
        except DeviceError as error:
            if reader.name not in self._lost:
                log.error("event=joystick_lost device=%s error=%r", reader.name, str(error))
                reader.close()
            self._lost[reader.name] = now_s + RETRY_S
            return None
