"""The rules of the conversation, without sockets; time is an argument."""

import pytest
from bench.transport_rig import SPEC, batch

from sandlot.learners.errors import GapError, RecordError
from sandlot.learners.schema import Stream
from sandlot.learners.transport import Options
from sandlot.learners.transport.sessions import Identity, Refusal, Sessions
from sandlot.learners.wire import Cursor, Hello

STREAM = Stream("a", "r1")


@pytest.fixture
def committed():
    return {}


@pytest.fixture
def sessions(committed):
    options = Options(lease_s=1.0, max_actors=2, window_bytes=10_000)
    return Sessions(Identity(SPEC, {}, "run", 1), options, lambda stream: committed.get(stream, 0))


def hello(actor="a", run="r1", number=1, streams=()):
    return Hello(number, actor, run, SPEC, {}, streams)


def test_a_welcome_tells_the_committed_cursors(sessions, committed):
    committed[STREAM] = 7
    welcome = sessions.hello(b"1", hello(streams=(STREAM,)), 0.0)
    assert (welcome.learner_run, welcome.generation, welcome.window_bytes) == ("run", 1, 10_000)
    assert welcome.cursors == (Cursor(STREAM, 7),)


def test_the_same_run_may_reconnect_at_once(sessions):
    sessions.hello(b"1", hello(), 0.0)
    sessions.hello(b"2", hello(number=2), 0.1)
    assert [s.peer for s in sessions.all()] == [b"2"]
    with pytest.raises(Refusal, match="say hello first"):
        sessions.session(b"1", 1, 0.2)


def test_a_hello_that_was_overtaken_is_refused(sessions):
    sessions.hello(b"1", hello(number=5), 0.0)
    with pytest.raises(Refusal, match="arrived after 5") as caught:
        sessions.hello(b"1", hello(number=4), 0.1)
    assert caught.value.code == "late"


def test_another_run_gets_the_name_only_after_the_lease(sessions):
    sessions.hello(b"1", hello(), 0.0)
    sessions.session(b"1", 1, 5.0)
    with pytest.raises(Refusal, match="actor 'a' is already connected; give this one another name"):
        sessions.hello(b"2", hello(run="r2"), 5.9)
    sessions.hello(b"2", hello(run="r2"), 6.1)
    assert [s.run for s in sessions.all()] == ["r2"]


def test_no_more_than_max_actors_but_gone_ones_make_room(sessions):
    sessions.hello(b"1", hello("a"), 0.0)
    sessions.hello(b"2", hello("b"), 0.5)
    with pytest.raises(Refusal, match="2 actors are connected"):
        sessions.hello(b"3", hello("c"), 0.6)
    sessions.hello(b"3", hello("c"), 1.2)
    assert sorted(s.actor for s in sessions.all()) == ["b", "c"]


def test_messages_of_an_older_hello_are_ignored(sessions):
    sessions.hello(b"1", hello(number=2), 0.0)
    assert sessions.session(b"1", 1, 0.1) is None
    assert sessions.session(b"1", 2, 0.1).actor == "a"


def test_steps_are_admitted_once_and_without_gaps(sessions, committed):
    sessions.hello(b"1", hello(), 0.0)
    session = sessions.session(b"1", 1, 0.0)
    assert sessions.admit(session, batch(0, 5, STREAM), 0)
    assert not sessions.admit(session, batch(0, 5, STREAM), 0)
    assert sessions.admit(session, batch(3, 5, STREAM), 0)  # three of them are new
    with pytest.raises(GapError, match="got step 9, but 8 is next"):
        sessions.admit(session, batch(9, 5, STREAM), 0)
    assert not sessions.admit(session, batch(8, 5, STREAM), 0)  # stale until the next hello
    committed[STREAM] = 8
    sessions.hello(b"1", hello(number=2), 0.1)
    assert sessions.admit(sessions.session(b"1", 2, 0.1), batch(8, 5, STREAM), 0)


def test_an_actor_may_not_send_for_another_nor_beyond_its_window(sessions):
    sessions.hello(b"1", hello(), 0.0)
    session = sessions.session(b"1", 1, 0.0)
    with pytest.raises(RecordError, match="'stream.actor'.*'b'"):
        sessions.admit(session, batch(0, 5, Stream("b", "r")), 0)
    with pytest.raises(RecordError, match="10001 bytes are unacknowledged; keep to the window of 10000"):
        sessions.admit(session, batch(0, 5, STREAM), 10_001)
    assert sessions.admit(
        session, batch(0, 5, STREAM), 10_000
    )  # the refused batch does not count as received
    assert not sessions.admit(session, batch(0, 5, STREAM), 10_001)  # nor is a repeated one refused
