import numpy as np
import pytest

from sandlot.learners.progress import EpisodeTracker, Rate, read_status, write_status
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch

SPEC = EnvSpec("t", (Entry("x", 1),), {}, (Entry("u", 1),), 10.0, 4)
END, DONE, LIMIT, WIN, FAULT = Flag.END, Flag.TERMINATED, Flag.TRUNCATED, Flag.SUCCESS, Flag.ABORTED


def batch(stream, first, rows):
    """Steps from (episode, reward, flags)."""
    steps = np.zeros(len(rows), step_dtype(SPEC))
    steps["step"] = first + np.arange(len(rows))
    for i, (episode, reward, flags) in enumerate(rows):
        steps[i]["episode"], steps[i]["reward"], steps[i]["flags"] = episode, reward, flags
    steps["discount"] = (steps["flags"] & DONE) == 0
    ended = steps[(steps["flags"] & END) != 0]
    finals = np.zeros(len(ended), obs_dtype(SPEC))
    finals["step"] = ended["step"]
    return Batch(stream, steps, finals)


@pytest.fixture
def store(tmp_path):
    """Two streams: a won, a lost and an aborted episode, one cut by a kill, one still open."""
    with RunStore.open(tmp_path / "run", SPEC) as store:
        a, b = Stream("a", "1"), Stream("b", "2")
        store.append([batch(a, 0, [(0, 1, 0), (0, 2, END | DONE | WIN), (1, 5, 0)])])
        store.append([batch(b, 0, [(0, 7, END | FAULT), (1, 1, 0)]), batch(a, 3, [(1, 1, END | LIMIT)])])
        store.append([batch(b, 2, [(1, 1, 0)])])
        yield store


def test_success_return_and_length_of_ended_episodes(store):
    tracker = EpisodeTracker()
    assert tracker.figures() == {}
    tracker.add(store.read())
    assert tracker.episodes == 2
    assert tracker.figures() == {"success_50": 0.5, "return_50": (3 + 6) / 2, "episode_steps_50": 2.0}


def test_a_resumed_tracker_goes_on_as_one_that_saw_every_step(store):
    saw, resumed = EpisodeTracker(), EpisodeTracker()
    saw.add(store.read())
    resumed.resume(store.episodes())
    for tracker in (saw, resumed):
        more = store.append([batch(Stream("b", "2"), 3, [(1, 4, END | LIMIT)])]) or list(store.read(7, 1))
        tracker.add(more)
    assert (resumed.episodes, resumed.figures()) == (saw.episodes, saw.figures())
    assert saw.figures()["return_50"] == pytest.approx((3 + 6 + 6) / 3)  # the open episode had 1 + 1 + 4


def test_what_a_person_did_is_counted_the_same_with_and_without_a_resume(tmp_path):
    """Three corrections: of 2 steps, of 1, and one of 3 during which the learner starts anew."""
    human = {1, 2, 4, 6, 7, 8}
    with RunStore.open(tmp_path / "run", SPEC) as store:
        practice = batch(Stream("a", "1"), 0, [(0, 0, 0)] * 5 + [(0, 0, END | LIMIT)] + [(1, 0, 0)] * 4)
        segments = [0, 1, 1, 2, 3, 4, 5, 5, 5, 6]
        for row, segment in zip(practice.steps, segments, strict=True):
            row["segment"], row["source"] = segment, int(row["step"]) in human
        first, rest = practice.steps[:8], practice.steps[8:]
        saw, resumed = EpisodeTracker(), EpisodeTracker()
        saw.add(store.append([Batch(practice.stream, first, practice.finals)]))
        resumed.resume(store.episodes())
        new = store.append([Batch(practice.stream, rest, practice.finals[:0])])
        for tracker in (saw, resumed):
            tracker.add(new)
    assert saw.figures() == resumed.figures()
    assert (saw.interventions, saw.human_steps, saw.steps) == (3, 6, 10)
    assert saw.figures()["human_share_50"] == 3 / 6 and saw.figures()["human_share"] == 6 / 10
    assert saw.figures()["correction_steps"] == 2.0


def test_interventions_are_counted_over_the_last_episodes_too(tmp_path):
    """Episode 0: corrected twice, 1 + 2 steps, and won; 1: won alone; 2: corrected once and still open."""
    sources = [0, 1, 0, 1, 1] + [0, 0] + [1, 1]
    ends = {4, 6}
    rows = [(0,)] * 5 + [(1,)] * 2 + [(2,)] * 2
    with RunStore.open(tmp_path / "run", SPEC) as store:
        made = [(e, 0, END | DONE | WIN if i in ends else 0) for i, (e,) in enumerate(rows)]
        practice = batch(Stream("a", "1"), 0, made)
        for i, row in enumerate(practice.steps):
            row["segment"], row["source"] = [0, 1, 2, 3, 3, 4, 4, 5, 5][i], sources[i]
        tracker = EpisodeTracker()
        tracker.add(store.append([practice]))
    figures = tracker.figures()
    assert figures["interventions"] == 3.0 and figures["correction_steps"] == 5 / 3
    assert figures["interventions_per_100_episodes"] == 100.0  # 2 in 2 finished episodes
    assert figures["correction_steps_50"] == 1.5
    assert figures["unaided_50"] == 0.5
    assert figures["human_share_50"] == 3 / 7


def test_demonstrations_are_not_practice(tmp_path):
    with RunStore.open(tmp_path / "run", SPEC) as store:
        scripted = batch(Stream("demos", "d"), 0, [(0, 1, END | DONE | WIN)])
        scripted.steps["source"] = Source.SCRIPT
        tracker = EpisodeTracker()
        tracker.add(store.append([scripted]))
    assert tracker.episodes == 0


def test_a_rate_is_over_the_last_five_seconds():
    rate = Rate()
    assert rate.update(0.0, 0) == 0.0
    assert rate.update(2.0, 10) == 5.0
    assert [rate.update(s, 10) for s in (4.0, 8.0, 14.0)][-1] == 0.0


def test_a_status_is_whole_or_not_there(tmp_path):
    path = tmp_path / "status.json"
    assert read_status(path) == {}
    write_status(path, {"x": 1})
    assert read_status(path) == {"x": 1}
    path.write_text('{"x": ')
    assert read_status(path) == {}
    path.write_text("[1]")
    assert read_status(path) == {}
