"""Client and server over real sockets: delivery, weights, figures, refusals."""

import contextlib
import shutil
import threading
import time

import numpy as np
import pytest
from bench.transport_rig import QUICK, SPEC, TcpProxy, batch, damage, wait

from sandlot.learners.errors import (
    BusyError,
    ConfigError,
    DiskFullError,
    GapError,
    RecordError,
    RefusedError,
    SandlotError,
    SpoolFullError,
)
from sandlot.learners.schema import Stream
from sandlot.learners.spool import Spool
from sandlot.learners.store import RunStore
from sandlot.learners.transport import Options, StepClient, StepServer
from sandlot.learners.transport.memory import MemoryStore

LOOPBACK = "tcp://127.0.0.1:0"


@pytest.fixture
def store(tmp_path):
    with RunStore.open(tmp_path / "run", SPEC) as made:
        yield made


@pytest.fixture
def server(store):
    with StepServer(store, LOOPBACK, config={"n_step": "1"}, architecture="mlp", options=QUICK) as made:
        yield made


@pytest.fixture
def connect(server, tmp_path):
    with contextlib.ExitStack() as stack:

        def make(name="a", **changes):
            settings = {"spool": tmp_path / f"spool_{name}", "config": {"n_step": "1"}, "options": QUICK}
            return stack.enter_context(StepClient(SPEC, name, server.address, **(settings | changes)))

        yield make


def send(client, first, count, **stream):
    made = batch(first, count)
    client.send(made.steps, made.finals, **stream)


def test_steps_are_committed_in_order_and_handed_to_the_learner(server, store, connect):
    client = connect()
    for first in range(0, 100, 10):
        send(client, first, 10)
    assert client.flush()
    stream = Stream("a", client.run)
    drained = server.drain()
    assert [s.last_seq for s in drained][-1] == 100
    assert b"".join(s.steps.tobytes() for s in drained) == batch(0, 100).steps.tobytes()
    assert server.drain() == []
    assert damage(store.folder, {stream: 100}) == 0
    assert client.acked_steps == 100


def test_streams_of_many_envs_and_agents_are_kept_apart(store, connect):
    client = connect()
    for first in range(0, 30, 10):
        for env in range(3):
            for agent in range(2):
                send(client, first, 10, env=env, agent=agent)
    assert client.flush()
    assert damage(store.folder, {Stream("a", client.run, e, g): 30 for e in range(3) for g in range(2)}) == 0


def test_many_actors_at_once(store, connect):
    clients = [connect(f"actor{i}") for i in range(4)]
    threads = [
        threading.Thread(target=lambda c=c: [send(c, first, 5) for first in range(0, 200, 5)])
        for c in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(client.flush() for client in clients)
    assert damage(store.folder, {Stream(c.actor, c.run): 200 for c in clients}) == 0


def test_an_actor_may_start_before_its_learner(tmp_path):
    with StepServer(MemoryStore(SPEC), LOOPBACK) as server:
        address = server.address
    with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as client:
        send(client, 0, 10)
        with pytest.raises(BusyError, match=f"no learner answered at {address}"):
            client.wait_ready(0.2)
        with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, address):
            assert client.flush()
            assert store.last_seq == 10


def test_a_restarted_learner_gets_what_it_lacks(tmp_path):
    store = RunStore.open(tmp_path / "run", SPEC)
    server = StepServer(store, LOOPBACK, options=QUICK)
    with StepClient(SPEC, "a", server.address, spool=tmp_path / "spool", options=QUICK) as client:
        for life in range(3):
            send(client, 20 * life, 10)
            assert client.flush()
            server.close()
            store.close()
            send(client, 20 * life + 10, 10)
            store = RunStore.open(tmp_path / "run", SPEC)
            server = StepServer(store, server.address, options=QUICK)
            assert client.flush()
            assert server.generation == life + 2
        stream = Stream("a", client.run)
    server.close()
    store.close()
    assert damage(tmp_path / "run", {stream: 60}) == 0


