"""The last frames of an episode, for a policy that sees several at once."""

from collections import deque
from typing import Any

import numpy as np


class Frames:
    """Remembers what a policy was shown; the first frame of an episode is repeated until there are enough.

    A policy that sees one frame gets its observation as it is, and nothing is remembered.
    """

    def __init__(self) -> None:
        """Nothing was shown."""
        self._past: dict[str, deque[np.ndarray]] = {}

    def begin(self) -> None:
        """Forgets the episode before."""
        self._past.clear()

    def add(self, obs: dict[str, Any], policy: Any) -> dict[str, Any]:
        """The observation as `policy` wants it: with a `frame_stack` of K > 1 images are [.., K, H, W, C].

        The policy must stay one of the same architecture until `begin`.
        """
        count = getattr(policy, "frame_stack", 1)
        if count == 1:
            return obs
        images = {}
        for camera, frame in obs["images"].items():
            past = self._past.setdefault(camera, deque(maxlen=count))
            past.extend([np.array(frame)] * (1 if past else count))
            images[camera] = np.stack(past, axis=-4)
        return {**obs, "images": images}
