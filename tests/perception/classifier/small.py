"""A tiny classifier and tiny frames: a bright square in the upper half is success."""

import dataclasses

import jax
import numpy as np

from sandlot.learners import plugins
from sandlot.perception.classifier.dataset import Clip, FrameStore, Layout
from sandlot.perception.classifier.model import Classifier, ClassifierSpec

SHAPE = (8, 8, 3)
CAMERAS = {"wrist": SHAPE, "side": SHAPE}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halves:
    """Features without weights: mean of the upper and of the lower half, in 0..1."""

    def size(self, shape):
        return 2

    def shapes(self, shape):
        return {}

    def init(self, key, shape):
        return {}

    def apply(self, params, frames):
        return self.apply_numpy(params, frames)

    def apply_numpy(self, params, frames):
        x = frames.astype("float32") / 255.0
        half = frames.shape[1] // 2
        upper, lower = x[:, :half].mean(axis=(1, 2, 3)), x[:, half:].mean(axis=(1, 2, 3))
        if isinstance(x, np.ndarray):
            return np.stack([upper, lower], 1)
        return jax.numpy.stack([upper, lower], 1)


plugins.register("encoder", "halves", f"{__name__}:Halves")


def picture(value, rng=None):
    """Upper half as bright as `value` in 0..1, lower half mid grey with a little noise."""
    rng = rng or np.random.default_rng(0)
    frame = np.full(SHAPE, 100, np.uint8)
    frame[:4] = int(255 * value)
    return np.clip(frame + rng.integers(-6, 7, SHAPE), 0, 255).astype(np.uint8)


def read(data):
    """All frames of a set, which stay on the disk until they are asked for."""
    return {camera: frames[:] for camera, frames in data.frames.items()}


def make(enter=0.9, leave=0.4, debounce=2, **changes):
    """A classifier by hand: log odds of success are 40 x (mean upper brightness of both cameras - 0.5)."""
    w0 = np.zeros((4, 2), np.float32)
    w0[[0, 2], 0] = 0.5
    weights = {
        "head/w0": w0,
        "head/b0": np.float32([0.0, 1.0]),
        "head/w1": np.float32([[0.0, 40.0], [0.0, -20.0]]),
        "head/b1": np.zeros(2, np.float32),
    }
    settings = {"task": "arm_pick", "cameras": CAMERAS, "encoder": "halves", "hidden": 2} | changes
    spec = ClassifierSpec(enter=(enter,), leave=(leave,), debounce=debounce, **settings)
    return Classifier(spec=spec, weights=weights)


def fill(folder, *, episodes=12, frames=20, seed=0, layout=None):
    """Episodes that end well, but for every fourth; brightness rises towards the end."""
    rng = np.random.default_rng(seed)
    store = FrameStore(folder, layout or Layout("arm_pick", CAMERAS))
    clips = []
    for k in range(episodes):
        good = k % 4 != 3
        labels = np.zeros(frames, np.uint8)
        labels[frames // 2 :] = good
        values = np.where(labels > 0, rng.uniform(0.65, 1.0, frames), rng.uniform(0.0, 0.4, frames))
        images = {c: np.stack([picture(v, rng) for v in values]) for c in CAMERAS}
        clips.append(Clip(f"e{seed}-{k}", images, labels, np.zeros(frames, bool)))
    store.add(clips)
    return store
