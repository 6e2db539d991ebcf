"""Step records from transitions: flags, discounts, counters, segments and finals, by hand-worked episodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import RecordError
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, check_steps, obs_dtype, step_dtype

SPEC = EnvSpec("t", (Entry("s", 2),), {"eye": (2, 3, 1)}, (Entry("a", 1),), 10.0, 50)


def obs(value):
    return {"state": np.full(2, value, np.float32), "images": {"eye": np.full((2, 3, 1), value, np.uint8)}}


def act(value=0.0, **kwargs):
    return Decision(np.float32([value]), t_act_ns=kwargs.pop("t", 5), wall_s=1.5, **kwargs)


def out(value, reward=0.0, terminated=False, truncated=False, **kwargs):
    return Outcome(obs(value), reward, terminated, truncated, kwargs.pop("t", 7), **kwargs)


def taken(recorder):
    """What is complete, checked against the contract."""
    steps, finals = recorder.take()
    check_steps(steps, finals, SPEC)
    assert steps.dtype == step_dtype(SPEC) and finals.dtype == obs_dtype(SPEC)
    return steps, finals


def test_a_true_end_has_discount_0_and_a_time_limit_1():
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 3)
    assert recorder.add(act(0.25, t=4, policy_version=9), out(1, 1.0, t=6)) is None
    first = recorder.add(act(-0.5), out(2, 2.0, terminated=True, truncated=True, success=True))
    recorder.begin(obs(10), 8)
    second = recorder.add(act(), out(11, truncated=True))
    steps, finals = taken(recorder)
    assert (first, second) == ((0, 2, 3.0, True, False), (1, 1, 0.0, False, False))
    assert steps["flags"].tolist() == [
        0,
        Flag.TERMINATED | Flag.SUCCESS | Flag.END,
        Flag.TRUNCATED | Flag.END,
    ]
    assert steps["discount"].tolist() == [1, 0, 1]
    assert steps["step"].tolist() == [0, 1, 2] and steps["episode"].tolist() == [0, 0, 1]
    assert steps["segment"].tolist() == [0, 0, 1] and steps["reward"].tolist() == [1, 2, 0]
    assert steps["t_obs_ns"].tolist() == [3, 6, 8] and steps["t_act_ns"].tolist() == [4, 5, 5]
    assert steps["policy_version"].tolist() == [9, -1, -1] and steps["wall_s"].tolist() == [1.5] * 3
    assert steps["state"][:, 0].tolist() == [0, 1, 10] and steps["image.eye"][:, 0, 0, 0].tolist() == [
        0,
        1,
        10,
    ]
    assert finals["step"].tolist() == [1, 2] and finals["state"][:, 1].tolist() == [2, 11]
    assert finals["image.eye"][:, 1, 2, 0].tolist() == [2, 11]


def test_the_newest_step_waits_until_it_is_known_whether_its_segment_goes_on():
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 0)
    recorder.add(act(), out(1))
    assert len(taken(recorder)[0]) == 0
    recorder.add(act(), out(2))
    assert taken(recorder)[0]["step"].tolist() == [0]
    recorder.add(act(), out(3, terminated=True))
    steps, finals = taken(recorder)
    assert steps["step"].tolist() == [1, 2] and steps["state"][:, 0].tolist() == [1, 2]
    assert finals["step"].tolist() == [2]


def test_an_intervention_breaks_the_segment_and_keeps_both_actions():
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 0)
    recorder.add(act(0.1), out(1))
    recorder.add(act(0.9, policy_action=np.float32([0.2]), source=Source.HUMAN), out(2))
    recorder.add(act(0.3), out(3, terminated=True))
    steps, finals = taken(recorder)
    assert steps["source"].tolist() == [Source.POLICY, Source.HUMAN, Source.POLICY]
    assert steps["segment"].tolist() == [0, 1, 2] and steps["episode"].tolist() == [0, 0, 0]
    assert steps["flags"].tolist() == [Flag.END, Flag.END, Flag.TERMINATED | Flag.END]
    assert steps["discount"].tolist() == [1, 1, 0]
    np.testing.assert_array_equal(steps["action"].ravel(), np.float32([0.1, 0.9, 0.3]))
    np.testing.assert_array_equal(steps["policy_action"].ravel(), np.float32([0.1, 0.2, 0.3]))
    assert finals["step"].tolist() == [0, 1, 2] and finals["state"][:, 0].tolist() == [1, 2, 3]


def test_an_abort_keeps_the_step_and_repeats_its_observation():
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 0)
    recorder.add(act(), out(1, 1.0, success=True))
    episode = recorder.abort(act(0.5))
    steps, finals = taken(recorder)
    assert episode == (0, 2, 1.0, False, True)
    assert steps["flags"].tolist() == [Flag.SUCCESS, Flag.ABORTED | Flag.END]
    assert steps["discount"].tolist() == [1, 1]
    assert finals["step"].tolist() == [1] and finals["state"][0, 0] == 1


@pytest.mark.parametrize("end", [EpisodeRecorder.cut, lambda r: r.begin(obs(5), 0)])
def test_an_interruption_ends_the_segment_but_not_the_episode(end):
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 0)
    recorder.add(act(), out(1))
    end(recorder)
    steps, finals = taken(recorder)
    assert steps["flags"].tolist() == [Flag.END] and steps["discount"].tolist() == [1]
    assert finals["state"][0, 0] == 1
    recorder.begin(obs(6), 0)
    recorder.add(act(), out(7, terminated=True))
    steps, _ = taken(recorder)
    assert steps["segment"].tolist() == [1] and steps["step"].tolist() == [1] and steps["state"][0, 0] == 6


def test_arrays_are_copied_when_they_arrive():
    recorder, reused = EpisodeRecorder(SPEC), obs(1)
    recorder.begin(reused, 0)
    reused["state"][:] = reused["images"]["eye"][:] = 9
    recorder.add(act(), out(2, terminated=True))
    steps, _ = taken(recorder)
    assert steps["state"][0, 0] == 1 and steps["image.eye"][0, 0, 0, 0] == 1


@pytest.mark.parametrize(
    ("decision", "outcome", "words"),
    [
        (act(np.nan), out(1), "field 'action'"),
        (act(1.5), out(1), "must be 1 finite numbers in [-1, 1]"),
        (Decision(np.zeros(2, np.float32), 0, 0.0), out(1), "field 'action'"),
        (act(policy_action=np.float32([np.inf])), out(1), "field 'policy_action'"),
        (act(), out(np.float32(1), reward=np.nan), "field 'reward' is nan"),
        (act(), Outcome({"state": np.float32([np.nan, 0]), "images": {}}, 0.0, False, False, 0), "'state'"),
        (
            act(),
            Outcome({"state": np.zeros(2), "images": {}}, 0.0, False, False, 0),
            "'image.eye' is missing",
        ),
        (
            act(),
            Outcome({"state": np.zeros(2), "images": {"eye": np.zeros((2, 3, 1))}}, 0.0, False, False, 0),
            "'image.eye' is float64[2, 3, 1]: must be uint8[2, 3, 1]",
        ),
    ],
)
def test_a_bad_step_is_named_and_changes_nothing(decision, outcome, words):
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(obs(0), 0)
    recorder.add(act(), out(1))
    with pytest.raises(RecordError) as err:
        recorder.add(decision, outcome)
    assert words in str(err.value) and "task 't'" in str(err.value)
    recorder.add(act(), out(2, terminated=True))
    steps, _ = taken(recorder)
    assert steps["state"][:, 0].tolist() == [0, 1]


def test_a_step_outside_an_episode_is_refused():
    recorder = EpisodeRecorder(SPEC)
    with pytest.raises(RecordError, match="call begin"):
        recorder.add(act(), out(1))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60), st.integers(1, 9))
def test_any_course_of_events_keeps_the_contract(events, take_every):
    """Whatever happens, the taken batches join into valid, gapless steps whose successors are the truth."""
    recorder, value, going, parts = EpisodeRecorder(SPEC, capacity=1), 0, False, []
    for i, (event, human) in enumerate(events):
        value += 1
        source = Source.HUMAN if human else Source.POLICY
        if not going or event == 6:
            recorder.begin(obs(value), value)
            going = True
        elif event == 5:
            recorder.abort(act(source=source))
            going = False
        else:
            going = recorder.add(act(source=source), out(value, 0.0, event == 4, event == 3)) is None
        if i % take_every == 0:
            parts.append(taken(recorder))
    recorder.cut()
    parts.append(taken(recorder))
    steps, finals = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    check_steps(steps, finals, SPEC)
    assert steps["step"].tolist() == list(range(len(steps)))
    ended = (steps["flags"] & Flag.END) != 0
    np.testing.assert_array_equal(np.diff(steps["segment"].astype(int)), ended[:-1].astype(int))
    goes_on = np.flatnonzero(~ended)
    np.testing.assert_array_equal(steps["state"][goes_on + 1], steps["state"][goes_on] + 1)
    whole = ended & ((steps["flags"] & Flag.ABORTED) == 0)
    np.testing.assert_array_equal(finals["state"][whole[ended]], steps["state"][whole] + 1)
    for segment in np.unique(steps["segment"]):
        assert len(np.unique(steps["source"][steps["segment"] == segment])) == 1
