"""HG-DAgger learns from demonstrations and corrections, and from nothing else."""

import contextlib

import numpy as np
import pytest
from bench.faults_resume import SPEC, practice
from bench.system_rig import tiny

from sandlot.learners import agents
from sandlot.learners.agents import AgentConfig, preset
from sandlot.learners.config import check_person, from_dict
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import Trainer

SMALL = AgentConfig(algo="hg_dagger", actor_hidden=(8,), batch_size=8, utd=2, offline_steps=4)
CLONER = AgentConfig(
    algo="hg_dagger", actor_hidden=(16,), batch_size=32, utd=20, offline_steps=400, actor_lr=3e-3
)
SCRIPTED = EnvConfig(teleop="scripted")


def trained(folder, agent, demos, played):
    """The trainer after all updates that these demonstrations and this practice earn."""
    with RunStore.open(folder, SPEC) as store:
        store.append([demos])
        config = tiny(agent=agent, steps=200, start_after=0, update_ratio=4.0, env=SCRIPTED)
        with contextlib.closing(Trainer(folder, config, store, pinned_seq=len(demos.steps))) as trainer:
            while trainer.offline_left > 0:
                trainer.update()
            trainer.ingest(store.append([played]))
            while trainer.due:
                trainer.update()
            return trainer


def scripted(count):
    demos = practice(1, count, Stream("script", "d"))
    demos.steps["source"] = Source.SCRIPT
    return demos


def test_its_own_steps_change_nothing_and_those_of_a_person_do(tmp_path):
    """The same practice as it was, with other actions of the policy, and with others of the person."""
    arrays = {}
    for name, source in (("as it was", None), ("policy", Source.POLICY), ("person", Source.HUMAN)):
        played = practice(2, 100, Stream("a", "r"))
        other = np.random.default_rng(5).uniform(-1, 1, played.steps["action"].shape)
        rows = played.steps["source"] == source
        played.steps["action"][rows] = other[rows]
        assert source is None or 0 < rows.sum() < 100
        trainer = trained(tmp_path / name, SMALL, scripted(40), played)
        assert trainer.updates == 400
        arrays[name] = agents.state_to_arrays(trainer.state)
    same = {
        name: all(np.array_equal(arrays[name][k], v) for k, v in arrays["as it was"].items())
        for name in ("policy", "person")
    }
    assert same == {"policy": True, "person": False}
    assert not any(k.startswith("critic.") for k in arrays["policy"])


def test_it_learns_where_it_was_corrected(tmp_path):
    """Demonstrations show what is right where q[0] > 0, a person where q[0] < 0."""

    def shown(made, low, high):
        made.steps["state"][:, 0] = np.random.default_rng(3).uniform(low, high, len(made.steps))
        made.steps["action"] = -0.6 if high <= 0 else 0.6
        return made

    errors = {}
    for source in (Source.HUMAN, Source.POLICY):
        played = shown(practice(2, 200, Stream("a", "r")), -1.0, -0.1)
        played.steps["source"] = source
        trainer = trained(tmp_path / source.name, CLONER, shown(scripted(100), 0.1, 1.0), played)
        state = np.random.default_rng(4).uniform(-1, -0.2, (50, SPEC.state_size)).astype(np.float32)
        errors[source] = np.abs(trainer.policy().act({"state": state}) + 0.6).mean()
    assert errors[Source.HUMAN] < 0.3 and errors[Source.POLICY] > 0.5, errors


def test_its_preset_clones_and_has_no_critics():
    assert preset("hg_dagger").algo in agents.CLONES
    assert not agents.init(SPEC, preset("hg_dagger"), 0).critic


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "nobody could give any: add --teleop scripted .* --agent.algo bc"),
        ({"env": SCRIPTED, "init": "x", "init_data": True}, "--init-data would have it clone another policy"),
    ],
)
def test_without_anybody_to_learn_from_it_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        check_person(tiny(agent=SMALL, **changes))
    check_person(tiny(agent=SMALL, env=SCRIPTED))


def test_without_demonstrations_it_is_refused(tmp_path):
    with RunStore.open(tmp_path, SPEC) as store:
        store.append([practice(0, 5, Stream("a", "r"))])
        config = tiny(agent=AgentConfig(**{**vars(SMALL), "offline_steps": 0}), env=SCRIPTED)
        with pytest.raises(ConfigError, match="'hg_dagger' learns from data first: give --demos"):
            Trainer(tmp_path, config, store, pinned_seq=0)


def test_an_older_run_says_by_yes_or_no_whether_somebody_takes_over():
    def teleop(value):
        return from_dict({"task": "t", "env": {"robot": "ros", "teleop": value}}, where="w").env.teleop

    assert [teleop(v) for v in (False, True, "none", "joy")] == ["none", "joy", "none", "joy"]
