import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.learners.ratio import RatioConfig, UpdateRatio, lead_allowance

ratios = st.sampled_from([0.05, 0.1, 0.29, 0.5, 0.7, 1.0, 1.5, 4.0, 20.0, 1 / 3])


def test_twenty_updates_a_step_after_the_first_hundred():
    bucket = UpdateRatio(RatioConfig(ratio=20, chunk=20, start_after=100))
    assert [bucket.allow(n) for n in (0, 100, 101, 101, 104)] == [0, 0, 20, 0, 60]
    assert (bucket.granted, bucket.reached, bucket.wanted) == (80, 20, 20)


def test_half_an_update_a_step_comes_in_whole_chunks():
    bucket = UpdateRatio(RatioConfig(ratio=0.5, chunk=2))
    assert [bucket.allow(n) for n in range(1, 9)] == [0, 0, 0, 2, 0, 0, 0, 2]


def test_a_full_bucket_forfeits_and_says_so():
    bucket = UpdateRatio(RatioConfig(ratio=4, chunk=4, burst=8))
    assert bucket.allow(10) == 8
    assert (bucket.forfeited, bucket.reached) == (32, 0.8)
    assert bucket.allow(11) == 4


def test_a_tenth_is_a_tenth():
    bucket = UpdateRatio(RatioConfig(ratio=0.29))
    assert sum(bucket.allow(n) for n in range(101)) == 29  # 0.29 * 100 is 28.999... in floats


def test_steps_do_not_run_backwards():
    bucket = UpdateRatio(RatioConfig(ratio=1))
    bucket.allow(5)
    with pytest.raises(ValueError, match="4 env steps after 5"):
        bucket.allow(4)


@given(ratios, st.integers(1, 40), st.integers(0, 50), st.lists(st.integers(0, 30), max_size=60))
def test_the_contract_holds_at_every_moment(ratio, chunk, start_after, arrivals):
    bucket = UpdateRatio(RatioConfig(ratio=ratio, chunk=chunk, start_after=start_after))
    steps = done = 0
    for n in arrivals:
        steps += n
        due = bucket.allow(steps)
        done += due
        owed = ratio * max(0, steps - start_after) - done
        assert due % chunk == 0
        assert -1e-6 <= owed < chunk + 1e-6
    assert bucket.granted == done


@given(ratios, st.integers(1, 8), st.integers(8, 40), st.lists(st.integers(0, 90), min_size=2, max_size=40))
def test_a_restored_bucket_goes_on_as_if_nothing_happened(ratio, chunk, burst, arrivals):
    cfg = RatioConfig(ratio=ratio, chunk=chunk, burst=burst)
    steps = [sum(arrivals[: i + 1]) for i in range(len(arrivals))]
    one, two = UpdateRatio(cfg), UpdateRatio(cfg)
    expected = [one.allow(n) for n in steps]
    half = len(steps) // 2
    first = [two.allow(n) for n in steps[:half]]
    three = UpdateRatio(cfg)
    three.restore(json.loads(json.dumps(two.state())))
    assert first + [three.allow(n) for n in steps[half:]] == expected
    assert three.state() == one.state()


@given(ratios, st.integers(1, 20), st.integers(0, 30), st.integers(0, 10))
def test_actors_and_learner_never_wait_for_each_other(ratio, chunk, start_after, spare):
    cfg = RatioConfig(ratio=ratio, chunk=chunk, start_after=start_after)
    bucket, steps = UpdateRatio(cfg), 0
    lead = spare + next(
        n for n in range(1, 1000) if UpdateRatio(RatioConfig(ratio=ratio, chunk=chunk)).allow(n)
    )
    for _ in range(50):
        may = lead_allowance(steps, bucket.granted, lead, cfg)
        steps += may
        assert steps <= start_after + bucket.granted / ratio + lead + 1
        assert may + bucket.allow(steps) > 0
    assert bucket.granted >= chunk


def test_what_cannot_be_kept_is_refused():
    for bad in (
        {"ratio": -1},
        {"ratio": float("nan")},
        {"ratio": 1, "chunk": 0},
        {"ratio": 1, "chunk": 9, "burst": 8},
    ):
        with pytest.raises(ConfigError, match="update ratio"):
            RatioConfig(**bad)
    with pytest.raises(ConfigError, match="use 40 or more"):
        lead_allowance(0, 0, 39, RatioConfig(ratio=0.5, chunk=20))
    assert lead_allowance(10**6, 0, 5, RatioConfig(ratio=0)) == 5
