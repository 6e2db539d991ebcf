"""The noise of a picture: a real camera's is never quiet, and one that repeats itself is broken."""

import numpy as np

SHARE = 1.0 / 16.0
"""Of a picture's numbers whose lowest bit flips; frames still compress well."""
STARTS = 1 << 16


class Grain:
    """Flips lowest bits: drawn once, and looked up from another place for every picture."""

    def __init__(self, most: int) -> None:
        """For pictures of at most so many numbers."""
        self._flips = (np.random.default_rng(0).random(most + STARTS, np.float32) < SHARE).astype(np.uint8)

    def on(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture uint8 with grain, a fresh array; takes one number of `rng`."""
        start = int(rng.integers(STARTS))
        return pixels ^ self._flips[start : start + pixels.size].reshape(pixels.shape)
