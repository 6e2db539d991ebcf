import json
import threading

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.prefetch import Draws, Prefetch
from sandlot.learners.replay import Replay
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, Stream, obs_dtype, step_dtype

SPEC = EnvSpec("t", (Entry("x", 1),), {"cam": (4, 4, 3)}, (Entry("a", 1),), 10, 100)
CAPACITY = 300


def batches(seed, count):
    """Batches of two interleaved streams, with ends, aborts and interventions here and there."""
    rng = np.random.default_rng(seed)
    first, tag = [0, 0], 0
    for i in range(count):
        which, n = i % 2, int(rng.integers(1, 9))
        steps = np.zeros(n, step_dtype(SPEC))
        steps["step"] = first[which] + np.arange(n)
        steps["state"][:, 0] = tag + np.arange(n)
        steps["image.cam"] = rng.integers(0, 256, (n, 4, 4, 3))
        steps["reward"], steps["discount"] = rng.normal(size=n), 1
        steps["source"] = rng.choice([Source.POLICY, Source.HUMAN], n, p=[0.8, 0.2])
        steps["flags"] = rng.choice(
            [0, Flag.END | Flag.TRUNCATED, Flag.END | Flag.ABORTED], n, p=[0.8, 0.15, 0.05]
        )
        ended = steps[steps["flags"] != 0]
        finals = np.zeros(len(ended), obs_dtype(SPEC))
        finals["step"], finals["state"] = ended["step"], ended["state"] + 0.5
        first[which], tag = first[which] + n, tag + n
        yield Stream("ab"[which], "run"), steps, finals


def flat(batch):
    """All bytes of a batch."""
    arrays = [batch.action, batch.reward, batch.discount, batch.mc_return]
    for obs in (batch.obs, batch.next_obs):
        arrays += [obs["state"], obs["images"]["cam"]]
    return b"".join(a.tobytes() for a in arrays)


def filled(count=40, **kw):
    replay = Replay(SPEC, CAPACITY, **kw)
    for item in batches(0, count):
        replay.insert(*item)
    return replay


def test_it_yields_what_sampling_by_hand_yields():
    replay, rng = filled(), np.random.default_rng(5)
    expected = [flat(replay.sample_mixed((3, 8), 0.5, rng)) for _ in range(4)]
    with Prefetch(replay, Draws(3, 8), np.random.default_rng(5)) as prefetch:
        got = [prefetch.next() for _ in range(4)]
    assert [flat(b) for b in got] == expected
    assert got[0].obs["images"]["cam"].shape == (3, 8, 4, 4, 3)


def test_a_batch_is_drawn_from_what_was_there_when_the_one_before_was_handed_out():
    for _ in range(20):
        replay = filled()
        with Prefetch(replay, Draws(2, 8), np.random.default_rng(1)) as prefetch:
            prefetch.next()
            cursor = replay.cursor
            for item in list(batches(0, 60))[40:]:
                replay.insert(*item)  # at once, while the thread draws
            assert prefetch.state()["cursor"] == cursor < replay.cursor
            second = flat(prefetch.next())
        rng, again = np.random.default_rng(1), filled()
        again.sample_mixed((2, 8), 0.5, rng)
        assert second == flat(again.sample_mixed((2, 8), 0.5, rng))


