"""Tasks that a classifier alone rewards, learned from a camera for a few updates by real processes."""

import time

import numpy as np
import pytest
from bench.system_rig import Rig, drain

from sandlot.learners import envs
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.config import TrainConfig
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.schema import Flag
from sandlot.learners.store import RunReader
from sandlot.perception.classifier.collect import layout_of
from sandlot.perception.classifier.dataset import FrameStore
from sandlot.perception.classifier.practise import practise
from sandlot.perception.classifier.train import LearnConfig, train

SEEN = EnvConfig(cameras=("wrist",), image_px=32)
AGENT = AgentConfig(
    actor_hidden=(8,),
    critic_hidden=(8,),
    n_critics=1,
    n_min=1,
    batch_size=8,
    utd=2,
    latent=4,
    encoder_settings=("channels=[4, 8]",),
)


def judged(folder, task):
    """A data set of the expert's episodes, and a classifier that has learned from it for a moment."""
    env = envs.make(task, **SEEN.kwargs())
    store = FrameStore(folder / "data", layout_of(envs.env_spec(env), ("no", "yes")))
    store.add(practise(env, task, store.layout, episodes=14, seed=0, noise=0.0))
    env.close()
    made = train(store, LearnConfig(updates=10, batch=16, check_every=10, least=1))
    made.save(folder / "classifier.safetensors")
    return made


@pytest.mark.parametrize("task", ["arm_pcb", "arm_cable"])
def test_it_is_learned_from_a_camera_under_a_classifiers_word(task, tmp_path):
    classifier = judged(tmp_path, task)
    config = TrainConfig(
        task=task,
        demos=0,
        agent=AGENT,
        env=EnvConfig(**{**vars(SEEN), "classifier": str(tmp_path / "classifier.safetensors")}),
        vice=str(tmp_path) if task == "arm_cable" else "",
        start_after=10,
        update_ratio=1.0,
        checkpoint_s=0.5,
        publish_s=0.2,
    )
    with Rig(tmp_path / "run", config) as rig:
        rig.start()
        before = rig.saved_updates
        if config.vice:
            rig.kill(rig.learner)
            rig.learner.start(time.monotonic())
        rig.until(lambda: rig.updates > before + 10, "goes on, also after the learner was killed")
        status = rig.status()
    assert "alarms" in status and not status["alarms"]
    drain(tmp_path / "run")
    steps = np.concatenate([stored.steps for stored in RunReader(tmp_path / "run").read()])
    assert set(np.unique(steps["reward"])) <= {
        0.0,
        1.0,
    }  # the classifier's word, whatever the learner made of it
    assert not (steps["flags"] & Flag.ABORTED).any()
    assert steps["image.wrist"].std() > 5
    log = (tmp_path / "run" / "logs" / "actor-0.log").read_text()
    assert f"event=classifier_loaded task={task} digest={classifier.digest[:12]}" in log
    assert ("reward_loss" in status) == bool(config.vice)
    if config.vice:
        assert status["reward_loss"] > 0 and -1 <= status["reward_mean"] <= status["reward_best"] <= 0
        assert (tmp_path / "run" / "goals.safetensors").is_file()
