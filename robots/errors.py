"""What can go wrong with a robot, its device or its sensors."""

from sandlot.learners.errors import NotReadyError, SandlotError


class DeviceError(SandlotError, OSError):
    """A device cannot be opened, read or commanded; names the device and the way out."""


class SensorError(NotReadyError):
    """A sensor is silent, late, frozen or of the wrong shape: names it, its age and the limit."""


class RobotStoppedError(NotReadyError):
    """The gate holds the robot; the text says why and how to arm it again."""

    needs_person = True


class ResetFailedError(RobotStoppedError):
    """No reset controller could put things in order: the robot holds, and a person is called."""


class RedoError(NotReadyError):
    """A person threw the running episode away."""