def test_leftovers_of_an_earlier_actor_keep_their_run(tmp_path):
    with StepServer(MemoryStore(SPEC), LOOPBACK) as nobody:
        address = nobody.address
    with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as first:
        send(first, 0, 30)
    with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, address, options=QUICK):
        with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as second:
            send(second, 0, 20)
            assert second.flush()
        assert [s.stream.run for s in store.read()] == [first.run, second.run]
        assert damage(store.folder, {Stream("a", first.run): 30, Stream("a", second.run): 20}) == 0
    assert list((tmp_path / "spool").glob("*.spool")) == []


def test_leftovers_are_not_given_to_another_run(tmp_path):
    with RunStore.open(tmp_path / "one", SPEC) as store, StepServer(store, LOOPBACK, options=QUICK) as server:
        address, run_id = server.address, store.run_id
        client = StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK)
        client.wait_ready()
    send(client, 0, 10)
    client.close()
    with RunStore.open(tmp_path / "two", SPEC) as store, StepServer(store, address, options=QUICK):
        with StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK) as client:
            with pytest.raises(
                RefusedError, match=f"holds 10 steps for run {run_id}.*delete the spool folder"
            ):
                client.wait_ready()
        assert store.last_seq == 0


def test_a_run_folder_that_was_put_back_is_noticed(tmp_path):
    with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, LOOPBACK, options=QUICK) as server:
        address = server.address
        client = StepClient(SPEC, "a", address, spool=tmp_path / "spool", options=QUICK)
        send(client, 0, 10)
        assert client.flush()
    shutil.copytree(tmp_path / "run", tmp_path / "old")
    with RunStore.open(tmp_path / "run", SPEC) as store, StepServer(store, address, options=QUICK):
        send(client, 10, 10)
        assert client.flush()
    send(client, 20, 10)
    with RunStore.open(tmp_path / "old", SPEC) as store, StepServer(store, address, options=QUICK):
        with pytest.raises(RefusedError, match="lacks steps 10 to 19 of .*its run folder was replaced"):
            client.flush()
        assert store.last_seq == 10
    client.close()


def test_a_slow_link_is_waited_for(store, server, tmp_path):
    proxy = TcpProxy(server.address)
    with StepClient(
        SPEC, "a", proxy.address, spool=tmp_path / "spool", config={"n_step": "1"}, options=QUICK
    ) as client:
        client.wait_ready()
        proxy.bytes_per_s = 300_000  # the batch takes about a second, three times the timeout
        send(client, 0, 320)
        assert client.flush(20)
        assert damage(store.folder, {Stream("a", client.run): 320}) == 0
        server.publish_weights(bytes(300_000), version=0, step=0)
        assert wait(lambda: client.latest_weights() is not None, 20) < 20
    proxy.close()


def test_send_takes_the_array_over(connect):
    client, made = connect(), batch(0, 10)
    client.send(made.steps, made.finals)
    with pytest.raises(ValueError, match="read-only"):
        made.steps["reward"] = 1
    whole = batch(10, 20).steps
    client.send(whole[:5], made.finals[:0])
    whole["reward"] = 1e9  # a part of a larger array was copied
    assert client.flush()


def test_send_refuses_what_breaks_the_schema_or_the_order(connect):
    client = connect()
    bad = batch(0, 3)
    bad.steps["action"][2] = np.nan
    with pytest.raises(RecordError, match="field 'action' of step 2"):
        client.send(bad.steps, bad.finals)
    send(client, 0, 3)
    with pytest.raises(GapError, match="got step 5, but 3 is next"):
        send(client, 5, 3)
    send(client, 3, 3)
    assert client.flush()


def test_a_full_spool_is_refused_aloud_and_nothing_is_lost(store, server, tmp_path):
    options = Options(heartbeat_s=0.05, peer_timeout_s=0.3, lease_s=0.3, spool_bytes=20_000)
    with StepServer(MemoryStore(SPEC), LOOPBACK) as nobody:
        address = nobody.address
    with StepClient(SPEC, "b", address, spool=tmp_path / "spool", options=options) as client:
        sent = 0
        with pytest.raises(SpoolFullError, match="no learner answers. Nothing was dropped"):
            while True:
                send(client, sent, 5)
                sent += 5
        assert client.refused_batches == 1
        with StepServer(store, address, options=QUICK):
            assert client.flush()
            send(client, sent, 5)  # the refused batch, offered again
            assert client.flush()
        assert damage(store.folder, {Stream("b", client.run): sent + 5}) == 0


