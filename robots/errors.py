"""What can go wrong with a robot, its device or its sensors."""

from sandlot.learners.errors import NotReadyError, SandlotError
from sandlot.learners.real_time import ResetNote


class DeviceError(SandlotError, OSError):
    """A device cannot be opened, read or commanded; names the device and the way out."""


class SensorError(NotReadyError):
    """A sensor is silent, late, frozen or of the wrong shape: names it, its age and the limit."""


class RobotStoppedError(NotReadyError):
    """The gate holds the robot; the text says why and how to arm it again."""

    needs_person = True


class ResetFailedError(RobotStoppedError):
    """A reset controller gave up: the robot holds, and a person is called.

    Attributes:
        resets: what the controllers did before.
    """

    resets: tuple[ResetNote, ...] = ()


class RedoError(NotReadyError):
    """A person threw the running episode away."""
