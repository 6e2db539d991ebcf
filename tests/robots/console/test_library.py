"""What the page shows of runs: by hand from a small run, and in one line when it cannot be read."""

import base64
import io
import os
import time

import numpy as np
import pytest
from jax.random import key
from PIL import Image
from tests.robots.console.rig import SPEC, write_run

from sandlot.learners import plugins
from sandlot.learners.config import TrainConfig, save_config
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import StoreError
from sandlot.learners.store import RunStore
from sandlot.perception.classifier import Classifier, ClassifierSpec, queue
from sandlot.perception.classifier.dataset import FrameStore, Layout
from sandlot.robots.console.library import Library


@pytest.fixture
def library(tmp_path):
    write_run(tmp_path / "runs" / "first")
    return Library(tmp_path / "runs")


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def test_no_folder_and_an_empty_one_are_no_runs(tmp_path):
    assert Library(tmp_path / "none").runs() == []
    (tmp_path / "runs" / "unfinished").mkdir(parents=True)
    assert Library(tmp_path / "runs").runs() == []
    with pytest.raises(StoreError, match="there is no run 'x'"):
        Library(tmp_path / "none").run("x")


def test_a_run_that_goes_on(library):
    [listed] = library.runs()
    assert (listed["name"], listed["state"], listed["task"]) == ("first", "learning", "rig")
    run = library.run("first")
    assert run["alarms"] == ["the disk is full"] and run["problem"] == ""
    learner, actor = run["processes"]
    assert learner == {"name": "learner", "state": "learning", "says": "30 of 100 steps, 12 updates/s"}
    assert actor["state"] == "acting" and actor["says"] == "30 steps, policy 0.5 s old"


def test_a_dead_learner_is_silent_after_three_seconds(library, tmp_path):
    status = tmp_path / "runs" / "first" / "status.json"
    os.utime(status, (time.time() - 100, time.time() - 100))
    assert library.runs()[0]["state"] == "silent"
    learner, actor = library.run("first")["processes"]
    assert learner["state"] == "silent" and learner["says"].startswith("it has said nothing for 100 s")
    assert actor["state"] == "silent" and actor["says"] == "its learner is not running"


def test_a_broken_status_hides_nothing_else(library, tmp_path):
    (tmp_path / "runs" / "first" / "status.json").write_bytes(b"\xff{")
    assert library.run("first")["state"] == "no learner"
    assert len(library.episodes("first")["episodes"]) == 6


def test_curves_and_events(library):
    found = library.curves("first")
    titles = [svg.partition('aria-label="')[2].partition('"')[0] for svg in found["charts"]]
    assert titles == [
        "Success, last 50 episodes", "Interventions, last 50 episodes", "Return, last 50 episodes",
        "Updates an env step",
    ]  # fmt: skip
    assert "resumed  <b>after a crash</b>" in found["events"][0]
    assert library.curves("first") is found  # nothing new was committed


def test_episodes_newest_first_with_a_persons_share(library):
    rows = library.episodes("first")["episodes"]
    assert [r["seq"] for r in rows] == [26, 21, 16, 11, 6, 1]
    assert [r["outcome"] for r in rows] == ["success"] * 4 + ["failure"] * 2
    assert [r["human"] for r in rows] == [0.4, 0.4, 0, 0, 0, 0]
    older = library.episodes("first", before=16)
    assert [r["seq"] for r in older["episodes"]] == [11, 6, 1] and not older["more"]


def test_an_episode_step_by_step(library):
    about = library.episode("first", 21)
    assert about["cameras"] == ["wrist", "side"] and about["steps"] == 5
    assert about["human"] == [False, False, False, True, True] and about["reward"] == [0, 0, 0, 0, 1]
    assert about["rule"] == "this run has no classifier"
    for step in range(5):
        picture = pixels(library.frame("first", 21, "wrist", step))
        assert picture.shape == (48, 64, 3)
        assert abs(int(picture[20, 60, 0]) - 40 * step) < 6 and picture[20, 5, 0] > 180


@pytest.mark.parametrize(("seq", "camera", "step"), [(21, "wrist", 5), (21, "front", 0), (21, "../side", 0)])
def test_pictures_that_are_not_there(library, seq, camera, step):
    with pytest.raises(StoreError, match="there is no picture"):
        library.frame("first", seq, camera, step)


def test_an_episode_that_is_not_there(library):
    with pytest.raises(StoreError, match="no episode of 'first' begins at step 22"):
        library.episode("first", 22)


