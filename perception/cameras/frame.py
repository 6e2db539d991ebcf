"""A picture and when it was taken."""

import enum
from typing import NamedTuple

import numpy as np


class Stamped(enum.Enum):
    """Who said when a frame was exposed."""

    DRIVER = "driver"
    """The kernel's or the camera's own clock, brought to this machine's steady clock."""
    ARRIVAL = "arrival"
    """Nobody: it is when the frame arrived here, later than the exposure by the transfer."""


class Shot(NamedTuple):
    """What a source gives: `pixels` uint8 [H, W, 3] RGB, never written to again.

    Attributes:
        pixels: the picture.
        stamp_s: `time.monotonic` of the exposure.
        stamped: who said so.
        sequence: the device's own number of the frame, -1 when it gives none; a gap is a lost frame.
    """

    pixels: np.ndarray
    stamp_s: float
    stamped: Stamped
    sequence: int = -1


class Frame(NamedTuple):
    """A shot of a camera; `number` counts the camera's frames from 1, so two frames are never mixed up."""

    pixels: np.ndarray
    stamp_s: float
    stamped: Stamped
    number: int


def optical_frame(camera: str) -> str:
    """The name of a camera's optical frame: z forward, x right, y down (REP-103: the suffix `_optical`)."""
    return f"{camera}_optical"
