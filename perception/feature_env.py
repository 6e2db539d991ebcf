"""`FeatureEnv`: a frozen encoder looks at the frames, and its features are observed in their place.

Learning from cameras then costs what learning from state costs, and a stored step is some hundred bytes
instead of some ten thousand. What cannot be undone: the encoder no longer changes, and the frames are gone.
"""

import logging
from typing import Any

import gymnasium as gym
import msgspec
import numpy as np
from gymnasium import spaces

from sandlot.learners import envs
from sandlot.learners.errors import SpecError, WeightsError
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.perception.encoders.file import BOUND, TrainedEncoder

log = logging.getLogger(__name__)

Obs = dict[str, Any]
PREFIX = "features."


class FeatureEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An env whose `state` ends with `features.CAMERA` of each camera, or `features.scene`, without images.

    Every frame is encoded once, in the step that brings it. The entries name the encoder's digest, so that
    data and policies of another encoder are refused as those of another env.

    Args:
        env: one with cameras.
        path: file of an encoder that was trained for exactly these cameras and frame sizes.

    Raises:
        StoreError: the file cannot be read.
        WeightsError: it holds no usable encoder.
        SpecError: it was trained for other cameras or sizes.
    """

    def __init__(self, env: envs.Env, path: str) -> None:
        super().__init__(env)
        self.encoder = TrainedEncoder.load(path)
        inner = envs.env_spec(env)
        try:
            self.encoder.check_cameras(inner.images)
        except SpecError as error:
            raise SpecError(f"encoder '{path}' and task '{inner.task}' do not fit: {error}") from error
        if self.encoder.state_size not in (None, inner.state_size):
            raise SpecError(
                f"encoder '{path}' reads {self.encoder.state_size} numbers of the robot's state, and task "
                f"'{inner.task}' has {inner.state_size}; train one on recordings of this task"
            )
        self._cameras = tuple(inner.images)
        self.env_spec = feature_spec(inner, self.encoder)
        inside = env.observation_space["state"]  # type: ignore[index]
        size = self.env_spec.state_size - inner.state_size
        low, high = (np.append(a, np.full(size, b)) for a, b in ((inside.low, -BOUND), (inside.high, BOUND)))
        self.observation_space = spaces.Dict(
            {
                "state": spaces.Box(low.astype(np.float32), high.astype(np.float32)),
                "images": spaces.Dict({}),
            }
        )
        log.info(
            "event=encoder task=%s path=%s digest=%s features=%d", inner.task, path, self.encoder.digest, size
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        return self.encoded(obs), info

    def step(self, action: np.ndarray) -> tuple[Obs, Any, bool, bool, dict[str, Any]]:
        """Does one action."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self.encoded(obs), reward, terminated, truncated, info

    def encoded(self, obs: Obs) -> Obs:
        """The observation with features in place of its frames."""
        frames = {camera: obs["images"][camera][None] for camera in self._cameras}
        if self.encoder.scene:
            seen = {"scene": self.encoder.look(frames, obs["state"][None])[0]}
        else:
            seen = {camera: self.encoder.encode(camera, frames[camera])[0] for camera in self._cameras}
        for name, features in seen.items():
            if not np.isfinite(features).all():
                raise WeightsError(f"the encoder's features of '{name}' are not finite; train it again")
        return {"state": np.concatenate([obs["state"], *seen.values()]).astype(np.float32), "images": {}}


def feature_spec(spec: EnvSpec, encoder: TrainedEncoder) -> EnvSpec:
    """The spec with features in place of images."""
    unit = f"1 deviation, {encoder.name} {encoder.digest[:16]}"
    sizes = {camera: encoder.size(camera) for camera in spec.images}
    sizes = {"scene": encoder.features} if encoder.scene else sizes
    features = [Entry(f"{PREFIX}{name}", size, unit, name, -BOUND, BOUND) for name, size in sizes.items()]
    return msgspec.structs.replace(spec, state=(*spec.state, *features), images={}).check()
