"""The robots that can be brought up, a row each: everything that launch, graph and command line need to know.

What belongs to a robot is found by name: its nodes in `robots/KIND/KIND_node.py`, `robots/KIND/gate_node.py`
and, where it has a scripted person, `robots/KIND/person_node.py`; what is recorded of it in
`robots/KIND/topics.py`, and how its observations are made of that again in `robots/KIND/replayed.py`;
parameters in `config/KIND.yaml` and `config/KIND_DEVICE.yaml`.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from sandlot.learners.errors import ConfigError


class RobotKind(NamedTuple):
    """One kind of robot.

    Attributes:
        devices: what may stand behind its driver; `sim` is MuJoCo in real time.
        task: what it practises unless told otherwise.
        tasks: "module:attribute" of its tasks by name, imported when asked for.
        action: the topic that an actor's commands are counted on.
        person: whether a scripted person can take over.
        hands: whether a person's hands command it on a topic of their own (`robots/KIND/hands_node.py`), past
            the actor; else the actor does what they ask for.
        sim_gate: parameters of the gate of a simulated one.
    """

    devices: tuple[str, ...]
    task: str
    tasks: str
    action: str
    person: bool = False
    hands: bool = False
    sim_gate: tuple[tuple[str, int | float | str], ...] = ()


KINDS = {
    "arm": RobotKind(
        devices=("sim", "franka", "topics", "dynamixel"),
        task="arm_pick",
        tasks="sandlot.robots.arm.tasks:TASKS",
        action="action/pose",
        person=True,
    ),
    "car": RobotKind(
        devices=("sim", "vesc"),
        task="car_hall",
        tasks="sandlot.robots.car.topics:TASKS",
        action="drive",
        hands=True,
        sim_gate=(("deadman_button", -1),),  # nobody is run over
    ),
}
DEVICES = tuple(dict.fromkeys(device for kind in KINDS.values() for device in kind.devices))
"""Every device of every robot."""


def check(kind: str, device: str, teleop: str) -> None:
    """Raises ConfigError for a device, or a person, that this robot does not have."""
    found = KINDS[kind]
    if device not in found.devices:
        raise ConfigError(
            f"--robot {device}: robot '{kind}' has {', '.join(found.devices)}; choose one of them"
        )
    if teleop == "scripted" and not found.person:
        raise ConfigError(f"--teleop scripted: robot '{kind}' has no scripted person; leave it out")


def reverse_of(kind: str, task: str) -> str:
    """The task that undoes a robot's task; empty when there is none."""
    return str(getattr(tasks(kind).get(task), "reverse", ""))


def tasks(kind: str) -> Mapping[str, Any]:
    """A robot's tasks, by name."""
    module, _, attribute = KINDS[kind].tasks.partition(":")
    found: Mapping[str, Any] = getattr(importlib.import_module(module), attribute)
    return found


def of_task(task: str) -> str:
    """The robot that practises a task; ConfigError for one that no robot has."""
    for kind in KINDS:
        if task in tasks(kind):
            return kind
    known = ", ".join(name for kind in KINDS for name in tasks(kind))
    raise ConfigError(f"task '{task}' is none that a robot practises on topics; these are {known}")


def part(kind: str, name: str) -> Any:
    """A robot's module of this name, `robots/KIND/NAME.py`."""
    return importlib.import_module(f"{__package__}.{kind}.{name}")
