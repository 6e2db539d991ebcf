"""The supervisor's command lines, and what it does when a process is refused or ends."""

import dataclasses
import socket
import sys
import threading
import time

import pytest
from bench.system_rig import TASK, tiny

from sandlot.cli import parse
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.command_lines import actor_argv, free_port, learner_argv
from sandlot.learners.config import EnvConfig
from sandlot.learners.errors import BusyError, SandlotError
from sandlot.learners.prepare import STATUS_FILE, prepare
from sandlot.learners.process import Child
from sandlot.learners.progress import write_status
from sandlot.learners.train import Supervisor


@pytest.fixture
def supervisor(tmp_path):
    folder, config = prepare(tiny(run=str(tmp_path / "run"), actors=2), None)
    it = Supervisor(folder, config)
    yield it
    it.end()


def code(supervisor, name, program):
    """A stand-in program for one child: what counts here is how it ends."""
    return Child(name, [sys.executable, "-c", program], supervisor.folder / "logs" / f"{name}.log")


def test_an_actors_flags_say_all_that_its_run_does(tmp_path):
    env = EnvConfig(cameras=("wrist", "side"), randomize=True, mjcf="arm.xml")
    config = dataclasses.replace(tiny(), env=env, seed=5, pace="free", random_steps=9, keys="keys")
    config = dataclasses.replace(config, stale_policy_s=2.5, on_stale="stop")
    got = parse(ActorConfig, actor_argv(tmp_path, config, 5999, 3)[4:], prog="actor")
    assert (got.task, got.learner, got.name, got.seed) == (TASK, "127.0.0.1:5999", "actor-3", 8)
    assert (got.env, got.pace, got.random_steps, got.keys) == (env, "free", 9, "keys")
    assert (got.stale_policy_s, got.on_stale) == (2.5, "stop")
    assert got.spool == str(tmp_path / "spool" / "actor-3")


def test_the_learner_needs_only_its_run(tmp_path):
    argv = learner_argv(tmp_path / "run", tiny(), 5999)
    assert argv[4:] == [TASK, "--run", str(tmp_path / "run"), "--port", "5999"]


def test_a_free_port_is_free_and_a_strange_host_is_named():
    with socket.create_server(("127.0.0.1", free_port("127.0.0.1"))):
        pass
    with pytest.raises(BusyError, match="192.0.2.1.*another --host"):
        free_port("192.0.2.1")


def test_a_refused_learner_ends_the_run_with_its_words(supervisor):
    supervisor.learner = code(
        supervisor, "learner", "import sys; sys.stderr.write('no such key\\n'); sys.exit(2)"
    )
    supervisor.actors = []
    with pytest.raises(SandlotError, match="the learner was refused: no such key"):
        supervisor.run(threading.Event())


def test_a_refused_actor_ends_the_run_with_its_words(supervisor):
    supervisor.learner = code(supervisor, "learner", "import time; time.sleep(60)")
    supervisor.actors = [
        code(supervisor, "actor-0", "import sys; sys.exit(sys.stderr.write('other task') and 2)")
    ]
    with pytest.raises(SandlotError, match="actor-0 ended: other task"):
        supervisor.run(threading.Event())
    assert supervisor.learner.process.poll() is not None  # nothing is left running


def test_a_finished_learner_ends_the_run(supervisor):
    supervisor.learner = code(supervisor, "learner", "pass")
    supervisor.actors = [code(supervisor, "actor-0", "import time; time.sleep(60)")]
    assert supervisor.run(threading.Event()) is True
    assert supervisor.actors[0].process.poll() is not None


def test_a_stop_ends_the_run_unfinished(supervisor):
    stop = threading.Event()
    stop.set()
    assert supervisor.run(stop) is False


def test_the_status_adds_what_only_the_supervisor_sees(supervisor):
    actors = {"actor-0": {"spool_steps": 3.0, "policy_age_s": 1.5, "heard_s": 0.1}}
    write_status(supervisor.folder / STATUS_FILE, {"env_steps": 7, "actors": actors})
    supervisor.actors[0].start(time.monotonic())
    status = supervisor.status(0.0, 2.0)
    assert (status["env_steps"], status["spool_steps"], status["policy_age_s"]) == (7, 3, 1.5)
    assert status["actors"]["actor-0"]["state"] == "running"
    assert status["actors"]["actor-1"]["state"] == "down"
    assert status["alarms"] == []


def test_an_actor_that_waits_for_a_person_is_an_alarm_with_its_reason(supervisor):
    actors = {"actor-0": {"waits_for_person": 1.0, "heard_s": 0.1}}
    write_status(supervisor.folder / STATUS_FILE, {"actors": actors, "alarms": ["the disk is slow"]})
    log_file = supervisor.actors[0].log_file
    assert supervisor.status(0.0, 2.0)["alarms"][1] == f"actor-0 waits for a person: see {log_file}"
    why = "reset controller 'put_back' gave up after 3 tries and 9.1 s: state 'lifting' lasted 8.1 s"
    log_file.write_text(
        "event=waiting kind=SensorError reason='camera side is silent'\n"
        f"2026-01-01 WARNING event=waiting kind=ResetFailedError reason={why!r}\n"
        "2026-01-01 INFO event=turn ended=FAILURE next=1 begin=HERE\n"
    )
    assert supervisor.status(0.0, 2.0)["alarms"] == [
        "the disk is slow", f"actor-0 waits for a person: {why}",
    ]  # fmt: skip
