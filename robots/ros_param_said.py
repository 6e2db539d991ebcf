"""What this process's command line says of a node's parameters, each by whoever says it last.

ROS itself is not to be asked: where two parameter files, or a file and `-p`, give one parameter different
types, rcl keeps both and takes the one whose type comes first in a list of its own (true or false, whole
numbers, numbers, text), so that `directions: [1.0, -1.0]` over `directions: [1, 1]` is lost without a word.
"""

import itertools
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

EVERY = "/**"
"""The section of a parameter file that is for every node."""


def said(full_name: str, argv: Sequence[str] | None = None) -> dict[str, Any]:
    """The last word on every parameter of the node `full_name`; one that names the node goes before `/**`.

    Args:
        full_name: with namespace, `/arm/driver`.
        argv: arguments; those of this process when None.
    """
    words: dict[str, dict[str, Any]] = {EVERY: {}, full_name: {}}
    for node, name, value in _given(sys.argv[1:] if argv is None else argv, full_name):
        if node in words and isinstance(value, bool | int | float | str | list):  # a date is text to ROS
            words[node][name] = value
    return words[EVERY] | words[full_name]


def same(value: Any, word: Any) -> bool:
    """Whether a value is what a word says; YAML of Python takes `1e-3` for text, that of ROS for a number."""
    if hasattr(value, "__iter__") and isinstance(word, list):
        items = list(value)
        return len(items) == len(word) and all(map(same, items, word))
    if isinstance(value, float) and isinstance(word, str):
        try:
            return float(word) == value
        except ValueError:
            return False
    return isinstance(value, bool) == isinstance(word, bool) and bool(value == word)


def _given(argv: Sequence[str], full_name: str) -> Iterator[tuple[str, str, Any]]:
    """Node, parameter and value, in the order of the arguments."""
    ros = False
    for flag, word in itertools.pairwise([*argv, ""]):
        if flag in {"--ros-args", "--"}:
            ros = flag == "--ros-args"
        elif ros and flag == "--params-file":
            yield from _of_file(pathlib.Path(word))
        elif ros and flag in {"-p", "--param"}:
            name, _, value = word.partition(":=")
            if ":" not in name:  # NODE:NAME:=VALUE is left to ROS
                yield full_name, name, yaml.safe_load(value)


def _of_file(file: pathlib.Path) -> Iterator[tuple[str, str, Any]]:
    """What one file says; ROS has read it already, so that it exists and is YAML."""
    sections = yaml.safe_load(file.read_text())
    for node, section in sections.items() if isinstance(sections, dict) else ():
        parameters = section.get("ros__parameters") if isinstance(section, dict) else None
        for name, value in parameters.items() if isinstance(parameters, dict) else ():
            yield str(node), str(name), value
