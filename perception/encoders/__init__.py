"""Encoders: from camera frames to a few hundred numbers; what they are trained for is decided elsewhere.

An encoder is a frozen dataclass of settings with `init`, `apply`, `apply_numpy` and `size` (see `Encoder`);
its weights are a flat dict of arrays. No environment, no replay and no agent here.
"""

from sandlot.perception.encoders.base import Encoder

__all__ = ["Encoder"]
