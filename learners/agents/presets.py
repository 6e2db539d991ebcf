"""Agents as published, by name."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.errors import ConfigError


def rlpd(**changes: Any) -> AgentConfig:
    """RLPD as published for locomotion: ten separate LayerNorm critics, minimum over two drawn ones."""
    return AgentConfig(**changes)


def serl(**changes: Any) -> AgentConfig:
    """SERL's RLPD with every deviation it ships switched on."""
    quirks: dict[str, Any] = {
        "activation": "tanh",
        "actor_layer_norm": True,
        "gamma": 0.96,
        "init_temperature": 0.01,
        "entropy_backup": False,
        "log_std_min": math.log(1e-5),
        "log_std_max": math.log(5.0),
        "lr_warmup_steps": 2000,
        "subset_with_replacement": True,
        "shared_q_head": True,
        "zero_grad_actor_steps": True,
        "temperature_on_next_obs": True,
        "actor_on_whole_batch": True,
        "unmasked_entropy_backup": True,
    }
    return AgentConfig(**{**quirks, **changes})


def sac(**changes: Any) -> AgentConfig:
    """Plain SAC: two critics without LayerNorm, one step of each per environment step, no demonstrations."""
    plain: dict[str, Any] = {
        "algo": "sac",
        "n_critics": 2,
        "critic_layer_norm": False,
        "utd": 1,
        "demo_fraction": 0.0,
        "actor_reduce": "min",
    }
    return AgentConfig(**{**plain, **changes})


def bc(**changes: Any) -> AgentConfig:
    """Behaviour cloning of the demonstrations."""
    return AgentConfig(**{"algo": "bc", "demo_fraction": 1.0, **changes})


def hg_dagger(**changes: Any) -> AgentConfig:
    """HG-DAgger: a clone of the demonstrations that plays, and goes on cloning what a person corrects."""
    clone: dict[str, Any] = {"algo": "hg_dagger", "demo_fraction": 1.0, "offline_steps": 5_000, "utd": 4}
    return AgentConfig(**{**clone, **changes})


def wsrl(**changes: Any) -> AgentConfig:
    """WSRL: Cal-QL on offline data, a warm-up of the pretrained policy, then SAC at a high update ratio."""
    warm: dict[str, Any] = {
        "algo": "wsrl",
        "utd": 4,
        "actor_lr": 1e-4,
        "temp_lr": 1e-4,
        "entropy_per_action": -1.0,
        "entropy_backup": False,
        "actor_reduce": "min",
        "actor_layer_norm": True,
        "actor_on_whole_batch": True,
    }
    return AgentConfig(**{**warm, **changes})


PRESETS: dict[str, Callable[..., AgentConfig]] = {
    "rlpd": rlpd,
    "serl": serl,
    "sac": sac,
    "bc": bc,
    "wsrl": wsrl,
    "hg_dagger": hg_dagger,
}


def preset(name: str, **changes: Any) -> AgentConfig:
    """The preset of that name with some settings changed; raises ConfigError for an unknown one."""
    if name not in PRESETS:
        raise ConfigError(f"agent preset '{name}' is unknown: choose one of {', '.join(PRESETS)}")
    unknown = sorted(changes.keys() - {field.name for field in dataclasses.fields(AgentConfig)})
    if unknown:
        raise ConfigError(
            f"agent setting '{unknown[0]}' is unknown: the settings are listed in agents/config.py"
        )
    return PRESETS[name](**changes)
