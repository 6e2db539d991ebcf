"""`UpConfig` as launch arguments: names, defaults, choices and descriptions; and back from their texts."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import docstring_parser

from sandlot.learners.errors import ConfigError
from sandlot.robots.graph_config import UpConfig

BOOLS = {"true": True, "false": False}


class Argument(NamedTuple):
    """One launch argument; `choices` is empty when any text may be given, `default` None when one must."""

    name: str
    default: str | None
    choices: tuple[str, ...]
    description: str


def arguments() -> tuple[Argument, ...]:
    """Every argument of a graph."""
    told = {p.arg_name: " ".join((p.description or "").split()) for p in _documented()}
    hints = _hints()
    return tuple(
        Argument(field.name, _default(field), _choices(hints[field.name]), told[field.name])
        for field in dataclasses.fields(UpConfig)
    )


def from_texts(texts: Mapping[str, str]) -> UpConfig:
    """The config that launch arguments ask for; ConfigError names the argument, the text and the choices."""
    hints = _hints()
    values: dict[str, Any] = {name: _value(name, text, hints[name]) for name, text in texts.items()}
    return UpConfig(**values)


def _documented() -> list[docstring_parser.DocstringParam]:
    return docstring_parser.parse(UpConfig.__doc__ or "").params


def _hints() -> dict[str, Any]:
    return typing.get_type_hints(UpConfig)


def _default(field: "dataclasses.Field[Any]") -> str | None:
    if field.default is dataclasses.MISSING:
        return None
    if isinstance(field.default, tuple):
        return " ".join(field.default)
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def _choices(hint: Any) -> tuple[str, ...]:
    if hint is bool:
        return tuple(BOOLS)
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _value(name: str, text: str, hint: Any) -> Any:
    choices = _choices(hint)
    if choices and text not in choices:
        raise ConfigError(f"launch argument {name}:={text}; it must be one of {', '.join(choices)}")
    if hint is bool:
        return BOOLS[text]
    if hint is int:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"launch argument {name}:={text}; it must be a whole number") from None
    return tuple(text.split()) if typing.get_origin(hint) is tuple else text
