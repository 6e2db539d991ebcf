"""Settings said as NAME=VALUE words on a command line."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from sandlot.learners.errors import ConfigError

Settings = TypeVar("Settings")


def from_words(kind: type[Settings], words: Sequence[str], whose: str) -> Settings:
    """A config dataclass from words; ConfigError names the one that cannot be.

    Args:
        kind: of plain numbers and truth values, with defaults.
        words: NAME=VALUE each.
        whose: for errors: "person" of `--person`.
    """
    fields: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = dict(word.partition("=")[::2] for word in words)
    unknown = sorted(given.keys() - fields.keys())
    if unknown:
        known = ", ".join(f"{name}={value}" for name, value in fields.items())
        raise ConfigError(f"{whose}'s setting '{unknown[0]}' does not exist; there are: {known}")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--{whose} {' '.join(words)}: {error}; write NAME=VALUE") from error
