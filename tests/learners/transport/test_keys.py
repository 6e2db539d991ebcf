"""CURVE keys: who may connect, and what their files must be like."""

import os
import shutil
import stat

import pytest
from bench.transport_rig import QUICK, SPEC, batch, wait

from sandlot.learners.errors import BusyError, ConfigError, RefusedError
from sandlot.learners.transport import StepClient, StepServer, make_keys
from sandlot.learners.transport.keys import read_secret
from sandlot.learners.transport.memory import MemoryStore

LOOPBACK = "tcp://127.0.0.1:0"


def test_keys_are_made_once_and_secret(tmp_path):
    made = make_keys(tmp_path, ("a", "b"))
    names = {p.relative_to(tmp_path).as_posix() for p in made}
    assert names == {f"{n}.secret" for n in ("a", "b", "learner")} | {
        "actors/a.public", "actors/b.public", "learner.public"}  # fmt: skip
    for path in tmp_path.glob("*.secret"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_keys(tmp_path, ("a", "b")) == []
    assert len(make_keys(tmp_path, ("c",))) == 2
    public, _ = read_secret(tmp_path / "a.secret")
    assert (tmp_path / "actors" / "a.public").read_bytes().strip() == public


def test_a_key_others_may_read_is_refused(tmp_path):
    make_keys(tmp_path)
    os.chmod(tmp_path / "learner.secret", 0o640)
    with pytest.raises(ConfigError, match=r"mode 0640: others may read it; run `chmod 600"):
        StepServer(MemoryStore(SPEC), LOOPBACK, keys=tmp_path)


def test_missing_and_broken_keys_name_the_way_out(tmp_path):
    with pytest.raises(ConfigError, match="learner.secret.*make keys with `sandlot keys`"):
        StepServer(MemoryStore(SPEC), LOOPBACK, keys=tmp_path)
    (tmp_path / "learner.secret").write_text("short")
    with pytest.raises(ConfigError, match="holds 5 characters, a key has 40"):
        StepServer(MemoryStore(SPEC), LOOPBACK, keys=tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "learner", "x" * 65])
def test_bad_key_names_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="key name"):
        make_keys(tmp_path, (name,))


def test_a_public_address_works_with_keys(tmp_path):
    make_keys(tmp_path, ("a",))
    with StepServer(MemoryStore(SPEC), "tcp://0.0.0.0:*", keys=tmp_path, options=QUICK) as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        with StepClient(SPEC, "a", address, spool=None, keys=tmp_path, options=QUICK) as client:
            made = batch(0, 10)
            client.send(made.steps, made.finals)
            assert client.flush()


def test_a_key_is_good_for_its_own_actor_only(tmp_path):
    make_keys(tmp_path, ("a", "actor"))
    shutil.copy(tmp_path / "a.secret", tmp_path / "b.secret")  # b has taken the key of a
    with StepServer(MemoryStore(SPEC), LOOPBACK, keys=tmp_path, options=QUICK) as server:
        settings = {"spool": None, "keys": tmp_path, "options": QUICK}
        with StepClient(SPEC, "b", server.address, **settings) as client:
            with pytest.raises(RefusedError, match="'actor' is 'b', but the key is that of 'a': make one"):
                client.wait_ready()
        for name in ("a", "c"):  # c has none, and uses the one that is shared
            with StepClient(SPEC, name, server.address, **settings) as client:
                client.wait_ready()


def test_a_revoked_key_cannot_come_back_and_a_new_one_needs_no_restart(tmp_path):
    make_keys(tmp_path, ("a",))
    with StepServer(MemoryStore(SPEC), LOOPBACK, keys=tmp_path, options=QUICK) as server:
        with StepClient(SPEC, "a", server.address, spool=None, keys=tmp_path, options=QUICK) as client:
            client.wait_ready()
        (tmp_path / "actors" / "a.public").unlink()
        with StepClient(SPEC, "a", server.address, spool=None, keys=tmp_path, options=QUICK) as client:
            assert wait(lambda: server.status()["keys_refused"] > 0) < 10
            with pytest.raises(BusyError, match="no learner answered"):
                client.wait_ready(0.3)
        make_keys(tmp_path, ("b",))
        with StepClient(SPEC, "b", server.address, spool=None, keys=tmp_path, options=QUICK) as client:
            client.wait_ready()
