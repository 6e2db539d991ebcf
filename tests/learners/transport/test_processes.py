"""Real processes: learner and actor killed or frozen at any moment, and nothing is lost or doubled."""

import contextlib
import random
import signal
import socket
import subprocess
import sys
import time

import pytest
from bench.transport_rig import QUICK, SPEC, batch, damage, wait

from sandlot.learners.schema import Stream
from sandlot.learners.store import RunReader, RunStore
from sandlot.learners.transport import StepClient, StepServer

LEARNER = """
import sys, time
from bench.transport_rig import QUICK, SPEC
from sandlot.learners.store import RunStore
from sandlot.learners.transport import StepServer
with RunStore.open(sys.argv[1], SPEC) as store, StepServer(store, sys.argv[2], options=QUICK) as server:
    print("ready", flush=True)
    while True:
        server.drain()
        time.sleep(0.002)
"""
ACTOR = """
import sys
from bench.transport_rig import QUICK, SPEC, batch
from sandlot.learners.transport import StepClient
client = StepClient(SPEC, "a", sys.argv[1], spool=sys.argv[2], options=QUICK)
print(client.run, flush=True)
for first in range(0, 1_000_000, 5):
    made = batch(first, 5)
    client.send(made.steps, made.finals)
    while client.status()["handed_over"]:  # until it is in the spool
        pass
    print(first + 5, flush=True)
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def test_the_learner_is_killed_again_and_again(tmp_path, address):
    rng, sent = random.Random(1), 0  # noqa: S311  reproducible
    with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as client:
        for _ in range(3):
            with ended(start(LEARNER, tmp_path / "run", address)) as learner:
                assert learner.stdout.readline() == "ready\n"
                goal = client.acked_steps + rng.randint(1, 400)
                while client.acked_steps < goal:
                    made = batch(sent, 5)
                    client.send(made.steps, made.finals)
                    sent += 5
                    time.sleep(0.001)
                acked = client.acked_steps
                learner.send_signal(signal.SIGKILL)
            assert RunReader(tmp_path / "run").last_seq >= acked
        with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, address, options=QUICK):
            assert client.flush(20)
        stream = Stream("a", client.run)
    assert damage(tmp_path / "run", {stream: sent}) == 0


def test_a_frozen_learner_does_not_stop_the_actor(tmp_path, address):
    with ended(start(LEARNER, tmp_path / "run", address)) as learner:
        assert learner.stdout.readline() == "ready\n"
        with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as client:
            client.wait_ready()
            learner.send_signal(signal.SIGSTOP)
            for first in range(0, 200, 5):
                made = batch(first, 5)
                client.send(made.steps, made.finals)
            assert wait(lambda: client.status()["state"] == "connecting") < 10
            assert client.acked_steps == 0
            learner.send_signal(signal.SIGCONT)
            assert client.flush(20)
            stream = Stream("a", client.run)
    assert damage(tmp_path / "run", {stream: 200}) == 0


def test_a_killed_actors_steps_are_sent_by_the_next(tmp_path, address):
    lives = {}
    for life in range(2):  # no learner yet
        with ended(start(ACTOR, address, tmp_path / "spool")) as actor:
            run = actor.stdout.readline().strip()
            for _ in range(10 * (life + 1)):
                lives[run] = int(actor.stdout.readline())
            actor.send_signal(signal.SIGKILL)
    with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, address, options=QUICK):
        with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as client:
            assert client.flush(20)
        streams = {Stream("a", run): store.next_step(Stream("a", run)) for run in lives}
        assert all(streams[Stream("a", run)] >= taken for run, taken in lives.items())
        assert damage(store.folder, streams) == 0


def test_the_actors_end_needs_no_jax():
    code = "import sys, sandlot.learners.transport; print({'jax', 'mujoco', 'cv2'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
