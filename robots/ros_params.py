"""Node parameters from a frozen config dataclass: declared once, checked by the dataclass itself.

    cfg = ros_params.declare(node, DriverConfig)

Every field becomes a read-only parameter of the same name and default; a field without a default must be
given. What cannot be used raises ConfigError on one line: node, parameter, value, rule.
"""

import dataclasses
import difflib
import types
import typing
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_param_said

T = TypeVar("T")

OF_RCLPY = {"use_sim_time", "start_type_description_service"}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def declare(node: Node, config_type: type[T]) -> T:
    """Declares every field of a config dataclass as a parameter and returns the filled config.

    Call it once for each of a node's config classes (they may share fields), then `refuse_unknown`.
    """
    hints = typing.get_type_hints(config_type)
    words = ros_param_said.said(node.get_fully_qualified_name())
    values = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        default = _default(field)
        values[field.name] = _declared(node, field.name, hints[field.name], default, words)
    try:
        return config_type(**values)
    except ConfigError as error:
        raise ConfigError(f"{node.get_fully_qualified_name()}: {error}") from error


def refuse_unknown(node: Node) -> None:
    """Refuses parameters that were given but not declared: a typing error must not pass unnoticed."""
    for name in node._parameter_overrides:  # what was given is not in rclpy's public interface
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            known = sorted(n for n in node._parameters if n not in OF_RCLPY)
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
            raise ConfigError(f"{node.get_fully_qualified_name()}: unknown parameter '{name}'; {hint}")


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _declared(node: Node, name: str, hint: Any, default: Any, words: dict[str, Any]) -> Any:
    """Declares one parameter; its value as the field's type."""
    missing = default is dataclasses.MISSING
    descriptor = ParameterDescriptor(name=name, read_only=True, dynamic_typing=True)
    shown = None if missing else list(default) if isinstance(default, tuple) else default
    given = node._parameter_overrides.get(name)
    if given is not None and given.value is None:  # `[]` on the command line has no type
        node._parameter_overrides.pop(name)
        given, shown = None, []
        default = () if _is_tuple(hint) else default
    if not node.has_parameter(name):
        node.declare_parameter(name, shown, descriptor)
    if given is not None:
        return _converted(node, name, hint, _last_word(given.value, words.get(name)))
    if missing:
        raise ConfigError(
            f"{node.get_fully_qualified_name()}: parameter '{name}' is missing; give it in the parameter "
            f"file or with -p {name}:=VALUE ({_rule(hint)})"
        )
    return default


def _last_word(value: Any, word: Any) -> Any:
    """What was said last of a parameter, where ROS took another type that was said before."""
    return value if word is None or ros_param_said.same(value, word) else word


def _is_tuple(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple


def _converted(node: Node, name: str, hint: Any, value: Any) -> Any:
    """A given value as the field's type; ConfigError when it is none."""
    if _is_tuple(hint) and not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        item = typing.get_args(hint)[0]
        if all(_fits(item, v) for v in value):
            return tuple(float(v) if item is float else v for v in value)
    elif not _is_tuple(hint) and _fits(hint, value):
        return float(value) if hint is float else value
    shown = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value
    raise ConfigError(
        f"{node.get_fully_qualified_name()}: parameter '{name}' is {shown!r}: it must be {_rule(hint)}"
    )


def _fits(hint: Any, value: Any) -> bool:
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def _rule(hint: Any) -> str:
    """A field's type in words."""
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(str(v) for v in typing.get_args(hint))
    if _is_tuple(hint):
        return f"a list, each {_rule(typing.get_args(hint)[0])}"
    if isinstance(hint, types.UnionType):
        raise TypeError(f"{hint}: a parameter has one type")
    return WORDS[hint]
