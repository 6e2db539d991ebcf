"""The classifier's file: what it holds, and every way in which it is refused."""

import msgspec
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from tests.perception.classifier.small import CAMERAS, SHAPE, make, picture

from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.perception.classifier import Classifier
from sandlot.perception.classifier.model import reached


@pytest.fixture
def path(tmp_path):
    make().save(tmp_path / "c.safetensors")
    return tmp_path / "c.safetensors"


def frames(value):
    return {camera: picture(value)[None] for camera in CAMERAS}


def rewrite(path, *, weights=None, **metadata):
    """The same file with other content and the old digest."""
    with safetensors.safe_open(path, "numpy") as file:
        kept = file.metadata()
    arrays = safetensors.numpy.load_file(path) | (weights or {})
    path.write_bytes(safetensors.numpy.save(arrays, kept | metadata))


def test_a_file_says_the_same_as_what_was_saved(path):
    loaded, made = Classifier.load(path), make()
    assert loaded.spec == made.spec
    assert loaded.digest == made.digest
    np.testing.assert_array_equal(loaded.logits(frames(0.8)), made.logits(frames(0.8)))


def test_its_word_follows_the_frames_and_the_temperature():
    assert reached(make().logits(frames(0.9)))[0, 0] > 0.99
    assert reached(make().logits(frames(0.1)))[0, 0] < 0.01
    cool, warm = (make(temperature=t).logits(frames(0.6)) for t in (1.0, 4.0))
    np.testing.assert_allclose(warm, cool / 4.0)


def test_stages_are_reached_from_the_last_one_down():
    np.testing.assert_allclose(reached(np.log([0.2, 0.5, 0.3])), [0.8, 0.3])


def test_integers_for_thresholds_do_not_change_the_digest(tmp_path):
    spec = msgspec.structs.replace(make().spec, temperature=1, figures={"stages": [1]})
    Classifier(spec=spec, weights=make().weights).save(tmp_path / "c.safetensors")
    assert Classifier.load(tmp_path / "c.safetensors").spec.temperature == 1.0


def test_changed_weights_have_another_digest(path):
    rewrite(path, weights={"head/b1": np.float32([9.0, 0.0])})
    with pytest.raises(WeightsError, match="has digest .* it was changed or damaged"):
        Classifier.load(path)


def test_a_changed_threshold_is_noticed(path):
    spec = msgspec.structs.replace(make().spec, enter=(0.5,))
    rewrite(path, spec=msgspec.json.encode(spec, order="deterministic").decode())
    with pytest.raises(WeightsError, match="has digest"):
        Classifier.load(path)


def test_a_wrong_shape_is_named(path):
    rewrite(path, weights={"head/w0": np.zeros((3, 2), np.float32)})
    with pytest.raises(WeightsError, match=r"'head/w0' is \(3, 2\), but cameras .* need \(4, 2\)"):
        Classifier.load(path)


def test_numbers_that_are_not_finite_are_refused(path):
    rewrite(path, weights={"head/b1": np.float32([np.nan, 0.0])})
    with pytest.raises(WeightsError, match="'head/b1' is not finite float32"):
        Classifier.load(path)


def test_another_file_is_no_classifier(path, tmp_path):
    rewrite(path, format="sandlot-policy-1")
    with pytest.raises(WeightsError, match="format is 'sandlot-policy-1'"):
        Classifier.load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="damaged or no classifier"):
        Classifier.load(path)
    with pytest.raises(StoreError, match="does not exist; `sandlot classifier train` writes one"):
        Classifier.load(tmp_path / "none.safetensors")


def test_a_setting_that_its_encoder_does_not_have_is_named(path):
    spec = msgspec.to_builtins(make().spec) | {"settings": {"colours": 3}}
    metadata = {"format": "sandlot-classifier-1", "spec": msgspec.json.encode(spec).decode(), "digest": "0"}
    path.write_bytes(safetensors.numpy.save(make().weights, metadata))
    with pytest.raises(
        WeightsError, match="damaged or no classifier .*unexpected keyword argument 'colours'"
    ):
        Classifier.load(path)


def test_other_cameras_and_another_task_are_refused():
    with pytest.raises(SpecError, match="camera 'side' must be .* and is not observed; observe"):
        make().matches("arm_pick", {"wrist": SHAPE})
    with pytest.raises(SpecError, match=r"must be \[8, 8, 3\] and is \[16, 16, 3\]"):
        make().matches("arm_pick", {"wrist": SHAPE, "side": (16, 16, 3)})
    with pytest.raises(SpecError, match="trained for task 'arm_pick', not for 'arm_insert'"):
        make().matches("arm_insert", CAMERAS)
    make().matches("arm_pick", CAMERAS | {"another": (4, 4, 3)})


def test_another_crop_is_refused_where_both_are_known(tmp_path):
    whole, cropped = (-0.5, -0.5, 0.5, 0.5), (-0.25, -0.3, 0.25, 0.2)
    made = make(crops={"wrist": cropped})
    made.save(tmp_path / "c.safetensors")
    loaded = Classifier.load(tmp_path / "c.safetensors")
    for one in (made, loaded):
        with pytest.raises(SpecError, match=r"camera 'wrist' was cropped to \[-0.25, .* give the --camera"):
            one.matches("arm_pick", CAMERAS, {"wrist": whole})
        one.matches("arm_pick", CAMERAS, {"wrist": tuple(side + 0.001 for side in cropped), "side": whole})
        one.matches("arm_pick", CAMERAS)  # a robot on ROS
    make().matches("arm_pick", CAMERAS, {"wrist": cropped})  # a file of before
    assert made.digest != make().digest


def test_a_file_without_crops_keeps_its_digest():
    assert b"crops" not in make().to_bytes() and b"crops" in make(crops={}).to_bytes()


def test_frames_of_another_size_are_refused():
    with pytest.raises(SpecError, match="camera 'side' gives missing"):
        make().logits({"wrist": picture(0.5)[None]})
    with pytest.raises(SpecError, match=r"gives \(4, 8, 3\), the classifier was trained on \(8, 8, 3\)"):
        make().logits({"wrist": picture(0.5)[None, :4], "side": picture(0.5)[None]})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"debounce": 1}, "a single frame must never be a reward"),
        ({"enter": 0.3, "leave": 0.4}, "0 < leave < enter < 1"),
        ({"classes": ("no", "no")}, "two or more different names"),
        ({"classes": ("no", "held", "yes")}, "one threshold a stage"),
        ({"temperature": 0.0}, "a positive number"),
    ],
)
def test_what_cannot_be_believed_is_refused(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        make(**changes)
