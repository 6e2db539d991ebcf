import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError, RecordError, SandlotError
from sandlot.learners.replay import NO_RETURN, Replay, row_bytes
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, Stream, check_steps, obs_dtype, step_dtype

SPEC = EnvSpec("t", (Entry("x", 2),), {"cam": (2, 3, 3)}, (Entry("a", 1),), 10, 100)
A, B = Stream("a", "run"), Stream("b", "run")
END = {
    "terminated": Flag.TERMINATED | Flag.END,
    "truncated": Flag.TRUNCATED | Flag.END,
    "aborted": Flag.ABORTED | Flag.END,
    "cut": Flag.END,
    "open": Flag(0),
}


def rng(seed=0):
    return np.random.default_rng(seed)


def frame(tag):
    return np.full((2, 3, 3), tag % 251, np.uint8)


def segment(tags, end="terminated", *, first=0, number=0, source=Source.POLICY, reward=None):
    """Steps that observe (tag, tag) one after the other; the final observes the last tag + 0.5."""
    steps = np.zeros(len(tags), step_dtype(SPEC))
    steps["step"] = first + np.arange(len(tags))
    steps["episode"] = steps["segment"] = number
    steps["state"] = np.array(tags)[:, None]
    steps["image.cam"] = np.stack([frame(t) for t in tags])
    steps["reward"] = np.array(tags) if reward is None else reward
    steps["discount"] = 1
    steps["source"] = source
    steps["flags"][-1] = END[end]
    finals = np.zeros(int(end != "open"), obs_dtype(SPEC))
    if len(finals):
        finals["step"], finals["state"], finals["image.cam"] = (
            steps["step"][-1],
            tags[-1] + 0.5,
            frame(tags[-1] + 100),
        )
        steps["discount"][-1] = end != "terminated"
    check_steps(steps, finals, SPEC)
    return steps, finals


def pairs(replay, draws=400, n=None):
    """Every (tag, next tag) that sampling yields; with the images checked against the tags."""
    batch = replay.sample(draws, rng()) if n is None else n
    tags, following = batch.obs["state"][:, 0], batch.next_obs["state"][:, 0]
    for side, tag in ((batch.obs, tags), (batch.next_obs, following)):
        shown = side["images"]["cam"][:, 0, 0, 0]
        assert np.array_equal(shown, np.where(tag % 1 == 0, tag % 251, (tag + 99.5) % 251))
    return set(zip(tags.tolist(), following.tolist(), strict=True))


def test_each_step_is_paired_with_its_successor_and_the_last_with_the_final():
    replay = Replay(SPEC, 20)
    replay.insert(A, *segment([1, 2, 3]))
    assert pairs(replay) == {(1, 2), (2, 3), (3, 3.5)}
    assert (replay.valid, replay.size, replay.cursor) == (3, 4, 3)
    batch = replay.sample(50, rng())
    assert np.array_equal(batch.discount, (batch.obs["state"][:, 0] != 3).astype(np.float32))
    assert np.array_equal(batch.reward, batch.obs["state"][:, 0])
    assert batch.obs["images"]["cam"].dtype == np.uint8 and batch.action.shape == (50, 1)


def test_interventions_in_many_segments_are_never_paired_across_them():
    """14 human steps in 4 segments: HIL-SERL's buffer pairs 3 of them with another segment's image."""
    replay = Replay(SPEC, 100)
    tags = np.arange(1, 31)
    human = np.isin(tags, [3, 4, 5, 9, 10, 11, 12, 17, 18, 22, 23, 24, 25, 26])
    steps, finals = segment(tags.tolist(), "truncated")
    steps["source"][human] = Source.HUMAN
    replay.insert(A, steps, finals)
    assert (human.sum(), replay.valid_demo, replay.valid) == (14, 14, 30)
    demos = replay.sample_mixed((500,), 1.0, rng())
    assert pairs(replay, n=demos) == {(float(t), float(t + 1)) for t in tags[human]}


def test_a_step_waits_for_its_successor_in_a_later_batch():
    replay = Replay(SPEC, 20)
    replay.insert(A, *segment([1, 2], "open"))
    assert pairs(replay) == {(1, 2)}
    replay.insert(B, *segment([7], "open"))
    replay.insert(A, *segment([3], "terminated", first=2))
    replay.insert(B, *segment([8], "open", first=1))
    assert pairs(replay) == {(1, 2), (2, 3), (3, 3.5), (7, 8)}


@pytest.mark.parametrize("change", ["step", "episode", "segment"])
def test_a_gap_or_a_new_segment_without_an_end_is_not_bridged(change):
    replay = Replay(SPEC, 20)
    replay.insert(A, *segment([1, 2], "open"))
    steps, finals = segment([3, 4], "open", first=2)
    steps[change] += 1
    replay.insert(A, steps, finals)
    assert pairs(replay) == {(1, 2), (3, 4)}


