import dataclasses
import json
import pathlib

import numpy as np
import pytest
import safetensors.numpy

from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.perception.encoders.conv import Conv
from sandlot.perception.encoders.file import BOUND, TrainedEncoder

SHAPE = (16, 16, 3)
SETTINGS = {"kernels": [4, 2], "strides": [4, 1], "channels": [3, 2]}


def trained(seed: int = 0, latent: int = 4, cameras: tuple[str, ...] = ("wrist", "side")) -> TrainedEncoder:
    """Random weights: what it is trained for is no matter here."""
    rng = np.random.default_rng(seed)
    encoder = Conv(**SETTINGS)
    shapes = encoder.shapes(SHAPE) | {"head.w": (encoder.size(SHAPE), latent), "head.b": (latent,)}
    return TrainedEncoder(
        name="conv",
        settings=SETTINGS,
        shapes=dict.fromkeys(cameras, SHAPE),
        weights={c: {k: rng.standard_normal(s, np.float32) for k, s in shapes.items()} for c in cameras},
        facts={"task": "none"},
    )


def rewritten(path: pathlib.Path, change: dict[str, np.ndarray], **about: str) -> None:
    """The file with some arrays and metadata replaced."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    path.write_bytes(safetensors.numpy.save(safetensors.numpy.load(data) | change, metadata | about))


def test_what_was_saved_says_the_same(tmp_path: pathlib.Path) -> None:
    made, path = trained(), tmp_path / "new" / "e.safetensors"
    made.save(path)
    again = TrainedEncoder.load(path)
    frames = np.random.default_rng(1).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    assert (again.digest, again.shapes, again.facts) == (made.digest, made.shapes, {"task": "none"})
    for camera in ("wrist", "side"):
        np.testing.assert_array_equal(again.encode(camera, frames), made.encode(camera, frames))
    assert again.encode("wrist", frames).shape == (3, again.size("wrist"))
    assert np.abs(again.encode("wrist", frames)).max() <= BOUND


def test_the_digest_is_of_what_decides_the_features() -> None:
    made = trained()
    assert dataclasses.replace(made, facts={"other": 1}).digest == made.digest
    assert trained(seed=1).digest != made.digest
    swapped = {"wrist": made.weights["side"], "side": made.weights["wrist"]}
    assert dataclasses.replace(made, weights=swapped).digest != made.digest


def test_a_file_that_was_changed_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "e.safetensors"
    trained().save(path)
    good = path.read_bytes()
    for change, about, text in [
        (
            {"wrist/bias0": np.ones(3, np.float32)},
            {},
            r"its digest is \w{16}\.\., and \w{16}\.\. was written",
        ),
        ({"wrist/bias0": np.ones(4, np.float32)}, {}, r"'bias0' is float32\[4\] and must be float32\[3\]"),
        ({"wrist/bias0": np.ones(3)}, {}, r"'bias0' is float64\[3\] and must be float32"),
        ({"wrist/bias0": np.full(3, np.inf, np.float32)}, {}, "'bias0' has 3 numbers that are not finite"),
        ({"wrist/more": np.ones(1, np.float32)}, {}, "arrays missing: none; unknown: more"),
        ({"top/bias0": np.ones(1, np.float32)}, {}, r"weights of cameras \['side', 'top', 'wrist'\]"),
        ({}, {"settings": '{"colour": 1}'}, "encoder 'conv' has no setting colour; there are kernels"),
        ({}, {"shapes": "{}"}, r"frame shapes of \[\]"),
        ({}, {"shapes": "[1]"}, "has unusable metadata"),
        ({}, {"encoder": "magic"}, "encoder 'magic' does not exist"),
        ({}, {"format": "other"}, "has format 'other' and this needs 'sandlot-encoder-1'"),
    ]:
        path.write_bytes(good)
        rewritten(path, change, **about)
        with pytest.raises(WeightsError, match=text):
            TrainedEncoder.load(path)


def test_a_file_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "e.safetensors"
    with pytest.raises(StoreError, match="cannot be read"):
        TrainedEncoder.load(path)
    trained().save(path)
    for data in (b"", b"hello", path.read_bytes()[:-1]):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match="is not a whole safetensors file"):
            TrainedEncoder.load(path)


def test_an_array_that_is_missing_is_named() -> None:
    made = trained(cameras=("wrist",))
    del made.weights["wrist"]["kernel1"]
    with pytest.raises(WeightsError, match="camera 'wrist': arrays missing: kernel1"):
        dataclasses.replace(made)


def test_cameras_must_be_the_same() -> None:
    made = trained()
    made.check_cameras({"side": [16, 16, 3], "wrist": (16, 16, 3)})  # type: ignore[dict-item]
    for shapes in ({"wrist": SHAPE}, {"wrist": SHAPE, "side": (32, 32, 3)}, {}):
        with pytest.raises(
            SpecError, match=r"trained on frames side 16x16x3, wrist 16x16x3, and the env has"
        ):
            made.check_cameras(shapes)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder 'none' does not exist; choose one of .*conv, .*resnet10"):
        dataclasses.replace(trained(), name="none")


def with_scene(state_size: int = 2) -> TrainedEncoder:
    rng = np.random.default_rng(3)
    sizes = {"w0": (8 + state_size, 6), "b0": (6,), "w1": (6, 6), "b1": (6,), "w_out": (6, 3), "b_out": (3,)}
    return dataclasses.replace(
        trained(), scene={k: rng.standard_normal(s, np.float32) for k, s in sizes.items()}
    )


def test_a_scene_reads_all_features_and_the_state(tmp_path: pathlib.Path) -> None:
    made, path = with_scene(), tmp_path / "e.safetensors"
    made.save(path)
    again = TrainedEncoder.load(path)
    assert (again.digest, again.features, again.state_size) == (made.digest, 3, 2)
    assert made.digest != trained().digest
    assert (trained().features, trained().state_size) == (8, None)
    frames = {c: np.random.default_rng(1).integers(0, 256, (2, *SHAPE), dtype=np.uint8) for c in made.shapes}
    state = np.array([[0.5, -1.0], [0.0, 2.0]], np.float32)
    x = np.concatenate([made.encode("wrist", frames["wrist"]), made.encode("side", frames["side"]), state], 1)
    h = np.tanh(np.tanh(x @ made.scene["w0"] + made.scene["b0"]) @ made.scene["w1"] + made.scene["b1"])
    wanted = np.clip(h @ made.scene["w_out"] + made.scene["b_out"], -BOUND, BOUND)
    np.testing.assert_allclose(again.look(frames, state), wanted, atol=1e-6)


def test_a_scene_that_does_not_fit_is_refused() -> None:
    made = with_scene()
    with pytest.raises(WeightsError, match=r"the scene: array 'w1' is float32\[6, 5\] and must be"):
        dataclasses.replace(made, scene=made.scene | {"w1": np.zeros((6, 5), np.float32)})
    with pytest.raises(WeightsError, match="the scene: arrays missing: w0"):
        dataclasses.replace(made, scene={k: v for k, v in made.scene.items() if k != "w0"})
