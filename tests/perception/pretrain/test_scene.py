import dataclasses

import numpy as np
import pytest
from tests.perception.pretrain.world import SPEC

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry
from sandlot.perception.pretrain import data, scene

ENTRIES = (Entry("tool_position", 3, "0.1 m"), Entry("gripper_command", 1))


def recording(hand: list[list[float]], place: list[list[float]], shown: list[bool]) -> data.Recording:
    """Episodes of one length each; `place` is the tool's x, y and z are 0."""
    length, count = len(hand[0]), len(hand)
    frames = length * count
    state = np.zeros((frames, 4), np.float32)
    state[:, 0], state[:, 3] = np.ravel(place), np.ravel(hand)
    obs = np.concatenate([np.arange(length - 1) + length * k for k in range(count)])
    return data.Recording(
        spec=type(SPEC)("t", ENTRIES, SPEC.images, SPEC.action, 10.0, 20),
        truth_entries=(),
        frames={"eye": np.zeros((frames, 16, 16, 3), np.uint8)},
        state=state,
        truth=np.zeros((frames, 0), np.float32),
        episode=np.repeat(np.arange(count), length),
        obs=obs,
        action=np.zeros((len(obs), 1), np.float32),
        reward=np.zeros(len(obs), np.float32),
        discount=np.ones(len(obs), np.float32),
        shown=np.repeat(shown, length - 1),
    )


def test_hindsight_by_hand() -> None:
    """The hand closes in the third frame, at 5: from 1 that is 4 ahead; from then on it is here."""
    r = recording([[1, 1, -1, -1], [1, 1, 1, 1]], [[1, 3, 5, 7], [0, 1, 2, 2]], [True, False])
    goal, known = scene.hindsight(r)
    np.testing.assert_allclose(goal[:4, 0], scene.SCALE * np.array([4.0, 2.0, 0.0, 0.0]))
    np.testing.assert_array_equal(known, [True] * 4 + [False] * 4)
    assert not goal[:, 1:].any()
    never, _ = scene.hindsight(dataclasses.replace(r, shown=np.array([False] * 3 + [True] * 3)))
    np.testing.assert_allclose(never[4:, 0], scene.SCALE * np.array([2.0, 1.0, 0.0, 0.0]))  # where it ends


def test_the_place_is_learned_from_few_demonstrations_and_still_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feature is where the thing is; demonstrations come from the left, play is everywhere."""
    monkeypatch.setattr(scene, "STEPS", 800)
    monkeypatch.setattr(scene, "HIDDEN", 32)
    rng = np.random.default_rng(0)
    thing = rng.uniform(-1, 1, 60)
    place, hand = rng.uniform(-1, 1, (60, 4)), np.ones((60, 4))
    place[:10] = np.linspace(thing[:10] - 1.0, thing[:10], 4).T
    hand[:10, 3] = -1.0
    r = recording(hand.tolist(), place.tolist(), [True] * 10 + [False] * 50)
    features = np.repeat(thing, 4)[:, None].astype(np.float32)
    chosen = r.episode % 5 != 0
    made = scene.train(r, features, chosen, seed=0)
    assert {k: v.dtype for k, v in made.items()} == dict.fromkeys(made, np.dtype(np.float32))
    x = np.concatenate([features, r.state], axis=1)
    said = (
        np.tanh(np.tanh(x @ made["w0"] + made["b0"]) @ made["w1"] + made["b1"]) @ made["w_out"]
        + made["b_out"]
    )
    wanted = scene.SCALE * (features[:, 0] - r.state[:, 0])
    held = ~chosen & (r.episode >= 10)
    assert np.median(np.abs(said[held, 0] - wanted[held])) < 0.15
    with pytest.raises(ConfigError, match="there are none here; record some"):
        scene.train(r, features, r.episode >= 10, seed=0)


def test_a_state_without_a_hand_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="needs the state entry 'tool_position', and task 'square' has none"
    ):
        scene.columns(SPEC, scene.PLACE)
