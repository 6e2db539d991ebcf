"""What can go wrong with a camera."""

from sandlot.learners.errors import NotReadyError


class CameraError(NotReadyError):
    """A camera gives no usable frame: names it, its device, and how old its newest frame is."""


class SilentError(CameraError):
    """Nothing came, but what it would come from needs no opening again: a topic."""
