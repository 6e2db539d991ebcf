"""A learner in this process, with a real client: what it knows after a restart, and what it survives."""

import threading

import pytest
from bench.faults_resume import AGENT, practice
from bench.faults_resume import SPEC as BARE
from bench.system_rig import tiny

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.errors import BusyError
from sandlot.learners.learner import Learner
from sandlot.learners.prepare import DEMOS_FOLDER, POLICY_FILE, STATUS_FILE
from sandlot.learners.progress import read_status
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunReader, RunStore
from sandlot.learners.transport import StepClient

CONFIG = {"agent": AgentConfig(**{**vars(AGENT), "algo": "sac"}), "update_ratio": 1.0, "start_after": 10}


@pytest.fixture
def folder(tmp_path):
    with RunStore.open(tmp_path / DEMOS_FOLDER, BARE) as demos:
        demos.append([practice(1, 20, Stream("demos", "d"))])
    return tmp_path


def learner(folder, **changes):
    return Learner(folder, tiny(**CONFIG, **changes), threading.Event())


def rounds(learner, condition):
    while not condition():
        learner.round()


def test_it_trains_on_what_arrives_and_leaves_everything_a_run_needs(folder):
    it = learner(folder, steps=40)
    with StepClient(BARE, "a", it.server.address, spool=None) as client:
        batch = practice(2, 40, Stream("a", client.run))
        client.send(batch.steps, batch.finals)
        it.run()
    assert it.finished and (it.trainer.env_steps, it.trainer.updates) == (40, 30)
    assert read_status(folder / STATUS_FILE)["state"] == "done"
    assert (folder / POLICY_FILE).is_file()
    assert RunReader(folder).last_seq == 60  # the demonstrations came first


def test_a_new_learner_knows_what_the_old_one_had_of_each_actor(folder):
    first = learner(folder)
    first.store.append([practice(2, 25, Stream("a", "life-1")), practice(2, 7, Stream("a", "life-2"))])
    first.close()
    second = learner(folder)
    second._tell_actors()
    assert second._told["known.life-2"] == 7.0  # or an actor that lives on would wait for ever
    assert "known.life-1" not in second._told and second._told["env_steps"] == 32.0
    assert second.trainer.pinned_seq == 20  # demonstrations are imported once
    second.close()


def test_a_second_learner_is_refused_and_the_first_not_disturbed(folder):
    it = learner(folder)
    with pytest.raises(BusyError, match="in use by process"):
        learner(folder)
    it.round()
    it.close()


def test_a_status_that_cannot_be_written_is_an_alarm_not_an_end(folder):
    it = learner(folder)
    (folder / STATUS_FILE).mkdir()
    it._write_status("learning")
    assert "status.json cannot be written" in it._alarms["status"]
    (folder / STATUS_FILE).rmdir()
    it._write_status("learning")
    assert read_status(folder / STATUS_FILE)["alarms"] == [] or "status" not in it._alarms
    it.close()


def test_weights_that_are_not_finite_stay_here(folder):
    it = learner(folder)
    good, state = it.policy, it.trainer.state
    it.trainer.state = state._replace(actor={k: v + float("nan") for k, v in state.actor.items()})
    it._publish()
    assert it.policy is good and "not finite" in it._alarms["weights"]
    it.trainer.state = state
    it._publish()
    assert it.policy.version == good.version + 1 and "weights" not in it._alarms
    it.close()


def test_one_with_a_partner_that_has_finished_stays_and_takes_its_turns(folder):
    it = learner(folder, steps=40, partner="other_back")
    with StepClient(BARE, "a", it.server.address, spool=None) as client:
        batch = practice(2, 60, Stream("a", client.run))
        client.send(batch.steps, batch.finals)
        rounds(it, lambda: it.trainer.env_steps == 60 and it.finished)
        it.round()
        assert it._told["may_take"] == it.config.max_lead_steps  # its actor does not wait for it
        it._write_status("done" if it.finished else "learning")
        status = read_status(folder / STATUS_FILE)
        assert status["state"] == "done" and status["ratio_reached"] == 1.0  # of the 40 steps that are paid
        assert it.trainer.updates == 30
        it.stop.set()
        it.run()
    assert RunReader(folder).last_seq == 80


def test_what_actors_report_of_their_time_outlives_the_learner(folder):
    it = learner(folder)
    with StepClient(BARE, "a", it.server.address, spool=None) as client:
        client.report({"use.life": 1.0, "use.stepping": 6.0, "use.person": 2.0, "steps": 3.0})
        rounds(it, lambda: "utilisation" in it._figures() or it._hear_actors())
        it._write_status("learning")
    status = read_status(folder / STATUS_FILE)
    assert status["utilisation"] == 0.75 and status["time_person_s"] == 2.0
    assert not any(name.startswith("use.") for name in status["actors"].get("a", {}))
    it.close()
    again = learner(folder)
    assert again._figures()["utilisation"] == 0.75
    again.close()