def test_an_aborted_step_is_never_sampled_but_the_one_before_it_is():
    replay = Replay(SPEC, 20, n=3)
    replay.insert(A, *segment([1, 2, 3], "aborted"))
    assert pairs(replay) == {(1, 3), (2, 3)}  # and the reward of step 3 is in neither return
    batch = replay.sample(50, rng())
    assert set(batch.reward.tolist()) == {np.float32(1 + 0.99 * 2).item(), 2.0}


def test_a_batch_that_comes_again_is_refused():
    replay = Replay(SPEC, 20)
    replay.insert(A, *segment([1, 2], "open"))
    with pytest.raises(RecordError, match="step 1 came after 1; steps of a stream must ascend"):
        replay.insert(A, *segment([2], "open", first=1))
    with pytest.raises(RecordError, match="1 steps ended but 0 finals came"):
        replay.insert(A, segment([3], "cut", first=2)[0], np.zeros(0, obs_dtype(SPEC)))


def test_n_step_returns_by_hand():
    replay = Replay(SPEC, 20, gamma=0.5, n=3)
    steps, finals = segment([1, 2, 3, 4], "terminated")
    steps["discount"][1] = 0.5
    replay.insert(A, steps, finals)
    replay.insert(B, *segment([10, 20], "truncated"))
    batch = replay.sample(200, rng())
    got = {
        int(s): (r, d, nxt)
        for s, r, d, nxt in zip(
            batch.obs["state"][:, 0].tolist(), batch.reward.tolist(), batch.discount.tolist(),
            batch.next_obs["state"][:, 0].tolist(), strict=True,
        )
    }  # fmt: skip
    assert got == {
        1: (1 + 0.5 * 2 + 0.25 * 0.5 * 3, 0.25 * 0.5, 4),
        2: (2 + 0.5 * 0.5 * 3 + 0.25 * 0.5 * 4, 0, 4.5),
        3: (3 + 0.5 * 4, 0, 4.5),
        4: (4, 0, 4.5),
        10: (10 + 0.5 * 20, 0.5, 20.5),
        20: (20, 1, 20.5),
    }


def test_the_return_to_the_end_is_known_when_the_episode_is_over():
    replay = Replay(SPEC, 40, gamma=0.5)
    replay.insert(A, *segment([4, 8], "open"))
    assert set(replay.sample(50, rng()).mc_return.tolist()) == {NO_RETURN}
    replay.insert(A, *segment([16], "truncated", first=2))
    replay.insert(A, *segment([32], "cut", first=3, number=1))
    batch = replay.sample(100, rng())
    got = dict(zip(batch.obs["state"][:, 0].tolist(), batch.mc_return.tolist(), strict=True))
    assert got == {4: 4 + 4 + 4, 8: 8 + 8, 16: 16, 32: -np.inf}


def test_pinned_steps_outlive_the_ring_and_are_demonstrations():
    replay = Replay(SPEC, 16)
    replay.insert(A, *segment([1, 2, 3], source=Source.SCRIPT))
    replay.insert(A, *segment([4], "open", first=3, number=1))
    replay.pin()
    for i in range(20):
        replay.insert(A, *segment([100 + i], "open", first=4 + i, number=1))
    assert pairs(replay, n=replay.sample_mixed((200,), 1.0, rng())) == {(1, 2), (2, 3), (3, 3.5)}
    online = pairs(replay, n=replay.sample_mixed((200,), 0.0, rng()))
    assert online == {(float(100 + i), float(101 + i)) for i in range(9, 19)}
    assert (replay.valid_demo, replay.valid_online, replay.size) == (3, 10, 16)


def test_half_of_every_minibatch_is_demonstrated_and_interventions_are_in_both_halves():
    replay = Replay(SPEC, 64)
    replay.insert(A, *segment([1, 2, 3], source=Source.SCRIPT))
    replay.pin()
    replay.insert(B, *segment([51, 52, 53, 54]))
    replay.insert(B, *segment([61], "terminated", first=4, number=1, source=Source.HUMAN))
    tags = replay.sample_mixed((50, 8), 0.5, rng()).obs["state"][..., 0]
    assert tags.shape == (50, 8)
    assert set(tags[:, :4].ravel().tolist()) == {1, 2, 3, 61}
    assert set(tags[:, 4:].ravel().tolist()) == {51, 52, 53, 54, 61}


