"""Labels from recorded runs: which frames show success, and whose word does not count."""

import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS

from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch
from sandlot.perception.classifier.collect import RunLabels, layout_of, run_clips

SPEC = EnvSpec("arm_pick", (Entry("x", 1),), CAMERAS, (Entry("a", 1),), 10.0, 50)
LAYOUT = layout_of(SPEC, ("no", "yes"))
ACTION = np.zeros(1, np.float32)


def obs(k):
    return {"state": np.float32([k]), "images": {c: np.full((8, 8, 3), k, np.uint8) for c in CAMERAS}}


def play(recorder, steps, end):
    """An episode whose observation k has frames of value k."""
    recorder.begin(obs(0), 0)
    for k in range(1, steps + 1):
        last = k == steps
        if last and end == "fault":
            recorder.abort(Decision(ACTION, 0, 0.0))
            return
        good = last and end == "success"
        recorder.add(Decision(ACTION, 0, 0.0), Outcome(obs(k), 0.0, good, last and not good, 0, good))


@pytest.fixture
def run(tmp_path):
    recorder = EpisodeRecorder(SPEC)
    for steps, end in ((12, "success"), (5, "time"), (3, "fault"), (4, "success")):
        play(recorder, steps, end)
    steps, finals = recorder.take()
    with RunStore(tmp_path / "run", SPEC) as store:
        half = len(steps) // 2 - 3  # a batch may end anywhere
        for rows in (steps[:half], steps[half:]):
            own = finals[np.isin(finals["step"], rows["step"])]
            store.append([Batch(Stream("a", "b"), rows, own)])
    return tmp_path / "run"


def test_the_last_frame_of_a_success_shows_it(run):
    clips = list(run_clips(run, LAYOUT, RunLabels(close=3)))
    assert [len(clip.labels) for clip in clips] == [13, 6, 5]  # what a fault ended is left out
    long, failed, short = clips
    np.testing.assert_array_equal(long.frames["side"][:, 0, 0, 0], np.arange(13))
    assert long.labels.tolist() == [0] * 12 + [1]
    assert np.flatnonzero(long.hard).tolist() == [9, 10, 11]
    assert not failed.labels.any()
    assert not failed.hard.any()
    assert np.flatnonzero(short.hard).tolist() == [1, 2, 3]
    assert len({clip.episode for clip in clips}) == 3


def test_more_frames_before_the_end_may_show_it(run):
    long = next(run_clips(run, LAYOUT, RunLabels(before=2, close=0)))
    assert np.flatnonzero(long.labels).tolist() == [10, 11, 12]


def test_a_whole_run_may_show_one_class(run):
    layout = layout_of(SPEC, ("no", "held", "yes"))
    assert {int(v) for clip in run_clips(run, layout, RunLabels(label="held")) for v in clip.labels} == {1}
    with pytest.raises(ConfigError, match="class 'hold' does not exist; choose from no, held, yes"):
        next(run_clips(run, layout, RunLabels(label="hold")))


def test_a_run_that_a_classifier_rewarded_teaches_nothing(run):
    (run / "config.yaml").write_text("env: {classifier: classifiers/pick/classifier.safetensors}\n")
    with pytest.raises(ConfigError, match="its successes are that one's own word; relabel"):
        next(run_clips(run, LAYOUT, RunLabels()))
    (run / "config.yaml").write_text("env: {classifier: ''}\n")
    assert len(list(run_clips(run, LAYOUT, RunLabels()))) == 3


def test_a_run_without_cameras_and_a_folder_without_a_run(tmp_path):
    blind = EnvSpec("arm_pick", (Entry("x", 1),), {}, (Entry("a", 1),), 10.0, 50)
    with pytest.raises(ConfigError, match="without cameras; a classifier needs them"):
        layout_of(blind, ("no", "yes"))
    with pytest.raises(StoreError, match="holds no run"):
        next(run_clips(tmp_path, LAYOUT, RunLabels()))


@pytest.mark.parametrize("classes", [("no",), ("no", "no"), ("no", "held", "no")])
def test_classes_that_tell_nothing_apart_are_refused(classes):
    with pytest.raises(ConfigError, match=f"classes {', '.join(classes)}: name two or more different ones"):
        layout_of(SPEC, classes)
