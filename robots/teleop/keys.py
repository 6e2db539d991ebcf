"""What a way to read a keyboard offers."""

from typing import Protocol


class Keys(Protocol):
    """Where key presses come from; `down` returns names of `layouts.KEYS`, DeviceError once it is gone."""

    def down(self, now_s: float) -> frozenset[str]:
        """The keys that are down."""
        ...

    def close(self) -> None:
        """Frees it."""
        ...
