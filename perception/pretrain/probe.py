"""How much of the robot and of the scene linear regression finds in the features.

A ridge regression is fitted on the training episodes' features and judged on held-out episodes. For what only
a simulation knows, the robot's own state is given beside the features, as an agent has it too.
"""

import re
from typing import Any

import numpy as np

from sandlot.learners.schema import Entry
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.pretrain.data import TRUTH, Recording

RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
AT_ONCE = 256
MM = 1000.0


def features(encoder: TrainedEncoder, recording: Recording) -> np.ndarray:
    """What an env with this encoder would observe in place of the frames, float32 [M, sum of K]."""
    found = []
    for camera in recording.shapes:
        frames = recording.frames[camera]
        parts = np.array_split(frames, -(-len(frames) // AT_ONCE))
        found.append(np.concatenate([encoder.encode(camera, part) for part in parts]))
    if encoder.scene:
        return encoder.scene_of(found, recording.state)
    return np.concatenate(found, axis=1)


def probe(encoder: TrainedEncoder, recording: Recording, held_out: float, seed: int) -> dict[str, Any]:
    """Held-out R^2 by state entry (of features alone) and by what the simulation knows, with errors in mm."""
    train, held = recording.split(held_out, seed)
    z = features(encoder, recording)
    found: dict[str, Any] = {}
    for entry, values in _entries(recording.spec.state, recording.state):
        said = ridge(z[train], values[train], z[held])
        found[entry.name] = {"r2": r2(said, values[held])}
    both = np.concatenate([z, recording.state], axis=1)
    known = np.isfinite(recording.truth).all(1) if recording.truth.size else np.zeros(len(z), bool)
    if (known & train).sum() > 1 and (known & held).sum() > 1:
        for entry, values in _entries(recording.truth_entries, recording.truth):
            said = ridge(both[known & train], values[known & train], both[known & held])
            found[entry.name] = {
                "r2": r2(said, values[known & held]),
                **_errors(said - values[known & held], entry),
            }
    return found


def said(found: dict[str, Any]) -> dict[str, Any]:
    """The probe in one line a figure."""
    own = [v["r2"] for k, v in found.items() if not k.startswith(TRUTH) and v["r2"] is not None]
    short: dict[str, Any] = {"r2_of_the_robots_state": round(float(np.mean(own)), 3) if own else None}
    for name, value in found.items():
        if name.startswith(TRUTH):
            rounded = None if value["r2"] is None else round(value["r2"], 3)
            short[f"r2_of_{name.removeprefix(TRUTH)}"] = rounded
        if "median_mm" in value:
            short[f"{name.removeprefix(TRUTH)}_median_mm"] = round(value["median_mm"], 1)
            short[f"{name.removeprefix(TRUTH)}_p90_mm"] = round(value["p90_mm"], 1)
    return short


def ridge(x: np.ndarray, y: np.ndarray, ask: np.ndarray) -> np.ndarray:
    """Answers float64 [Q, T] of a ridge regression; its strength is chosen on a fifth of the rows."""
    cut = max(1, len(x) * 4 // 5)
    errors = [np.square(_fit(x[:cut], y[:cut], x[cut:], r) - y[cut:]).sum() for r in RIDGES]
    return _fit(x, y, ask, RIDGES[int(np.argmin(errors))])


def _fit(x: np.ndarray, y: np.ndarray, ask: np.ndarray, strength: float) -> np.ndarray:
    mean, deviation, middle = x.mean(0), x.std(0) + 1e-6, y.mean(0)
    a = ((x - mean) / deviation).astype(np.float64)
    gram = a.T @ a + strength * len(a) * 1e-2 * np.eye(a.shape[1])
    return ((ask - mean) / deviation) @ np.linalg.solve(gram, a.T @ (y - middle)) + middle


def r2(said: np.ndarray, values: np.ndarray) -> float | None:
    """1 - residual / variance, over all numbers of an entry that vary; None when hardly any does."""
    varies = values.std(0) > 1e-3
    if not varies.any():
        return None
    rest = np.square(said - values)[:, varies].sum(0) / np.square(values - values.mean(0))[:, varies].sum(0)
    return float(1.0 - rest.mean())


def _errors(error: np.ndarray, entry: Entry) -> dict[str, float]:
    """Lengths of errors [n, T] in mm, for an entry whose unit is a number of metres."""
    unit = re.match(r"([\d.e-]+) m(?![/\w])", entry.unit)
    if unit is None:
        return {}
    length = np.linalg.norm(error, axis=1) * float(unit[1]) * MM
    return {"median_mm": float(np.median(length)), "p90_mm": float(np.quantile(length, 0.9))}


def _entries(entries: tuple[Entry, ...], values: np.ndarray) -> list[tuple[Entry, np.ndarray]]:
    """Each entry with its columns."""
    ends = np.cumsum([0, *(e.size for e in entries)])
    return [(e, values[:, a:b]) for e, a, b in zip(entries, ends, ends[1:], strict=False)]
