"""Learning: it finds what the frames show, measures on what it never saw, and refuses what cannot teach."""

import dataclasses

import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS, fill, make, read

from sandlot.learners.errors import ConfigError, SpecError
from sandlot.perception.classifier import Classifier, report
from sandlot.perception.classifier.dataset import Clip, FrameStore, Layout
from sandlot.perception.classifier.model import reached
from sandlot.perception.classifier.train import LearnConfig, answers, train

QUICK = LearnConfig(
    encoder="halves",
    hidden=8,
    updates=120,
    batch=32,
    lr=2e-2,
    shift_px=0,
    light=0.0,
    check_every=40,
    least=10,
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    history = []
    store = fill(tmp_path_factory.mktemp("data"), episodes=20)
    return store, train(store, QUICK, show=history.append), history


def test_it_learns_and_says_how_well_on_held_out_episodes(learned):
    store, classifier, history = learned
    (stage,) = classifier.spec.figures["stages"]
    assert stage["stage"] == "yes"
    assert stage["precision"] >= 0.99
    assert stage["recall"] >= 0.95
    assert stage["frames"] == len(store.load("test"))
    assert stage["calibration_error"] < 0.1
    assert classifier.spec.examples["train/yes"] == store.load("train").count()[1]
    assert history[-1].validation_loss < history[0].validation_loss + 1e-9
    assert 0.5 <= classifier.spec.enter[0] < 1.0
    assert 0.0 < classifier.spec.leave[0] < classifier.spec.enter[0]


def test_the_actors_numpy_says_what_jax_says(learned, tmp_path):
    store, classifier, _ = learned
    classifier.save(tmp_path / "c.safetensors")
    loaded, data = Classifier.load(tmp_path / "c.safetensors"), store.load("test")
    np.testing.assert_allclose(loaded.logits(read(data)), answers(classifier, data), rtol=2e-4, atol=2e-4)


def test_conv_learns_too_and_its_file_acts_without_jax(tmp_path):
    cameras = {"wrist": (24, 24, 3)}
    store = FrameStore(tmp_path, Layout("arm_pick", cameras))
    rng = np.random.default_rng(0)
    for k in range(15):
        labels = np.repeat([0, k % 3 != 2], 10).astype(np.uint8)
        frames = rng.integers(90, 110, (20, 24, 24, 3)).astype(np.uint8)
        frames[labels == 1, 2:8, 2:8] += 120
        store.add([Clip(f"e{k}", {"wrist": frames}, labels, np.zeros(20, bool))])
    config = dataclasses.replace(QUICK, encoder="conv", batch=16, updates=40, lr=3e-3, shift_px=1, light=0.1)
    classifier = train(store, config)
    assert classifier.spec.figures["stages"][0]["recall"] >= 0.95
    test = store.load("test")
    np.testing.assert_allclose(classifier.logits(read(test)), answers(classifier, test), rtol=1e-2, atol=1e-2)


def test_learning_on_starts_from_the_file(learned):
    store, classifier, _ = learned
    on = train(store, dataclasses.replace(QUICK, updates=1, check_every=1, lr=1e-9), start=classifier)
    p, q = (reached(answers(one, store.load("test"))) for one in (classifier, on))
    np.testing.assert_allclose(p > 0.5, q > 0.5)
    for name, array in classifier.weights.items():  # also how far it leans towards the more frequent class
        np.testing.assert_allclose(on.weights[name], array, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"encoder": "conv"}, "encoder=conv, .* has halves"), ({"hidden": 3}, "hidden=3, .* has 2")],
)
def test_learning_on_with_another_network_is_refused(tmp_path, change, words):
    config = dataclasses.replace(QUICK, **({"encoder": "", "hidden": 0} | change))
    with pytest.raises(ConfigError, match=f"{words}; leave it out, or start from new weights with --fresh"):
        train(fill(tmp_path), config, start=make())


def test_an_encoder_may_be_finer_than_the_usual_one(tmp_path):
    finer = ("kernels=[2, 2]", "strides=[2, 1]", "channels=[2, 4]")
    config = dataclasses.replace(QUICK, encoder="conv", encoder_settings=finer, updates=1)
    store = fill(tmp_path)
    train(store, config).save(tmp_path / "found")
    found = Classifier.load(tmp_path / "found")
    assert found.spec.settings["strides"] == [2, 1] and found.encoder.channels == (2, 4)
    on = dataclasses.replace(config, encoder="", hidden=0)
    assert train(store, on, start=found).encoder == found.encoder  # the same settings may be said again
    with pytest.raises(ConfigError, match="settings=.*1, 1.*has .*2, 1.*leave it out"):
        train(store, dataclasses.replace(on, encoder_settings=("strides=[1, 1]", *finer[::2])), start=found)
    with pytest.raises(ConfigError, match="'conv' cannot be made with settings .'stride=1'"):
        train(store, dataclasses.replace(config, encoder_settings=("stride=1",)))