def test_without_demonstrations_or_without_online_data_the_other_side_fills_in():
    replay = Replay(SPEC, 32)
    with pytest.raises(SandlotError, match="none of 0 rows can be sampled yet"):
        replay.sample_mixed((4,), 0.5, rng())
    replay.insert(A, *segment([1, 2]))
    assert set(replay.sample_mixed((40,), 0.5, rng()).obs["state"][:, 0].tolist()) == {1, 2}
    replay.pin()
    assert set(replay.sample_mixed((40,), 0.0, rng()).obs["state"][:, 0].tolist()) == {1, 2}
    replay.insert(A, *segment([3], "open", first=2))
    assert set(replay.sample_mixed((40,), 0.5, rng()).obs["state"][:, 0].tolist()) == {1, 2}


def test_drawing_is_uniform_even_where_few_rows_are_valid():
    replay = Replay(SPEC, 4000)
    replay.insert(A, *segment([1, 2], "terminated"))
    for i in range(1500):  # ended by a fault at once: two rows each that are never sampled
        replay.insert(A, *segment([9], "aborted", first=2 + i, number=1 + i))
    replay.insert(A, *segment([3], "terminated", first=1502, number=1501))
    tags = replay.sample(6000, rng()).obs["state"][:, 0]
    counts = [int((tags == t).sum()) for t in (1, 2, 3)]
    assert sum(counts) == 6000
    assert all(abs(c - 2000) < 5 * np.sqrt(6000 * 2 / 9) for c in counts)


def test_capacity_that_cannot_be_used_is_refused():
    with pytest.raises(ConfigError, match="use capacity >= 4"):
        Replay(SPEC, 3)
    replay = Replay(SPEC, 4)
    replay.insert(A, *segment([1]))
    with pytest.raises(ConfigError, match="2 rows to keep leave no room in 4; raise the capacity"):
        replay.pin()
    huge = EnvSpec("t", (), {"c": (4000, 4000, 3)}, SPEC.action, 10, 10)
    with pytest.raises(ConfigError, match="lower the capacity"):
        Replay(huge, 10**13)


def test_each_frame_takes_its_bytes_once():
    replay = Replay(SPEC, 1000)
    assert replay.nbytes == 1000 * row_bytes(SPEC)
    assert row_bytes(SPEC) < 18 + 60  # one image, and little else


class Model:
    """The same contract, said slowly: a list of all rows, and the transitions they allow."""

    def __init__(self, capacity):
        self.capacity, self.rows, self.open = capacity, [], {}

    def insert(self, stream, steps, finals):
        finals = list(finals["state"][:, 0])
        for s in steps:
            number, here = len(self.rows), (int(s["step"]), int(s["episode"]), int(s["segment"]))
            before = self.open.pop(stream, None)
            if before and (before[1][0] + 1, *before[1][1:]) == here:
                self.rows[before[0]]["next"] = number
            self.rows.append(
                {"tag": float(s["state"][0]), "next": None, "human": s["source"] != Source.POLICY}
            )
            if s["flags"] & Flag.END:
                if not s["flags"] & Flag.ABORTED:
                    self.rows[number]["next"] = number + 1
                self.rows.append({"tag": float(finals.pop(0)), "next": None, "human": False})
            else:
                self.open[stream] = (number, here)

    def pairs(self, human_only=False):
        alive = self.rows[-self.capacity :]
        chosen = [r for r in alive if r["next"] is not None and (r["human"] or not human_only)]
        return {(r["tag"], self.rows[r["next"]]["tag"]) for r in chosen}


@st.composite
def histories(draw):
    """Segments of three streams, cut anywhere, in the order in which they were committed."""
    tag, out = 1, []
    nxt, number = {}, {}
    for _ in range(draw(st.integers(1, 14))):
        stream = Stream(draw(st.sampled_from("abc")), "r")
        n = draw(st.integers(1, 7))
        end = draw(st.sampled_from(["open", "open", "terminated", "truncated", "aborted", "cut"]))
        source = draw(st.sampled_from([Source.POLICY, Source.HUMAN]))
        first = nxt.get(stream, 0) + draw(st.sampled_from([0, 0, 0, 2]))
        steps = segment(
            list(range(tag, tag + n)), end, first=first, number=number.get(stream, 0), source=source
        )
        out.append((stream, *steps))
        nxt[stream], tag = first + n, tag + n
        number[stream] = number.get(stream, 0) + (end != "open")
    return out


def cut(history, sizes):
    """The same steps in the same order, in batches of other sizes."""
    for stream, steps, finals in history:
        at = used = 0
        while at < len(steps):
            n = next(sizes)
            part = steps[at : at + n]
            k = int((part["flags"] & Flag.END != 0).sum())
            yield stream, part, finals[used : used + k]
            at, used = at + n, used + k


def contents(replay):
    numbers = np.arange(replay._oldest, replay.total)
    rows = replay._row(numbers)
    columns = [replay._state, replay._reward, replay._link, replay._mc_return]
    before = np.maximum(replay._before[rows], replay._oldest - 1)  # whatever is gone is gone
    return [c[rows].tobytes() for c in columns] + [
        before.tolist(),
        replay.valid,
        replay.valid_demo,
        len(replay._demo),
    ]