def test_the_newest_step(library):
    newest = library.newest("first")
    assert newest["seq"] == 30
    assert abs(int(pixels(base64.b64decode(newest["pictures"]["wrist"]))[20, 60, 0]) - 160) < 6


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../first", "first/../first", "/etc", "first\x00", "a" * 500]
)
def test_no_name_leads_out_of_the_folder(library, name):
    for ask in (library.run, library.curves, library.episodes, library.newest):
        with pytest.raises(StoreError, match="there is no run"):
            ask(name)


def test_a_damaged_store_is_one_line(library, tmp_path):
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.sqlite").write_bytes(b"no database" * 500)
    assert {r["name"] for r in library.runs()} == {"first", "bad"}
    assert library.run("bad")["state"] == "no learner"
    for ask in (library.curves, library.episodes, library.newest):
        with pytest.raises(StoreError, match="it is not a run store, or it is damaged"):
            ask("bad")


def test_damaged_pictures_are_one_line(library, tmp_path):
    file = tmp_path / "runs" / "first" / "run.sqlite"
    content = bytearray(file.read_bytes())
    at = content.index(bytes([200, 60, 20]) * 10)
    content[at : at + 3] = b"\0\0\0"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="are damaged; restore a backup"):
        [library.frame("first", seq, "wrist", 0) for seq in (1, 21)]


def test_a_run_without_steps(library, tmp_path):
    folder = tmp_path / "runs" / "new"
    RunStore.open(folder, SPEC).close()
    assert library.newest("new") == {"seq": 0, "pictures": {}, "success": [], "rule": ""}
    assert library.episodes("new") == {"episodes": [], "more": False}
    assert library.curves("new")["charts"]


def test_a_learner_goes_on_while_its_run_is_read(library, tmp_path):
    with RunStore.open(tmp_path / "runs" / "first") as store:  # takes the lock: nobody else holds it
        store.add_event("goes on")
        store.flush()
        assert any("goes on" in line for line in Library(tmp_path / "runs").curves("first")["events"])


@pytest.fixture
def classified(library, tmp_path):
    """A classifier that always says 95 %, with a data set and one frame that it was not sure of."""
    shape = (32, 32, 3)
    spec = ClassifierSpec(task="rig", cameras={"side": shape}, hidden=2)
    encoder = plugins.load("encoder", spec.encoder)()
    weights = {f"side/{name}": np.asarray(a, np.float32) for name, a in encoder.init(key(0), shape).items()}
    weights |= {"head/w0": np.zeros((encoder.size(shape), 2), np.float32), "head/b0": np.zeros(2, np.float32)}
    weights |= {"head/w1": np.zeros((2, 2), np.float32), "head/b1": np.array([0.0, 3.0], np.float32)}
    beside = tmp_path / "classifiers" / "rig"
    Classifier(spec=spec, weights=weights).save(beside / "classifier.safetensors")
    FrameStore(beside / "data", Layout(task="rig", cameras={"side": shape})).begin()
    queue.save(beside / "queue", {"side": np.full((32, 32, 3), 70, np.uint8)}, 0.5, "e1")
    env = EnvConfig(cameras=("side",), classifier=str(beside / "classifier.safetensors"))
    save_config(tmp_path / "runs" / "first" / "config.yaml", TrainConfig(task="rig", env=env))
    return beside


def test_the_classifiers_probability_of_stored_steps(library, classified):
    about = library.episode("first", 21)
    assert [step for step, _ in about["success"]] == [0, 1, 2, 3, 4]
    assert all(abs(p - 1 / (1 + np.exp(-3.0))) < 1e-3 for _, p in about["success"])
    assert library.newest("first")["success"] == [[0, pytest.approx(0.9526, abs=1e-3)]]


def test_a_missing_classifier_is_said_and_pictures_stay(library, classified):
    (classified / "classifier.safetensors").unlink()
    about = library.episode("first", 21)
    assert about["success"] == [] and "does not exist" in about["rule"]
    assert library.frame("first", 21, "side", 0)


def test_a_person_labels_an_unsure_frame(library, classified):
    found = library.waiting("first")
    [frame] = found["frames"]
    assert found["classes"] == ["no", "yes"] and frame["p_success"] == 0.5 and frame["cameras"] == ["side"]
    assert abs(int(pixels(library.waiting_frame("first", frame["name"], "side")).mean()) - 70) < 3
    assert library.relabel("first", frame["name"], "yes").startswith("labelled 'yes'")
    assert library.waiting("first")["frames"] == []
    [record] = FrameStore(classified / "data").records()
    assert record.part == "train" and record.wins
    for name in (frame["name"], "../../../etc/passwd"):
        with pytest.raises(ValueError, match="is not in"):
            library.relabel("first", name, "yes")