def test_stages_have_a_threshold_each(tmp_path):
    store = FrameStore(tmp_path, Layout("arm_pick", CAMERAS, ("no", "held", "placed")))
    source = fill(tmp_path / "two", episodes=24).load("train")
    rng = np.random.default_rng(0)
    for k in range(20):
        labels = np.repeat([0, 1, 2], 10).astype(np.uint8)
        values = 0.1 + 0.35 * labels + rng.uniform(0, 0.1, 30)
        frames = np.full((30, 8, 8, 3), 100, np.uint8)
        frames[:, :4] = (255 * values).astype(np.uint8)[:, None, None, None]
        store.add([Clip(f"e{k}", dict.fromkeys(CAMERAS, frames), labels, np.zeros(30, bool))])
    classifier = train(store, dataclasses.replace(QUICK, updates=300))
    assert [s["stage"] for s in classifier.spec.figures["stages"]] == ["held", "placed"]
    assert all(s["precision"] >= 0.95 and s["recall"] >= 0.9 for s in classifier.spec.figures["stages"])
    assert len(source)  # two classes and three do not mix:
    with pytest.raises(SpecError, match="train a fresh one"):
        train(store, QUICK, start=make())


def test_an_empty_class_and_too_few_examples_are_refused(tmp_path):
    store = fill(tmp_path, episodes=12)
    with pytest.raises(ConfigError, match="class 'yes' has 50 frames in the train episodes and 90"):
        train(store, dataclasses.replace(QUICK, least=90))
    empty = FrameStore(tmp_path / "none", Layout("arm_pick", CAMERAS))
    data = store.load("train")
    for k in range(9):
        empty.add([Clip(f"e{k}", read(data), 0 * data.labels, data.hard)])
    with pytest.raises(ConfigError, match="class 'yes' has 0 frames in the train episodes"):
        train(empty, QUICK)


@pytest.mark.parametrize("value", [0, 128])
def test_black_or_grey_frames_are_refused(tmp_path, value):
    store, data = FrameStore(tmp_path, Layout("arm_pick", CAMERAS)), fill(tmp_path / "good").load("train")
    for k in range(9):
        blank = read(data) | {"side": 0 * data.frames["side"][:] + np.uint8(value)}
        store.add([Clip(f"e{k}", blank, data.labels, data.hard)])
    with pytest.raises(ConfigError, match="camera 'side' shows nothing in 100% of the training frames"):
        train(store, QUICK)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="debounce=1 must be at least 2"):
        LearnConfig(debounce=1)
    with pytest.raises(ConfigError, match="light is in"):
        LearnConfig(light=1.0)


@pytest.mark.parametrize("lr", [0.0, float("nan"), float("inf")])
def test_a_step_size_that_would_spoil_the_weights_is_refused(lr):
    with pytest.raises(ConfigError, match="lr a number above 0"):
        LearnConfig(lr=lr)


@pytest.mark.parametrize("name", ["seed", "shift_px"])
def test_a_negative_seed_or_shift_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name}=-1 must be at least 0"):
        LearnConfig(**{name: -1})


@pytest.mark.parametrize(
    ("precision", "recall", "words"),
    [
        (0.99, 0.95, ""),
        (0.98, 0.95, "precision=0.9800 asked=0.99"),
        (1.0, 0.4, "recall=0.4000"),
        (None, 0.0, "precision=- "),
    ],
)
def test_a_classifier_that_should_not_be_trusted_is_said(precision, recall, words):
    stages = [{"stage": "yes", "precision": precision, "recall": recall}]
    said = report.doubts(stages, 0.99)
    assert bool(said) == bool(words) and words in said
    assert not said or said.endswith("collect more episodes, and look at mistakes.png")


def test_the_report_shows_figures_and_the_worst_mistakes(learned, tmp_path):
    store, classifier, history = learned
    stages = report.write(tmp_path, classifier, store.load("test"), history)
    assert stages == classifier.spec.figures["stages"]
    page = (tmp_path / "report.html").read_text()
    assert "Reliability of" in page
    assert "None." in page
    assert not (tmp_path / "mistakes.png").exists()
    weights = classifier.weights | {"head/b1": np.float32([50.0, 0.0])}
    deaf, data = Classifier(spec=classifier.spec, weights=weights), store.load("test")
    found = report.worst(deaf, data, reached(answers(deaf, data)), most=7)
    assert 0 < len(found) <= 7
    assert all(tile.good and "is yes" in tile.text for tile in found)
    report.write(tmp_path, deaf, data)
    assert (tmp_path / "mistakes.png").read_bytes().startswith(b"\x89PNG")
