"""One tree of exceptions: a message names the thing, the value, the rule and the way out."""


class SandlotError(Exception):
    """Anything Sandlot refuses on purpose; the command line prints it as one line and exits with 2."""


class ConfigError(SandlotError, ValueError):
    """A setting, a flag or a name that cannot be used."""


class SpecError(SandlotError, ValueError):
    """Observation or action spaces that cannot be used, or that do not match."""


class WeightsError(SandlotError, ValueError):
    """Policy weights that cannot be used: damaged, of another shape, or not finite."""


class FrameError(SandlotError, ValueError):
    """Bytes that are not a well-formed message; the peer that sent them is cut off."""


class RecordError(SandlotError, ValueError):
    """A well-formed step whose content breaks the schema: names the field, the value and the rule."""


class GapError(RecordError):
    """Steps of a stream are missing before the ones that arrived."""


class StoreError(SandlotError, OSError):
    """The run store or a checkpoint cannot be read or written."""


class DiskFullError(StoreError):
    """There is no room on the disk; nothing was lost, and writing goes on when there is."""


class SpoolFullError(SandlotError, OSError):
    """The actor's spool holds as much unacknowledged data as it may."""


class BusyError(SandlotError, RuntimeError):
    """Somebody else already holds a port, a run folder or a robot."""


class RefusedError(SandlotError, RuntimeError):
    """The learner refused this actor; the text says which field differs."""


class NotReadyError(SandlotError, RuntimeError):
    """An env that cannot go on just now, through no fault of its own: wait, and start another episode.

    Attributes:
        needs_person: whether it waits until somebody has seen to it; else it will be well again by itself.
    """

    needs_person = False
