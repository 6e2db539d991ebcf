"""A data set's statistics: of every feature and episode, and of all together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sandlot.robots.recording.lerobot_format import sampled

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
MOST_PX = 150
Stats = dict[str, np.ndarray]


def of_numbers(values: np.ndarray) -> Stats:
    """Statistics of [n] or [n, k] over n, each [1] or [k]; `count` is [1]."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    quantiles = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": rows.mean(axis=0),
        "std": rows.std(axis=0),
        "count": np.array([len(rows)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def of_images(frames: np.ndarray) -> Stats:
    """Statistics of uint8 [n, H, W, 3] by channel, in [0, 1], each [3, 1, 1], of a sample of pixels."""
    stride = max(1, round(max(frames.shape[1:3]) / MOST_PX))
    chosen = frames[sampled(len(frames)), ::stride, ::stride]
    stats = of_numbers(chosen.reshape(-1, chosen.shape[-1]))
    scaled = {name: (values / 255.0).reshape(-1, 1, 1) for name, values in stats.items() if name != "count"}
    return scaled | {"count": np.array([len(chosen)])}


def together(parts: Sequence[Stats]) -> Stats:
    """Statistics of everything from those of its parts; quantiles are the parts' weighted mean."""
    counts = np.array([part["count"][0] for part in parts], np.float64)

    def weighted(name: str) -> np.ndarray:
        return np.tensordot(counts / counts.sum(), np.stack([p[name] for p in parts]), axes=1)

    mean = weighted("mean")
    spread = np.stack([p["std"] ** 2 + (p["mean"] - mean) ** 2 for p in parts])
    return {
        "min": np.stack([p["min"] for p in parts]).min(axis=0),
        "max": np.stack([p["max"] for p in parts]).max(axis=0),
        "mean": mean,
        "std": np.sqrt(np.tensordot(counts / counts.sum(), spread, axes=1)),
        "count": np.array([int(counts.sum())]),
        **{name: weighted(name) for name in QUANTILES},
    }


def as_json(stats: dict[str, Stats]) -> dict[str, Any]:
    """Lists in place of arrays."""
    return {feature: {k: v.tolist() for k, v in values.items()} for feature, values in stats.items()}
