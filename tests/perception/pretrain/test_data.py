import pathlib
from typing import Any

import numpy as np
import pytest
from tests.perception.pretrain.world import SHAPE, SPEC, Square, record

from sandlot.learners import envs
from sandlot.learners.demos import DemosConfig, _successes, save_demos
from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.learners.schema import Entry
from sandlot.learners.store import RunStore
from sandlot.perception.pretrain import data


def test_frames_and_transitions_come_out_as_they_were(play: str) -> None:
    r = data.read([play])
    assert r.spec.fingerprint == SPEC.fingerprint  # the truth is no part of what is observed
    assert r.truth_entries == (Entry("truth.square", 2, "0.1 m"),)
    assert r.frames["eye"].shape == (len(r.state), *SHAPE)
    assert len(np.unique(r.episode)) == 30
    assert (r.episode[r.obs] == r.episode[r.obs + 1]).all()
    moved = 2.0 * r.action[:, 0]
    hand = 8.0 * (r.state[:, 0] + 1.0)
    np.testing.assert_allclose(hand[r.obs + 1], np.clip(hand[r.obs] + moved, 1, 14), atol=1e-4)
    red = r.frames["eye"][..., 0] == 220
    rows = np.array([np.flatnonzero(one.any(1)).mean() for one in red])
    np.testing.assert_allclose(rows, 100.0 * r.truth[:, 0], atol=1e-4)
    assert not r.shown.any()
    np.testing.assert_array_equal(r.discount == 0, r.reward == 1)


def test_demonstrations_and_play_are_one_recording(play: str, tmp_path: pathlib.Path) -> None:
    env = Square()
    with RunStore.open(tmp_path / "demos", envs.env_spec(env)) as store:
        save_demos(store, _successes(env, DemosConfig(task="square", episodes=3), lambda: False))
    r = data.read([str(tmp_path / "demos"), play])
    shown = np.unique(r.episode[r.obs[r.shown]])
    assert len(shown) == 3
    assert len(np.unique(r.episode)) == 33
    unknown = np.isnan(r.truth).all(1)
    np.testing.assert_array_equal(unknown, np.isin(r.episode, shown))
    assert r.reward[r.shown].sum() == 3


def test_parts_are_whole_episodes_and_the_same_every_time(play: str) -> None:
    r = data.read([play])
    train, held = r.split(0.2, seed=1)
    assert not (set(r.episode[train]) & set(r.episode[held]))
    assert len(np.unique(r.episode[held])) == 6
    np.testing.assert_array_equal(train, r.split(0.2, seed=1)[0])
    with pytest.raises(ConfigError, match="30 episodes cannot be split with 1 of them held out"):
        r.split(1.0, seed=0)


def test_what_cannot_be_read_is_refused(play: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="no recording was named"):
        data.read([])
    with pytest.raises(StoreError, match="holds no run"):
        data.read([str(tmp_path / "none")])
    with pytest.raises(ConfigError, match="has no camera ear; it was recorded with eye"):
        data.read([play], ["ear"])

    class Blind(Square):
        def _obs(self) -> dict[str, Any]:
            seen = super()._obs()
            return seen | {"images": {"eye": np.full_like(seen["images"]["eye"], self.shade)}}

    for shade in (3, 200):
        Blind.shade = shade
        folder = record(tmp_path / f"blind{shade}", 2, Blind())
        with pytest.raises(ConfigError, match="camera 'eye' shows nothing in 100% of the frames"):
            data.read([play, folder])

    class Other(Square):
        def __init__(self) -> None:
            super().__init__()
            self.env_spec = type(SPEC)(**{**{f: getattr(SPEC, f) for f in SPEC.__struct_fields__}, "action": (
                Entry("turn", 1, low=-1, high=1),
            )})  # fmt: skip

    other = record(tmp_path / "other", 2, Other())
    with pytest.raises(SpecError, match="differ in action"):
        data.read([play, other])
