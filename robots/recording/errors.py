"""What can go wrong with recordings and data sets."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandlot.learners.errors import ConfigError, SandlotError


class BagError(SandlotError, ValueError):
    """A bag that cannot be read: names the file and the offset or topic."""


class DatasetError(SandlotError, ValueError):
    """A data set that cannot be read or does not fit: names the feature, the value and the rule."""


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Imports within: a missing package is one line that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{what} needs the package '{error.name}', which is not installed: pip install 'sandlot[{extra}]'"
        ) from error
