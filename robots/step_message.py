"""A step as named numbers: what `actor/step` carries, so that a bag of topics can be turned into steps again.

The stamp of the message is the stamp of the step's action. The sources of an observation are named by how
much older their stamps are than that, `age_ns.TOPIC`; those of the observation after it by
`next_age_ns.TOPIC` (missing when the step was aborted). `task.NAME`, which is 1, names what was practised.
Whole ns of up to 100 days are exact in a float64.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sandlot.learners.real_time import StepNote
from sandlot.learners.schema import Flag, Source

_NUMBERS = (
    "episode",
    "step",
    "flags",
    "reward",
    "source",
    "policy_version",
    "t_obs_ns",
    "t_act_ns",
    "wall_s",
)

TASK = "task."


class View(NamedTuple):
    """What an observation was made of.

    Attributes:
        stamps_ns: header stamp by topic.
        extra: what is in no topic, by name: the command in force, objects that only the task knows.
    """

    stamps_ns: Mapping[str, int]
    extra: Mapping[str, Sequence[float]]


def to_numbers(note: StepNote, stamp_ns: int, obs: View, following: View | None) -> dict[str, float]:
    """A step as named numbers, in order."""
    numbers = {name: float(getattr(note, name)) for name in _NUMBERS}
    numbers |= {f"{TASK}{note.task}": 1.0} if note.task else {}
    numbers |= _indexed("action", note.action) | _indexed("policy_action", note.policy_action)
    for prefix, view in (("", obs), ("next_", following)):
        if view is not None:
            numbers |= {f"{prefix}age_ns.{t}": float(stamp_ns - s) for t, s in view.stamps_ns.items()}
            for name, values in view.extra.items():
                numbers |= _indexed(f"{prefix}{name}", values)
    return numbers


def from_numbers(numbers: Mapping[str, float], stamp_ns: int) -> tuple[StepNote, View, View | None]:
    """The inverse of `to_numbers`; KeyError names a number that is missing."""
    note = StepNote(
        episode=int(numbers["episode"]),
        step=int(numbers["step"]),
        flags=Flag(int(numbers["flags"])),
        reward=numbers["reward"],
        source=Source(int(numbers["source"])),
        policy_version=int(numbers["policy_version"]),
        t_obs_ns=int(numbers["t_obs_ns"]),
        t_act_ns=int(numbers["t_act_ns"]),
        wall_s=numbers["wall_s"],
        action=np.array(_gathered(numbers, "action"), np.float32),
        policy_action=np.array(_gathered(numbers, "policy_action"), np.float32),
        task=next((name.removeprefix(TASK) for name in numbers if name.startswith(TASK)), ""),
    )
    following = _view(numbers, stamp_ns, "next_")
    return note, _view(numbers, stamp_ns, ""), following if following.stamps_ns else None


def _indexed(name: str, values: Iterable[float]) -> dict[str, float]:
    return {f"{name}.{i}": float(v) for i, v in enumerate(values)}


def _gathered(numbers: Mapping[str, float], name: str) -> list[float]:
    """The values that `_indexed` spread."""
    found: list[float] = []
    while (key := f"{name}.{len(found)}") in numbers:
        found.append(numbers[key])
    return found


def _view(numbers: Mapping[str, float], stamp_ns: int, prefix: str) -> View:
    ages = f"{prefix}age_ns."
    names = {name.rpartition(".")[0] for name in numbers if name.rpartition(".")[2].isdigit()}
    extra = {
        name.removeprefix(prefix): tuple(_gathered(numbers, name))
        for name in sorted(names - {"action", "policy_action"})
        if name.startswith(prefix) and (prefix or not name.startswith("next_")) and "age_ns." not in name
    }
    return View(
        {n.removeprefix(ages): stamp_ns - int(v) for n, v in numbers.items() if n.startswith(ages)}, extra
    )
