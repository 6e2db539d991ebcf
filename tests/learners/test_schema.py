"""The rules of a step, by the quick check in the control loop and by the one that finds the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners import schema
from sandlot.learners.errors import RecordError
from sandlot.learners.schema import Entry, EnvSpec, Flag, check_steps, obs_dtype, step_dtype

SPEC = EnvSpec("t", (Entry("q", 3),), {"eye": (3, 5, 3)}, (Entry("u", 2),), 10.0, 100)
NO_FINALS = np.zeros(0, obs_dtype(SPEC))
BAD = {
    "step": [0, 9],
    "source": [3, 255],
    "flags": [Flag.TERMINATED, Flag.TRUNCATED, 64, Flag.END],
    "reward": [np.nan, np.inf],
    "discount": [-0.1, 1.1, np.nan],
    "action": [np.nan, 1.001, -np.inf],
    "policy_action": [np.nan, -1.001],
    "state": [np.nan, np.inf],
}


def batch(n: int, first: int = 5) -> np.ndarray:
    rng = np.random.default_rng(n)
    steps = np.zeros(n, step_dtype(SPEC))
    steps["step"] = np.arange(first, first + n)
    steps["discount"] = 1
    steps["action"], steps["policy_action"] = rng.uniform(-1, 1, (2, n, 2))
    steps["state"] = rng.standard_normal((n, 3)) * 1e6
    steps["image.eye"] = 255  # bytes that are no finite floats must not be read as such
    return steps


@pytest.mark.parametrize("n", [1, 2, 10])
def test_a_good_batch_passes_the_quick_check(n):
    assert schema._plainly_good(batch(n), SPEC)
    check_steps(batch(n), NO_FINALS, SPEC)


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD.items() for v in values])
@pytest.mark.parametrize("row", [1, 3])
def test_each_rule_is_named_whatever_check_comes_first(field, value, row):
    steps = batch(4)
    steps[field][row] = value
    assert not schema._plainly_good(steps, SPEC)
    with pytest.raises(RecordError, match="finals" if value == Flag.END else f"field '{field}' of step"):
        check_steps(steps, NO_FINALS, SPEC)


@given(st.data())
def test_the_quick_check_passes_nothing_that_the_other_refuses(data):
    steps = batch(data.draw(st.integers(1, 6)))
    noise = data.draw(st.binary(min_size=1, max_size=40))
    raw = steps.view(np.uint8)
    at = data.draw(st.integers(0, len(raw) - len(noise)))
    raw[at : at + len(noise)] = np.frombuffer(noise, np.uint8)
    if schema._plainly_good(steps, SPEC):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema, "_plainly_good", lambda *_: False)
            check_steps(steps, NO_FINALS, SPEC)


def test_steps_of_a_slice_are_read_with_their_own_stride():
    steps = batch(8)
    steps["state"][3] = np.nan
    assert schema._plainly_good(steps[4:], SPEC)
    assert not schema._plainly_good(steps[2:], SPEC)