@settings(max_examples=200, deadline=None)
@given(histories(), st.integers(4, 60), st.integers(0, 9))
def test_it_agrees_with_the_slow_model_however_the_batches_are_cut(history, capacity, seed):
    model, one, two = Model(capacity), Replay(SPEC, capacity), Replay(SPEC, capacity)
    for item in history:
        model.insert(*item)
        one.insert(*item)
    sizes = rng(seed)
    for item in cut(history, iter(lambda: int(sizes.integers(1, 5)), 0)):
        two.insert(*item)
    assert contents(one) == contents(two)
    assert (one.valid, one.valid_demo) == (len(model.pairs()), len(model.pairs(human_only=True)))
    if one.valid:
        assert pairs(one, draws=600) <= model.pairs()
        every = one._row(np.arange(one._oldest, one.total))
        assert pairs(one, n=one._gather(every[one._link[every] >= 0])) == model.pairs()
    if one.valid_demo:
        assert pairs(one, n=one.sample_mixed((300,), 1.0, rng())) <= model.pairs(human_only=True)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(4, 30))
def test_the_newest_steps_alone_rebuild_what_is_sampled(history, capacity):
    """A resume reads the last `capacity` steps of the run store, not all of it."""
    single = list(cut(history, iter(lambda: 1, 0)))
    whole, tail = Replay(SPEC, capacity), Replay(SPEC, capacity)
    for item in single:
        whole.insert(*item)
    for item in single[-capacity:]:
        tail.insert(*item)
    assert (whole.valid, whole.valid_demo) == (tail.valid, tail.valid_demo)
    if whole.valid:
        for x, y in ((whole.sample_mixed((8, 32), 0.5, rng()), tail.sample_mixed((8, 32), 0.5, rng())),):
            for a, b in ((x.obs, y.obs), (x.next_obs, y.next_obs)):
                assert np.array_equal(a["state"], b["state"])
                assert np.array_equal(a["images"]["cam"], b["images"]["cam"])
            assert np.array_equal(x.mc_return, y.mc_return)


def stacks(replay, draws=500):
    """Every (tags of the stack, tag) that sampling yields, at obs and at next_obs; tags are below 100."""
    batch = replay.sample(draws, rng())
    found = []
    for side in (batch.obs, batch.next_obs):
        images = side["images"]["cam"]
        assert images.shape == (draws, 3, 2, 3, 3)
        tags = np.where(images[:, :, 0, 0, 0] > 100, images[:, :, 0, 0, 0] - 99.5, images[:, :, 0, 0, 0])
        assert np.array_equal(tags[:, -1], side["state"][:, 0])  # the newest frame belongs to the state
        found.append({tuple(t) for t in tags.tolist()})
    return found


def test_stacked_frames_never_come_from_another_segment():
    """Steps 1 2 3 end with 3.5; a second segment, its own stream's next, begins anew with 7."""
    replay = Replay(SPEC, 100, frame_stack=3)
    replay.insert(A, *segment([1, 2, 3]))
    replay.insert(B, *segment([20, 21], number=5))
    replay.insert(A, *segment([7, 8], first=3, number=1))
    here, there = stacks(replay)
    assert here == {(1, 1, 1), (1, 1, 2), (1, 2, 3), (20, 20, 20), (20, 20, 21), (7, 7, 7), (7, 7, 8)}
    assert there == {
        (1, 1, 2), (1, 2, 3), (2, 3, 3.5), (20, 20, 21), (20, 21, 21.5), (7, 7, 8), (7, 8, 8.5),
    }  # fmt: skip


def test_stacks_cross_batches_but_neither_lost_steps_nor_what_was_overwritten():
    replay = Replay(SPEC, 100, frame_stack=3)
    replay.insert(A, *segment([1, 2], "open"))
    replay.insert(A, *segment([3, 4], "open", first=2))
    replay.insert(A, *segment([9], first=7))  # steps 4 to 6 were lost: nothing leads to 9
    here, _ = stacks(replay)
    assert here == {(1, 1, 1), (1, 1, 2), (1, 2, 3), (9, 9, 9)}
    small = Replay(SPEC, 7, frame_stack=3)
    small.insert(A, *segment([50, 51], "terminated"))
    small.pin()
    for first in range(0, 8, 2):
        small.insert(A, *segment([first, first + 1], "open", first=first))
    here, there = stacks(small)  # rows of 4 to 7 are left, and of the pinned
    assert here == {(50, 50, 50), (50, 50, 51), (4, 4, 4), (4, 4, 5), (4, 5, 6)}
    assert there == {(50, 50, 51), (50, 51, 51.5), (4, 4, 5), (4, 5, 6), (5, 6, 7)}
