"""Settings that suit each task, from `config/train/TASK.yaml`, or as published; flags override them.

With `--cameras`, and no `--encoder` that replaces their frames, it is `TASK_pixels.yaml`, if there is one.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from importlib import resources
from typing import Any

import yaml

from sandlot.learners.agents.presets import PRESETS
from sandlot.learners.agents.presets import preset as agent_preset
from sandlot.learners.config import TrainConfig, from_dict


def preset(argv: Sequence[str], **changes: Any) -> TrainConfig:
    """The preset of the task named first on a command line, or the defaults for any other task."""
    task = argv[0] if argv and not argv[0].startswith("-") else "arm_pick"
    folder, name = resources.files("sandlot") / "config" / "train", task.replace(":", "-")
    sees = _value_of("--cameras", argv) and not _value_of("--encoder", argv)
    file = folder / f"{name}_pixels.yaml"
    file = file if sees and file.is_file() else folder / f"{name}.yaml"
    values = yaml.safe_load(file.read_text()) if file.is_file() else {"demos": 0} if ":" in task else {}
    config = from_dict({"task": task, **values}, where=f"preset {file.name}")
    named = _value_of("--preset", argv)
    if named in PRESETS:
        agent = agent_preset(named)
        config = dataclasses.replace(config, agent=agent, update_ratio=float(agent.utd))
    if _value_of("--robot", argv) == "ros":  # it cannot wait for the learner in the middle of an episode
        config = dataclasses.replace(config, pace="realtime")
    return dataclasses.replace(config, **changes)


def _value_of(flag: str, argv: Sequence[str]) -> str:
    """What follows a flag on a command line, '' without it."""
    for word, following in itertools.pairwise([*argv, ""]):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return ""