def test_a_batch_that_was_sent_before_the_disk_failed_is_stored_once(store, connect, monkeypatch):
    client = connect(options=Options(peer_timeout_s=60.0))  # no new hello helps it out
    send(client, 0, 5)
    assert client.flush()
    hellos = client.status()["hellos"]  # a busy machine may need a second one to begin with
    write, failures = Spool.append, [DiskFullError("no room")] * 2

    def append(spool, made):
        if failures:
            raise failures.pop()
        return write(spool, made)

    monkeypatch.setattr(Spool, "append", append)
    send(client, 5, 5)
    assert wait(lambda: store.last_seq == 10) < 10  # the learner has it, the actor's disk does not
    assert client.acked_steps == 5
    assert client.status()["alarm"] == "no room"
    send(client, 10, 5)
    assert client.flush()
    assert client.acked_steps == 15
    assert client.status()["hellos"] == hellos
    assert damage(store.folder, {Stream("a", client.run): 15}) == 0


def test_weights_latest_wins_and_come_on_connect(server, connect):
    for version in range(200):
        server.publish_weights(f"w{version}".encode(), version=version, step=version * 10)
    seen = []
    client = connect(architecture="mlp", check_weights=lambda policy: seen.append(policy.version))
    assert wait(lambda: client.latest_weights() is not None) < 10
    assert seen == [199]  # the first that is seen is the last that was sent
    for version in range(200, 400):
        server.publish_weights(f"w{version}".encode(), version=version, step=0)
    assert wait(lambda: client.latest_weights().version == 399) < 10
    assert seen == sorted(set(seen))
    policy = client.latest_weights()
    assert (bytes(policy.payload), policy.generation) == (b"w399", 1)


def test_a_busy_actor_gets_only_the_newest_weights(server, connect):
    gate, seen = threading.Event(), []

    def check(policy):
        seen.append(policy.version)
        gate.wait(5)

    client = connect(check_weights=check)
    server.publish_weights(b"w0", version=0, step=0)
    assert wait(lambda: seen == [0]) < 10
    for version in range(1, 50):
        server.publish_weights(b"w", version=version, step=0)
    gate.set()
    assert wait(lambda: client.latest_weights() is not None and client.latest_weights().version == 49) < 10
    assert seen == [0, 49]


def test_weights_must_count_upwards(server):
    server.publish_weights(b"w", version=3, step=0)
    for version in (3, 2):
        with pytest.raises(ConfigError, match=f"weights version {version} is not newer than 3"):
            server.publish_weights(b"w", version=version, step=0)


def test_weights_that_fail_the_check_or_the_architecture_are_refused(server, connect):
    def check(policy):
        if bytes(policy.payload) == b"bad":
            raise ValueError("not finite")

    picky, other = connect(check_weights=check), connect("b", architecture="cnn")
    server.publish_weights(b"good", version=1, step=0)
    assert wait(lambda: picky.latest_weights() is not None) < 10
    server.publish_weights(b"bad", version=2, step=0)
    assert wait(lambda: picky.status()["weights_refused"] == 1) < 10
    assert picky.latest_weights().version == 1
    assert other.latest_weights() is None
    assert wait(lambda: other.status()["weights_refused"] >= 1) < 10
    server.publish_weights(b"good", version=3, step=0)
    assert wait(lambda: picky.latest_weights().version == 3) < 10


def test_figures_travel_both_ways(server, connect):
    client = connect()
    client.wait_ready()
    server.set_info({"trained": 5.0})
    assert wait(lambda: client.info == {"trained": 5.0}) < 10
    server.set_info({"pace": 2.0})
    assert wait(lambda: client.info == {"trained": 5.0, "pace": 2.0}) < 10
    client.report({"jitter_ms": 0.5})
    assert wait(lambda: server.status()["actors"]["a"].get("jitter_ms") == 0.5) < 10


