"""Debounce, hysteresis and stages, one step at a time; and that nothing always-on is ever a success."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.perception.classifier.judge import Rule, advance, begin, succeeded

ONE = Rule(enter=(0.9,), leave=(0.4,), debounce=2)
TWO = Rule(enter=(0.9, 0.8), leave=(0.4, 0.3), debounce=2)


def after(steps, rule=ONE):
    standing = begin(rule)
    for p in steps:
        standing = advance(standing, np.atleast_1d(p), rule)
    return standing


@pytest.mark.parametrize(
    ("steps", "success"),
    [
        ([0.1, 0.95, 0.95], True),
        ([0.1, 0.95], False),  # once is never enough
        ([0.1, 0.95, 0.1, 0.95], False),  # denied in between
        ([0.1, 0.95, 0.6, 0.95], True),  # doubt in between changes nothing
        ([0.1, 0.89, 0.89, 0.89], False),
        ([0.95, 0.95, 0.95, 0.95], False),  # never seen absent: a constant, or done before it began
        ([0.95, 0.3, 0.95, 0.95], True),
        ([0.5, 0.95, 0.95, 0.95], False),  # doubt is not absence
    ],
)
def test_one_stage(steps, success):
    assert succeeded(after(steps)) is success


def test_stages_count_in_their_order_only():
    grasped, placed, nothing = [0.95, 0.1], [0.95, 0.95], [0.1, 0.1]
    assert succeeded(after([nothing, grasped, grasped, placed, placed], TWO))
    assert not succeeded(after([nothing, [0.1, 0.95], [0.1, 0.95], grasped, grasped], TWO))
    assert after([nothing, grasped, grasped, nothing, nothing], TWO).stage == 1


def test_what_is_no_news_counts_neither_way():
    standing = after([0.1, 0.95])
    assert advance(standing, np.array([0.95]), ONE, news=False) == standing
    assert advance(standing, np.array([0.1]), ONE, news=False) == standing


@given(st.lists(st.floats(0.0, 1.0), max_size=30))
def test_a_success_needs_absence_and_then_enough_counted_steps(steps):
    if succeeded(after(steps)):
        low = next(i for i, p in enumerate(steps) if p < ONE.leave[0])
        assert sum(p >= ONE.enter[0] for p in steps[low:]) >= ONE.debounce


def test_a_single_frame_is_no_rule():
    with pytest.raises(ConfigError, match="at least 2 steps"):
        Rule(enter=(0.9,), leave=(0.4,), debounce=1)
