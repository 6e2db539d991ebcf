"""A step through its message and back, bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.real_time import StepNote
from sandlot.learners.schema import Flag, Source
from sandlot.robots.step_message import View, from_numbers, to_numbers

UNIT = st.floats(-1, 1, width=32)
ACTION = st.lists(UNIT, min_size=7, max_size=7).map(np.float32)
STAMP_NS = 1_790_000_000_123_456_789
AGES = st.integers(-(10**6), 10**12)
TOPICS = ("joint_states", "objects/cube", "camera/wrist/image_raw")


def view(ages, command):
    return View(dict(zip(TOPICS, (STAMP_NS - a for a in ages), strict=True)), {"command": tuple(command)})


VIEWS = st.builds(view, st.tuples(AGES, AGES, AGES), st.lists(st.floats(-9, 9), min_size=8, max_size=8))
NOTES = st.builds(
    StepNote,
    episode=st.integers(0, 2**40),
    step=st.integers(0, 2**50),
    flags=st.sampled_from([Flag(0), Flag.SUCCESS | Flag.TERMINATED | Flag.END, Flag.ABORTED | Flag.END]),
    reward=st.floats(-1e6, 1e6),
    source=st.sampled_from(Source),
    policy_version=st.integers(-1, 2**31),
    t_obs_ns=st.integers(0, 2**53),
    t_act_ns=st.integers(0, 2**53),
    wall_s=st.floats(0, 2e9),
    action=ACTION,
    policy_action=ACTION,
    task=st.sampled_from(["", "arm_relocate_back"]),
)


@given(NOTES, VIEWS, st.none() | VIEWS)
def test_there_and_back(note, obs, following):
    numbers = to_numbers(note, STAMP_NS, obs, following)
    assert all(type(v) is float for v in numbers.values())
    again, *views = from_numbers(numbers, STAMP_NS)
    assert views == [obs, following]
    for mine, theirs in zip(note, again, strict=True):
        assert np.array_equal(mine, theirs)
    assert again.action.dtype == np.float32