def test_undrained_steps_are_held_back(store, tmp_path):
    options = Options(
        heartbeat_s=0.05, peer_timeout_s=0.3, lease_s=0.3, undrained_bytes=10_000, group_bytes=1
    )
    with StepServer(store, LOOPBACK, options=options) as server:
        with StepClient(SPEC, "a", server.address, spool=tmp_path / "spool", options=QUICK) as client:
            for first in range(0, 100, 10):
                send(client, first, 10)
            assert wait(lambda: "wait for the training loop" in client.status()["alarm"]) < 10
            assert client.acked_steps < 100
            taken = []
            while len(taken) < 10:
                taken += server.drain()
            assert client.flush()
            assert [int(s.steps["step"][0]) for s in taken] == list(range(0, 100, 10))


def test_a_dead_thread_fails_the_learner_aloud(tmp_path):
    class Broken(MemoryStore):
        def append(self, batches):
            raise RuntimeError("a bug")

    with StepServer(Broken(SPEC), LOOPBACK, options=QUICK) as server:
        with StepClient(SPEC, "a", server.address, spool=tmp_path / "spool", options=QUICK) as client:
            send(client, 0, 5)
            with pytest.raises(SandlotError, match="the step server stopped: RuntimeError"):
                while True:
                    server.drain()
                    time.sleep(0.005)


def test_addresses_that_cannot_be_used(server):
    with pytest.raises(BusyError, match=f"cannot listen on '{server.address}'.*--port"):
        StepServer(MemoryStore(SPEC), server.address)
    with pytest.raises(ConfigError, match="can be reached by others: make keys"):
        StepServer(MemoryStore(SPEC), "tcp://0.0.0.0:5567")
    with pytest.raises(ConfigError, match="can be reached by others"):
        StepClient(SPEC, "a", "tcp://192.168.1.7:5567", spool=None)
    with pytest.raises(ConfigError, match="is not of the form tcp://HOST:PORT"):
        StepServer(MemoryStore(SPEC), "ipc://x")


@pytest.mark.parametrize("config", [{}, {"n_step": "3"}, {"n_step": "1", "extra": "x"}])
def test_a_config_that_differs_is_refused_naming_the_field(connect, config):
    name = "extra" if "extra" in config else "n_step"
    with pytest.raises(RefusedError, match=f"field 'config.{name}: .* != .*actor and learner differ"):
        connect(config=config).wait_ready()


def test_after_a_refusal_send_says_so(connect):
    client = connect(config={})
    assert wait(lambda: client.status()["state"] == "refused") < 10
    with pytest.raises(RefusedError, match=r"config\.n_step"):
        send(client, 0, 5)


def test_names_and_figures_that_cannot_be_sent_are_refused_at_once(connect, server, tmp_path):
    for name in ("", "a/b", "x" * 65):
        with pytest.raises(ConfigError, match=f"actor '{name}' with config .* cannot be sent"):
            StepClient(SPEC, name, server.address, spool=tmp_path / "none")
    with pytest.raises(ConfigError, match="figures cannot be sent"):
        connect().report({f"figure{i}": 1.0 for i in range(300)})
    with pytest.raises(ConfigError, match="figures cannot be sent"):
        server.set_info({"x" * 100: 1.0})


def test_a_batch_over_the_limits_is_refused_at_once(connect):
    client = connect(options=Options(max_batch_steps=10))
    with pytest.raises(RecordError, match="a batch of 11 steps .* 'max_batch_steps' = 10 .*send it in parts"):
        send(client, 0, 11)
    send(client, 0, 10)
    assert client.flush()


def test_options_must_make_sense():
    with pytest.raises(ConfigError, match="option 'window_bytes' is 0"):
        Options(window_bytes=0)
    with pytest.raises(ConfigError, match="'heartbeat_s'"):
        Options(heartbeat_s=1.0)
