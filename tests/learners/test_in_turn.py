"""One actor that plays two agents in turn on one robot, without any reset in between."""

import dataclasses
import threading

import numpy as np
import pytest
from bench.system_rig import tiny
from tests.learners.shuttle import BACK, TASK

from sandlot.learners import envs
from sandlot.learners.actor import Actor
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.config import load_config
from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.ledger import Use
from sandlot.learners.pair import back_run, with_partner
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.prepare import prepare
from sandlot.learners.schema import Flag
from sandlot.learners.train import Supervisor, train

ARCH = PolicyArch(hidden=(2,))


def policy(spec, drive):
    """One that always drives one way."""
    weights = {name: np.zeros(shape, np.float32) for name, shape in ARCH.shapes(spec).items()}
    last = max(n for n in weights if n.startswith("b"))
    weights[last][0] = 9.0 * drive
    weights[last][1:] = -9.0
    return Policy(spec=spec, arch=ARCH, weights=weights, version=1)


@pytest.fixture
def actor(tmp_path):
    actor = Actor(
        ActorConfig(
            task=TASK,
            learner="127.0.0.1:9",
            back_learner="127.0.0.1:19",
            pace="free",
            spool=str(tmp_path / "spool"),
            tries=2,
        ),
        threading.Event(),
    )
    actor.sent = [[], []]
    for sent, practice, drive in zip(actor.sent, actor.practices, (1.0, -1.0), strict=True):
        practice.client.send = lambda steps, finals, sent=sent: sent.extend(steps.copy())
        practice.feed.policy = policy(practice.spec, drive)
    yield actor
    actor.close()


def rail(actor):
    return actor.practices[0].env.unwrapped.rail


def test_directions_alternate_on_one_robot_and_each_agent_gets_its_own_steps(actor):
    assert [p.spec.task for p in actor.practices] == [TASK, BACK]
    for _ in range(6):
        actor.play_episode()
    assert [goal for goal, _ in rail(actor).said] == [1.0, -1.0] * 3
    assert all(options == {"continue": True} for _, options in rail(actor).said)
    for sent in actor.sent:  # each stream counts on by itself, three trials long
        assert [int(s["step"]) for s in sent] == list(range(len(sent)))
        assert [int(s["episode"]) for s in sent if s["flags"]] == [0, 1, 2]
        assert all(s["flags"] == Flag.TERMINATED | Flag.SUCCESS | Flag.END for s in sent if s["flags"])
    assert sum(map(len, actor.sent)) == actor.pacer.taken


def test_failures_are_repeated_then_the_other_way_then_put_in_order(actor):
    actor.practices[0].feed.policy = policy(actor.practices[0].spec, -1.0)  # it drives the wrong way
    for _ in range(4):
        actor.play_episode()
    said = [(goal, next(iter(options))) for goal, options in rail(actor).said]
    # two failures; then the other direction, which has nothing to do until the controllers set it up
    assert said == [(1.0, "continue"), (1.0, "continue"), (-1.0, "continue"), (-1.0, "scripted")]
    assert len(actor.sent[0]) == 2 * 6 and actor.sent[1][-1]["flags"] & Flag.SUCCESS


def test_the_time_is_accounted_for(actor):
    actor.play_episode()
    figures = actor.ledger.figures(actor.ledger._since_s + 2.0)
    assert figures["use.resetting"] > 0 and figures["use.stepping"] > 0
    assert set(figures) >= {f"use.{use}" for use in Use}


def test_a_task_without_a_reverse_is_refused_by_name():
    env = envs.make("gymnasium:Pendulum-v1")
    assert envs.reverse(env) == ""
    with pytest.raises(ConfigError, match="Pendulum-v1' has no reverse task"):
        envs.make_reverse(env)
    env.close()


def test_the_second_run_is_made_beside_the_first_and_found_again(tmp_path):
    config = tiny(task=TASK, run=str(tmp_path / "shuttle"), steps=7, init="")
    with pytest.raises(StoreError, match="classifier file 'b' does not exist"):
        with_partner(dataclasses.replace(config, back_classifier="b"), None)
    with pytest.raises(StoreError, match="'d' holds no run"):
        with_partner(dataclasses.replace(config, back_demos_file="d"), None)
    config, reverse = with_partner(config, None)
    assert reverse == BACK and config.partner == f"{tmp_path}/shuttle_back"
    folder, config = prepare(config, None)
    back = back_run(folder, config, reverse)
    assert back.folder == tmp_path / "shuttle_back" and back.config.task == BACK
    assert back.config.partner == config.run and back.config.steps == 7
    stored = load_config(folder / "config.yaml")
    assert with_partner(stored, stored)[1] == BACK
    again = back_run(folder, config, reverse)
    assert again.folder == back.folder


def test_what_the_second_run_cannot_use_leaves_no_folder_of_the_first(tmp_path):
    config = tiny(task=TASK, run=str(tmp_path / "shuttle"))
    back = tmp_path / "shuttle_back"
    back.mkdir()
    (back / "notes").touch()
    with pytest.raises(ConfigError, match=f"reverse task '{BACK}'.*shuttle_back' is not empty"):
        train(config, None, threading.Event())
    (back / "notes").unlink()
    with pytest.raises(ConfigError, match="--back-vice learns the reward from frames"):
        train(dataclasses.replace(config, back_vice="nix"), None, threading.Event())
    assert list(tmp_path.iterdir()) == [back] and not list(back.iterdir())


def test_both_learners_and_one_actor_are_supervised(tmp_path):
    config, reverse = with_partner(tiny(task=TASK, run=str(tmp_path / "shuttle")), None)
    folder, config = prepare(config, None)
    supervisor = Supervisor(folder, config, back_run(folder, config, reverse))
    assert [c.name for c in supervisor.learners] == ["learner", "learner_back"]
    argv = supervisor.actors[0].argv
    port = supervisor.learners[1].argv[-1]
    assert argv[argv.index("--back-learner") + 1] == f"127.0.0.1:{port}"


def test_alone_if_that_is_wanted_and_only_one_actor_in_turn():
    config = tiny(task=TASK, in_turn=False)
    assert with_partner(config, None) == (config, "")
    with pytest.raises(ConfigError, match="--actors is 2.*in turn by 1 actor"):
        with_partner(tiny(task=TASK, actors=2), None)
