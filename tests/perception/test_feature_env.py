import dataclasses
import pathlib
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sandlot.learners import envs
from sandlot.learners.demos import record_episode
from sandlot.learners.errors import SpecError, WeightsError
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.perception.encoders.conv import Conv
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.feature_env import FeatureEnv

SHAPE = (16, 16, 3)
SETTINGS = {"kernels": [4, 2], "strides": [4, 1], "channels": [3, 2]}


class Dot(gym.Env[Any, Any]):
    """A bright square somewhere; the action moves it, three steps make an episode."""

    def __init__(self) -> None:
        self.env_spec = EnvSpec(
            "dot",
            (Entry("speed", 1, low=-1, high=1),),
            {"eye": SHAPE},
            (Entry("move", 1, low=-1, high=1),),
            10.0,
            3,
        )
        box = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = box
        images = spaces.Dict({"eye": spaces.Box(0, 255, SHAPE, np.uint8)})
        self.observation_space = spaces.Dict({"state": box, "images": images})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.at, self.steps = int(self.np_random.integers(0, 12)), 0
        return self._obs(0.0), {"success": False, "options": options}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.at = int(np.clip(self.at + round(float(action[0])), 0, 11))
        done = self.steps == 3
        return self._obs(float(action[0])), float(done), done, False, {"success": done}

    def expert_action(self) -> np.ndarray:
        return np.array([1.0 if self.at < 11 else -1.0], np.float32)

    def _obs(self, speed: float) -> dict[str, Any]:
        frame = np.zeros(SHAPE, np.uint8)
        frame[4:8, self.at : self.at + 4] = 255
        return {"state": np.array([speed], np.float32), "images": {"eye": frame}}


def encoder(seed: int = 0, camera: str = "eye") -> TrainedEncoder:
    rng, network = np.random.default_rng(seed), Conv(**SETTINGS)
    shapes = network.shapes(SHAPE) | {"head.w": (network.size(SHAPE), 5), "head.b": (5,)}
    weights = {camera: {k: 0.3 * rng.standard_normal(s, np.float32) for k, s in shapes.items()}}
    return TrainedEncoder(name="conv", settings=SETTINGS, shapes={camera: SHAPE}, weights=weights)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    encoder().save(tmp_path / "e.safetensors")
    return str(tmp_path / "e.safetensors")


def test_features_stand_where_the_frames_were(path: str) -> None:
    bare, env = Dot(), FeatureEnv(Dot(), path)
    spec = envs.env_spec(env)
    assert [e.name for e in spec.state] == ["speed", "features.eye"]
    assert (spec.images, spec.state_size, spec.task) == ({}, 6, "dot")
    (raw, _), (obs, info) = bare.reset(seed=3), env.reset(seed=3, options={"a": 1})
    assert info["options"] == {"a": 1}
    for action in ([1.0], [-1.0], [1.0]):
        np.testing.assert_array_equal(obs["state"][:1], raw["state"])
        np.testing.assert_array_equal(
            obs["state"][1:], encoder().encode("eye", raw["images"]["eye"][None])[0]
        )
        assert obs["state"] in env.observation_space["state"]
        assert obs["images"] == {}
        raw, *_ = bare.step(np.array(action))
        obs, reward, terminated, truncated, info = env.step(np.array(action))
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_every_frame_is_encoded_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = TrainedEncoder.encode
    monkeypatch.setattr(TrainedEncoder, "encode", lambda *a: calls.append(a[1]) or real(*a))
    env = FeatureEnv(Dot(), path)
    env.reset(seed=0)
    env.step(np.zeros(1))
    assert calls == ["eye", "eye"]


def test_another_encoder_is_another_env(path: str, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.safetensors"
    encoder(seed=1).save(other)
    a, b = (envs.env_spec(FeatureEnv(Dot(), str(p))) for p in (path, other))
    assert a.fingerprint != b.fingerprint
    assert envs.env_spec(FeatureEnv(Dot(), path)).fingerprint == a.fingerprint


def test_the_expert_still_shows_how(path: str) -> None:
    env = FeatureEnv(Dot(), path)
    steps, finals, episode = record_episode(env, envs.env_spec(env), seed=0)
    assert (len(steps), len(finals), episode.success) == (3, 1, True)
    assert steps["state"].shape == (3, 6)
    assert steps.itemsize < 200  # the frame alone had 768


def test_an_encoder_of_other_cameras_is_refused(tmp_path: pathlib.Path) -> None:
    encoder(camera="ear").save(tmp_path / "e.safetensors")
    with pytest.raises(SpecError, match=r"and task 'dot' do not fit: .* frames ear 16x16x3, .* env has eye"):
        FeatureEnv(Dot(), str(tmp_path / "e.safetensors"))


def test_a_feature_that_is_not_finite_never_becomes_an_observation(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = FeatureEnv(Dot(), path)
    monkeypatch.setattr(TrainedEncoder, "encode", lambda *_: np.full((1, 5), np.nan, np.float32))
    with pytest.raises(WeightsError, match="features of 'eye' are not finite"):
        env.reset(seed=0)


def test_an_actor_with_a_conv_encoder_needs_no_jax(path: str) -> None:
    code = (
        "import sys\nfrom sandlot.perception.encoders.file import TrainedEncoder\nimport numpy as np\n"
        f"TrainedEncoder.load({path!r}).encode('eye', np.zeros((1, 16, 16, 3), np.uint8))\n"
        "import sandlot.perception.feature_env\nassert 'jax' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def scene_encoder(state_size: int) -> TrainedEncoder:
    rng = np.random.default_rng(3)
    sizes = {"w0": (5 + state_size, 6), "b0": (6,), "w1": (6, 6), "b1": (6,), "w_out": (6, 2), "b_out": (2,)}
    scene = {k: 0.3 * rng.standard_normal(s, np.float32) for k, s in sizes.items()}
    return dataclasses.replace(encoder(), scene=scene)


def test_a_scene_is_observed_alone(tmp_path: pathlib.Path) -> None:
    made = scene_encoder(1)
    made.save(tmp_path / "e.safetensors")
    env, bare = FeatureEnv(Dot(), str(tmp_path / "e.safetensors")), Dot()
    assert [(e.name, e.size) for e in envs.env_spec(env).state] == [("speed", 1), ("features.scene", 2)]
    (raw, _), (obs, _) = bare.reset(seed=3), env.reset(seed=3)
    wanted = made.look({"eye": raw["images"]["eye"][None]}, raw["state"][None])[0]
    np.testing.assert_array_equal(obs["state"], np.concatenate([raw["state"], wanted]))
    assert obs["state"] in env.observation_space["state"]


def test_a_scene_of_another_state_is_refused(tmp_path: pathlib.Path) -> None:
    scene_encoder(4).save(tmp_path / "e.safetensors")
    with pytest.raises(SpecError, match="reads 4 numbers of the robot's state, and task 'dot' has 1"):
        FeatureEnv(Dot(), str(tmp_path / "e.safetensors"))
