"""Which value of a source counts, and what is refused: hand-made arrivals at hand-made times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.errors import SensorError
from sandlot.robots.observer import Observer, Source

LIMIT_S, FROZEN_S = 0.1, 0.35


def observer(**changes):
    return Observer([Source(topic="a", **{"limit_s": LIMIT_S, **changes})])


def feed(seen, values, topic="a", every_s=0.01, from_s=0.0):
    """Values arrive at once, stamped every `every_s`; their stamps' numbers are milliseconds."""
    for k, value in enumerate(values):
        at_s = from_s + k * every_s
        seen.offer(topic, value, round(at_s * 1e3), at_s, at_s, content=value)


def test_the_newest_by_stamp_counts_even_when_an_older_one_arrives_later():
    seen = observer()
    seen.offer("a", "new", 20, 0.02, 0.03)
    seen.offer("a", "old", 10, 0.01, 0.04)
    assert seen.take(0.05)["a"] == ("new", 20, 0.02)


@pytest.mark.parametrize(("age_s", "fine"), [(0.0, True), (0.0999, True), (0.1001, False), (-0.02, False)])
def test_a_value_is_acted_on_while_it_is_fresh(age_s, fine):
    seen = observer()
    seen.offer("a", 1, 0, 10.0, 10.0)
    assert (seen.problem(10.0 + age_s) == "") is fine


def test_declared_latency_makes_a_value_older():
    seen = observer(latency_s=0.06)
    seen.offer("a", 1, 0, 10.0, 10.0)
    assert seen.take(10.03)["a"].measured_s == pytest.approx(9.94)
    assert "0.11 s old, the limit is 0.1 s" in seen.problem(10.05)


def test_what_never_spoke_is_named():
    with pytest.raises(SensorError, match="a: nothing came yet; start the node"):
        observer().take(0.0)


def test_a_frozen_source_is_found_by_content_and_recovers_with_the_first_change():
    seen = observer(frozen_s=FROZEN_S)
    feed(seen, ["same"] * 31)
    assert seen.problem(0.30) == ""
    feed(seen, ["same"] * 19, from_s=0.31)
    assert "have said the same for 0.49 s, the limit is 0.35 s" in seen.problem(0.49)
    seen.offer("a", "other", 500, 0.5, 0.5, content="other")
    assert seen.problem(0.5) == ""


@given(st.floats(0.0, 3.0), st.floats(0.005, 0.09))
def test_a_freeze_is_found_no_earlier_and_no_later_than_the_limit(frozen_s, every_s):
    seen = observer(frozen_s=FROZEN_S)
    feed(seen, range(5), every_s=every_s)
    began_s = 4 * every_s
    feed(seen, [4] * (1 + int(frozen_s / every_s)), every_s=every_s, from_s=began_s + every_s)
    now_s = began_s + (1 + int(frozen_s / every_s)) * every_s
    assert bool(seen.problem(now_s)) is (now_s - began_s > FROZEN_S)


def test_a_source_that_may_stay_the_same_is_never_frozen():
    seen = observer(frozen_s=0.0)
    feed(seen, ["same"] * 500)
    assert seen.problem(4.99) == ""


def test_content_that_makes_no_sense_is_refused_with_its_reason():
    seen = observer(check=lambda value: "is negative" if value < 0 else "")
    seen.offer("a", 1, 0, 0.0, 0.0)
    assert seen.problem(0.0) == ""
    seen.offer("a", -1, 1, 0.01, 0.01)
    assert seen.problem(0.01) == "a: is negative"


def three(together=("a", "b")):
    return Observer([Source(topic=t, limit_s=LIMIT_S) for t in "abc"], together=together)


def test_what_one_node_published_at_one_instant_stays_together():
    seen = three()
    feed(seen, ["a0", "a1", "a2"], "a")
    feed(seen, ["b0", "b1"], "b")  # b2 is still on its way
    feed(seen, ["c0", "c1", "c2"], "c")
    assert {s.value for s in seen.take(0.02).values()} == {"a1", "b1", "c1"}


def test_a_tracker_with_stamps_of_its_own_gives_its_newest():
    seen = three()
    feed(seen, ["a0", "a1"], "a")
    feed(seen, ["b0", "b1"], "b")
    feed(seen, ["c0", "c1"], "c", from_s=0.005)
    assert {s.value for s in seen.take(0.02).values()} == {"a1", "b1", "c1"}


def test_sources_that_never_share_an_instant_give_their_newest():
    seen = three()
    feed(seen, ["a0", "a1"], "a")
    feed(seen, ["b0", "b1"], "b", from_s=0.002)
    feed(seen, ["c0"], "c")
    assert {t: s.value for t, s in seen.take(0.02).items()} == {"a": "a1", "b": "b1", "c": "c0"}


def test_a_wall_clock_that_jumps_back_neither_blinds_nor_mixes():
    seen = three()
    for topic in "abc":  # numbers of stamps fall by an hour, the steady times go on
        seen.offer(topic, f"{topic}0", 3_600_000, 1.00, 1.00)
        seen.offer(topic, f"{topic}1", 10, 1.01, 1.01)
    assert {s.value for s in seen.take(1.02).values()} == {"a1", "b1", "c1"}
