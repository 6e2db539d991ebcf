import numpy as np
import pytest
from bench.faults_storage import fault_17
from bench.faults_update import poison_many
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from sandlot.learners.agents.types import Transition
from sandlot.learners.guard import SkipCounter, Verdict, badness, dump_batch, first_not_finite, flatten

U, B = 4, 3


def batch():
    rng = np.random.default_rng(0)

    def obs():
        return {
            "state": rng.normal(size=(U, B, 2)).astype(np.float32),
            "images": {"cam": rng.integers(0, 256, (U, B, 2, 2, 3), np.uint8)},
        }

    one = np.ones((U, B), np.float32)
    unknown = np.full((U, B), -np.inf, np.float32)
    return Transition(obs(), np.zeros((U, B, 1), np.float32), one, one, obs(), unknown)


def test_ten_in_a_row_lead_back_to_the_last_good_weights():
    counter = SkipCounter(limit=10)
    verdicts = [counter.note(n) for n in [1] * 9 + [0] + [1] * 10 + [1]]
    assert verdicts == [Verdict.SKIPPED] * 9 + [Verdict.GOOD] + [Verdict.SKIPPED] * 9 + [
        Verdict.ROLL_BACK,
        Verdict.SKIPPED,
    ]
    assert (counter.total, counter.in_row, counter.roll_backs) == (20, 1, 1)


def test_a_scan_whose_every_step_is_refused_does_so_at_once():
    assert SkipCounter(limit=10).note(20) is Verdict.ROLL_BACK


@given(st.lists(st.integers(0, 4), max_size=80), st.integers(1, 12))
def test_it_rolls_back_exactly_when_the_row_is_full(calls, limit):
    counter, row, expected = SkipCounter(limit), 0, 0
    for n in calls:
        row = row + n if n else 0
        full = row >= limit
        assert (counter.note(n) is Verdict.ROLL_BACK) == full
        expected, row = expected + full, 0 if full else row
    assert (counter.total, counter.roll_backs) == (sum(calls), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_with_one_bad_number_are_named_and_not_published(bad):
    weights = {"w0": np.ones((3, 3), np.float32), "step": np.array(3), "w1": np.ones(4, np.float32)}
    assert first_not_finite(weights) is None
    weights["w1"][2] = bad
    assert first_not_finite(weights) == "w1"


def test_the_whole_batch_is_dumped_by_name(tmp_path):
    whole = batch()
    saved = load_file(dump_batch(tmp_path, 7, whole))
    assert saved.keys() == flatten(whole).keys() | {"minibatch"}
    assert np.array_equal(saved["obs.images.cam"], whole.obs["images"]["cam"])
    assert saved["minibatch"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_where_not_all_fits_the_worst_minibatch_is_kept(tmp_path, bad):
    poisoned = batch()
    poisoned.next_obs["state"][2, 1, 0] = bad
    saved = load_file(dump_batch(tmp_path, 7, poisoned, max_bytes=1))
    assert saved["minibatch"].tolist() == [2]
    assert np.array_equal(saved["next_obs.state"], poisoned.next_obs["state"][[2]], equal_nan=True)


def test_an_unfinished_episode_is_not_suspicious():
    assert (badness(flatten(batch())) < 10).all()


def test_the_number_of_dumps_is_bounded_and_the_first_are_kept(tmp_path):
    paths = [dump_batch(tmp_path, step, batch(), limit=3) for step in range(6)]
    assert [p is None for p in paths] == [False] * 3 + [True] * 3
    assert sorted(p.name for p in (tmp_path / "forensics").iterdir()) == [
        f"batch-{i}.safetensors" for i in range(3)
    ]


def test_a_dump_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "forensics").write_text("in the way")
    assert dump_batch(tmp_path, 0, batch()) is None


def test_poisoned_batches_never_spoil_the_real_agent():
    row = fault_17(injections=60, seed=1)
    assert (row["injections"], row["violations"]) == (60, 0)


def test_the_fault_run_finds_an_agent_that_takes_every_step():
    def careless(arrays, poisoned):
        shift = poisoned.reward.flat[0] * poisoned.obs["state"].flat[0]
        return {k: a + shift if a.dtype == np.float32 else a for k, a in arrays.items()}, 0

    assert poison_many(20, 0, careless)[0] > 0
