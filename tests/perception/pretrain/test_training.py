import json
import logging
import pathlib

import gymnasium as gym
import numpy as np
import pytest
from tests.perception.pretrain.world import Square

from sandlot import cli
from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.learners.store import RunReader
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.pretrain import PretrainConfig, picture, probe, read, train
from sandlot.perception.pretrain.collect import PlayConfig

TINY = '{"kernels": [2, 1], "strides": [2, 1], "channels": [8, 8]}'


def test_blobs_find_the_square_to_a_fraction_of_a_pixel(play: str) -> None:
    recording = read([play])
    made = train(recording, PretrainConfig(settings='{"colours": 3}'))
    assert made.encoder.size("eye") == 9
    found = probe.probe(made.encoder, recording, 0.2, 0)
    assert found["truth.square"]["r2"] > 0.99
    assert found["truth.square"]["median_mm"] < 0.5  # a pixel is 1 mm
    assert found["hand"]["r2"] > 0.95


def test_reconstruction_and_contrast_lower_their_loss_and_find_the_square(
    play: str, caplog: pytest.LogCaptureFixture
) -> None:
    recording = read([play])
    config = PretrainConfig(
        method=("reconstruct", "contrastive"),
        settings=TINY,
        latent=8,
        steps=150,
        batch_size=32,
        lr=3e-3,
        shift_px=0,
    )
    with caplog.at_level(logging.INFO):
        made = train(recording, config)
    first, last = made.report.curve[0], made.report.curve[-1]
    assert last[1] < 0.7 * first[1]
    assert last[2] < 0.9 * first[2]
    assert "event=pretrain step=147 of=150 loss=" in caplog.text
    z = probe.features(made.encoder, recording)
    is_train, held = recording.split(config.held_out, config.seed)
    np.testing.assert_allclose(z[is_train].mean(0), 0.0, atol=0.1)
    assert z[is_train].std(0).max() == pytest.approx(1.0, abs=0.1)
    assert probe.probe(made.encoder, recording, config.held_out, config.seed)["truth.square"]["r2"] > 0.5
    sheet = picture.draw(made.encoder, made.params, recording, held)
    assert sheet.size[1] == 3 * (picture.CELL_PX + picture.GAP_PX) + picture.GAP_PX  # with a reconstruction


def test_values_and_cloning_take_their_steps(play: str) -> None:
    recording = read([play])
    recording.shown[: len(recording.shown) // 2] = True
    config = PretrainConfig(method=("iql", "bc"), settings=TINY, latent=4, steps=20, batch_size=16, lr=1e-2)
    made = train(recording, config)
    assert made.report.curve[-1][1] < made.report.curve[0][1]
    assert made.encoder.digest != train(recording, PretrainConfig(settings='{"colours": 2}')).encoder.digest


def test_a_loss_that_is_not_finite_ends_it(play: str) -> None:
    recording = read([play])
    recording.state[:] = np.float32(3e38)
    with pytest.raises(WeightsError, match="after 1 steps; try a smaller --lr"):
        train(recording, PretrainConfig(method=("truth",), settings=TINY, latent=2, steps=5, batch_size=4))


def test_settings_that_cannot_be_are_refused(play: str) -> None:
    with pytest.raises(ConfigError, match="--method magic: choose blobs alone, or from iql, reconstruct"):
        PretrainConfig(method=("magic",))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="choose blobs alone"):
        PretrainConfig(method=("blobs", "iql"))
    with pytest.raises(ConfigError, match="latent=0"):
        PretrainConfig(latent=0)
    for wrong in ({"lr": float("nan")}, {"lr": 0.0}, {"seed": -1}):
        with pytest.raises(ConfigError, match="seed=.* at least 0, lr=.* a number above 0"):
            PretrainConfig(**wrong)
    with pytest.raises(ConfigError, match="--settings '{' is not JSON"):
        PretrainConfig(settings="{")
    with pytest.raises(ConfigError, match="encoder 'conv' has no setting colours"):
        train(read([play]), PretrainConfig(method=("bc",), settings='{"colours": 3}'))


def test_play_is_added_in_scenes_of_its_own(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = gym.envs.registration.EnvSpec("sandlot/ArmPick-v0", lambda **_: Square())
    monkeypatch.setitem(gym.registry, "sandlot/ArmPick-v0", spec)
    words = ["pretrain", "collect", "arm_pick", "--cameras", "eye", "--episodes", "2", "--steps", "3"]
    for _ in range(2):
        assert cli.run([*words, "--out", str(tmp_path / "play")]) == 0
        assert "arm_pick: 2 of 2 episodes, " in capsys.readouterr().err
    scenes = {stored.steps["image.eye"][0].tobytes() for stored in RunReader(tmp_path / "play").read()}
    assert len(scenes) == 4
    with pytest.raises(ConfigError, match="seed=-1 not below 0"):
        PlayConfig(seed=-1)


@pytest.mark.parametrize("out", ["e.png", "afile/e.safetensors", "afile/b/e.safetensors", "adir"])
def test_where_nothing_can_be_written_is_known_before_training(
    out: str, play: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "afile").touch()
    (tmp_path / "adir").mkdir()
    assert cli.run(["pretrain", "nowhere", "--out", str(tmp_path / out)]) == 2
    assert f"--out '{tmp_path / out}' " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adir", "afile"]


def test_entries_that_do_not_vary_have_no_r2() -> None:
    still = np.zeros((5, 2))
    assert probe.r2(still, still) is None
    found = {"a": {"r2": None}, "b": {"r2": 0.5}, "truth.x": {"r2": None}}
    assert probe.said(found) == {"r2_of_the_robots_state": 0.5, "r2_of_x": None}
    assert probe.said({"a": {"r2": None}}) == {"r2_of_the_robots_state": None}


def test_ridge_finds_a_plane() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = x @ np.array([[1.0], [-2.0], [0.0]]) + 3.0
    np.testing.assert_allclose(probe.ridge(x, y, np.array([[1.0, 1.0, 5.0]])), [[2.0]], atol=1e-3)
    assert probe.r2(y, y) == 1.0
    assert probe.r2(np.full_like(y, y.mean()), y) == pytest.approx(0.0, abs=1e-9)


def test_the_command_writes_encoder_picture_and_figures(
    play: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "e.safetensors"
    assert cli.run(["pretrain", play, "--out", str(out), "--settings", '{"colours": 3}', "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    encoder = TrainedEncoder.load(out)
    assert result["digest"] == encoder.digest[:16]
    assert result["square_median_mm"] < 0.5
    assert encoder.facts["probe"]["truth.square"]["r2"] > 0.99
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    assert cli.run(["pretrain", str(tmp_path / "nothing")]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert cli.run(["pretrain", "collect", "arm_pick"]) == 2
    assert "name them, e.g. --cameras wrist side" in capsys.readouterr().err
    assert cli.run(["pretrain", "convert", str(out), str(tmp_path / "t.safetensors")]) == 2
    assert "the pickle holds" in capsys.readouterr().err
