"""What can go wrong with recordings and data sets."""

from sandlot.learners.errors import SandlotError


class BagError(SandlotError, ValueError):
    """A bag that cannot be read: names the file and the offset or topic."""


class DatasetError(SandlotError, ValueError):
    """A data set that cannot be read or does not fit: names the feature, the value and the rule."""
