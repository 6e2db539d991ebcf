"""What the learner's benchmark is measured on: one spec, one config, one batch; numpy only."""

import numpy as np

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.schema import Entry, EnvSpec

SPEC = EnvSpec("bench", (Entry("state", 32),), {}, (Entry("action", 7),), 10.0, 100)
CFG = AgentConfig()  # RLPD: batch 256, 10 critics of 256x256, update ratio 20
SMALL = AgentConfig(n_critics=4, critic_hidden=(128, 128), actor_hidden=(128, 128), batch_size=128)


def batch(cfg: AgentConfig) -> dict[str, np.ndarray]:
    """Random minibatches [U, B, ..] by field."""
    rng = np.random.default_rng(0)
    lead = (cfg.utd, cfg.batch_size)
    return {
        "obs": rng.standard_normal((*lead, SPEC.state_size), np.float32),
        "next_obs": rng.standard_normal((*lead, SPEC.state_size), np.float32),
        "action": np.tanh(rng.standard_normal((*lead, SPEC.action_size), np.float32)),
        "reward": rng.standard_normal(lead, np.float32),
        "discount": np.ones(lead, np.float32),
    }


BATCH = batch(CFG)
