import dataclasses

import pytest

from sandlot.learners.agents import AgentConfig
from sandlot.learners.config import TrainConfig, refuse_changes
from sandlot.learners.errors import ConfigError


def test_a_changed_setting_is_named_with_both_values_and_no_other_is():
    stored = TrainConfig(task="arm_pick", run="a")
    asked = dataclasses.replace(stored, seed=3, agent=AgentConfig(tau=0.1), steps=5, run="./a")
    with pytest.raises(ConfigError, match=r"\(seed: 0 != 3; agent\.tau: 0\.005 != 0\.1\)"):
        refuse_changes(stored, asked)
    refuse_changes(stored, dataclasses.replace(stored, steps=5, port=9, json=True))
