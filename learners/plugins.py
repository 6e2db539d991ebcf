"""What the layers above lend to this one, by name: encoders, wrappers of an env, rewards, readers of weights.

An evaluation is how a task is judged where that is not by episodes.

`learners` imports nothing of `perception`. So `sandlot/__init__.py` says where each thing lives, and it is
imported when somebody asks for it. A user's own package does the same:
`plugins.register("encoder", "mine", "my_package.vision:make_encoder")`.
"""

import importlib
from typing import Any, Literal

from sandlot.learners.errors import ConfigError

Kind = Literal["encoder", "env", "evaluation", "reward", "weights"]

_places: dict[tuple[Kind, str], str] = {}


def register(kind: Kind, name: str, place: str) -> None:
    """Says where something lives, as "module:attribute"; the last one of a name counts."""
    _places[kind, name] = place


def names(kind: Kind) -> list[str]:
    """What there is of a kind."""
    return sorted(name for its, name in _places if its == kind)


def load(kind: Kind, name: str) -> Any:
    """Imports what has this name; raises ConfigError when there is none, or it cannot be imported."""
    if (kind, name) not in _places:
        raise ConfigError(f"{kind} '{name}' does not exist; choose one of {', '.join(names(kind))}")
    module, _, attribute = _places[kind, name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{kind} '{name}' cannot be loaded from {_places[kind, name]}: {error}") from error
