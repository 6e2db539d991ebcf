"""How an encoder is made."""

import dataclasses
import json
import math
from typing import Literal, get_args

from sandlot.learners.errors import ConfigError

MethodName = Literal["blobs", "iql", "reconstruct", "contrastive", "bc", "truth"]
BLOBS = "blobs"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """How to make an encoder.

    Attributes:
        method: what it is trained for: one or several of iql, reconstruct, contrastive, bc and truth
            together; or blobs, which finds colours and has nothing to train.
        encoder: the network, conv or resnet10; blobs is its own.
        settings: of the network, as a JSON object, e.g. {"filters": 32}.
        latent: numbers a camera that an env with this encoder observes.
        steps: gradient steps.
        batch_size: transitions in each.
        lr: Adam's step size; it falls to zero along half a cosine.
        shift_px: frames are moved at random by up to so many pixels.
        held_out: share of the episodes that is not trained on.
        seed: of everything random.
        scene: put a small network behind the features, which says where the hand will first act: learned from
            demonstrations in hindsight, and from play's lying still. Three numbers are then observed.
    """

    method: tuple[MethodName, ...] = ("blobs",)
    encoder: str = "conv"
    settings: str = "{}"
    latent: int = 32
    steps: int = 3000
    batch_size: int = 128
    lr: float = 1e-3
    shift_px: int = 1
    held_out: float = 0.2
    seed: int = 0
    scene: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.method if name not in get_args(MethodName)]
        if unknown or not self.method or (BLOBS in self.method and len(self.method) > 1):
            raise ConfigError(
                f"--method {' '.join(self.method) or 'nothing'}: choose {BLOBS} alone, or from "
                f"{', '.join(name for name in get_args(MethodName) if name != BLOBS)}"
            )
        shares = 0 < self.held_out < 1 and 0 < self.lr < math.inf
        if (
            min(self.latent, self.steps, self.batch_size) < 1
            or min(self.seed, self.shift_px) < 0
            or not shares
        ):
            raise ConfigError(
                f"latent={self.latent}, steps={self.steps} and batch_size={self.batch_size} must be at "
                f"least 1, seed={self.seed} and shift_px={self.shift_px} at least 0, lr={self.lr:g} a number "
                f"above 0 and held_out={self.held_out:g} between 0 and 1"
            )
        try:
            made = json.loads(self.settings)
        except ValueError as error:
            raise ConfigError(f"--settings {self.settings!r} is not JSON: {error}") from error
        if not isinstance(made, dict):
            raise ConfigError(
                f"--settings {self.settings!r} must be a JSON object, e.g. '{{\"filters\": 32}}'"
            )