@pytest.mark.parametrize("stop_at", [0, 1, 17, 30])
def test_a_resumed_run_draws_the_same_batches_bit_for_bit(stop_at):
    """2N rounds at a stretch, against N, a checkpoint (JSON), a new process's objects, and N more."""
    arrivals, draws, rounds = list(batches(3, 200)), Draws(2, 16, 0.5), 60

    def play(replay, prefetch, start, stop):
        out = []
        for k in range(start, stop):
            out.append(flat(prefetch.next()))
            for item in arrivals[20 + 3 * k : 23 + 3 * k]:
                replay.insert(*item)
        return out

    def begin():
        replay = Replay(SPEC, CAPACITY, n=3)
        for item in arrivals[:20]:
            replay.insert(*item)
        return replay

    whole = begin()
    with Prefetch(whole, draws, np.random.default_rng(9)) as prefetch:
        expected = play(whole, prefetch, 0, rounds)

    before = begin()
    with Prefetch(before, draws, np.random.default_rng(9)) as prefetch:
        first = play(before, prefetch, 0, stop_at)
        state = json.loads(json.dumps(prefetch.state()))

    resumed = Replay(SPEC, CAPACITY, n=3)
    stored, left = arrivals[: 20 + 3 * stop_at], []
    for stream, steps, finals in stored:  # one by one: the run store does not know the old batches
        for i in range(len(steps)):
            final = finals[finals["step"] == steps["step"][i]]
            left.append((stream, steps[i : i + 1], final))
    for item in left[: state["cursor"]]:
        resumed.insert(*item)
    with Prefetch(resumed, draws, np.random.default_rng(0)) as prefetch:
        prefetch.restore(state)
        for item in left[state["cursor"] :]:
            resumed.insert(*item)
        assert resumed.cursor == before.cursor
        rest = play(resumed, prefetch, stop_at, rounds)
    assert first + rest == expected


def test_a_checkpoint_before_the_first_draw_does_not_draw_early():
    arrivals = list(batches(0, 40))
    one, two = filled(10), filled(10)
    with Prefetch(one, Draws(1, 8), np.random.default_rng(2)) as prefetch:
        state = json.loads(json.dumps(prefetch.state()))
        for item in arrivals[10:]:
            one.insert(*item)
        expected = flat(prefetch.next())
    with Prefetch(two, Draws(1, 8), np.random.default_rng(0)) as prefetch:
        prefetch.restore(state)
        for item in arrivals[10:]:
            two.insert(*item)
        assert flat(prefetch.next()) == expected


def test_restoring_at_another_cursor_is_refused():
    replay = filled()
    with Prefetch(replay, Draws(1, 4), np.random.default_rng(0)) as prefetch:
        state = prefetch.state() | {"cursor": replay.cursor + 1}
        with pytest.raises(ConfigError, match="insert exactly the steps up to the checkpoint's cursor"):
            prefetch.restore(state)


def test_an_error_in_the_thread_reaches_the_caller_and_the_next_try_repeats_the_draw():
    replay = Replay(SPEC, CAPACITY)
    with Prefetch(replay, Draws(2, 8), np.random.default_rng(5)) as prefetch:
        for _ in range(2):
            with pytest.raises(SandlotError, match="none of 0 rows can be sampled yet"):
                prefetch.next()
        for item in batches(0, 40):
            replay.insert(*item)
        got = flat(prefetch.next())
    assert got == flat(filled().sample_mixed((2, 8), 0.5, np.random.default_rng(5)))


def test_inserting_and_drawing_at_once_never_yields_a_torn_step():
    """State, reward and image of every step carry one number; a row written while being read mixes two."""
    replay, stop = Replay(SPEC, 64), threading.Event()

    def insert():
        tag = 0
        while not stop.is_set():
            n = 5
            steps = np.zeros(n, step_dtype(SPEC))
            steps["step"] = tags = tag + np.arange(n)
            steps["state"][:, 0] = steps["reward"] = tags % 251
            steps["image.cam"] = (tags % 251)[:, None, None, None]
            replay.insert(Stream("a", "r"), steps, np.zeros(0, obs_dtype(SPEC)))
            tag += n

    thread = threading.Thread(target=insert)
    thread.start()
    try:
        while replay.valid == 0:
            assert thread.is_alive()
        with Prefetch(replay, Draws(2, 32, 0.0), np.random.default_rng(0)) as prefetch:
            for _ in range(300):
                batch = prefetch.next()
                tags = batch.obs["state"][..., 0]
                assert np.array_equal(batch.reward, tags)
                assert np.array_equal(batch.obs["images"]["cam"].min(axis=(2, 3, 4)), tags)
                assert np.array_equal(batch.obs["images"]["cam"].max(axis=(2, 3, 4)), tags)
                assert np.array_equal(batch.next_obs["state"][..., 0], (tags + 1) % 251)
    finally:
        stop.set()
        thread.join()


def test_draws_that_cannot_be_made_are_refused():
    with pytest.raises(ConfigError, match="demo_fraction in"):
        Prefetch(Replay(SPEC, 8), Draws(1, 4, 1.5), np.random.default_rng(0))
