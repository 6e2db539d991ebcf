"""What keeps a calibration from being one."""

from sandlot.learners.errors import SandlotError


class CalibrationError(SandlotError, ValueError):
    """Pictures or poses from which nothing certain follows: says what is missing and how to get it."""
