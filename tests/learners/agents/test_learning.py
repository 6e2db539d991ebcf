"""Each agent solves a task that a person can check, in seconds."""

import jax
import numpy as np
import pytest
from tests.learners.agents.helpers import contextual, pixels, small, spec

from sandlot.learners import agents
from sandlot.learners.agents import Transition
from sandlot.learners.policy import policy_from_state
from sandlot.learners.schema import Entry, EnvSpec

TOY = spec(1, 1)
PLACES = np.linspace(-0.9, 0.9, 19, dtype=np.float32)[:, None]
GOAL, STEP, LENGTH = 0.8, 0.2, 12


def mode(state, cfg):
    return policy_from_state(state, TOY, cfg).act({"state": PLACES})


def looked_at(u, b, rng):
    """One-step episodes: a bright bar in a dark frame of 16x16 px; the best action is where it stands."""
    place = rng.uniform(-0.8, 0.8, (u, b)).astype(np.float32)
    column = (place + 1) * 7.5
    bar = np.exp(-np.square(np.arange(16) - column[..., None]) / 4)[:, :, None, :, None]
    frame = np.broadcast_to(255 * bar, (u, b, 16, 16, 3)).astype(np.uint8)
    action = rng.uniform(-1, 1, (u, b, 1)).astype(np.float32)
    reward, zeros = -np.square(action[..., 0] - place), np.zeros((u, b), np.float32)
    obs = {"state": zeros[..., None], "images": {"cam": frame}}
    return Transition(obs, action, reward, zeros, obs, reward), place


def test_an_agent_that_sees_finds_what_only_the_frame_shows():
    seen = EnvSpec("bar", (Entry("nothing", 1),), {"cam": (16, 16, 3)}, (Entry("a", 1),), 10.0, 5)
    cfg = pixels(
        "sac", batch_size=64, actor_lr=3e-3, critic_lr=3e-3, temp_lr=3e-3, actor_every=1, init_temperature=0.1
    )
    state, rng = agents.init(seen, cfg, 0), np.random.default_rng(0)
    test, place = looked_at(1, 100, np.random.default_rng(1))
    one = jax.tree.map(lambda x: x[0], test.obs)

    def error(state):
        return np.abs(policy_from_state(state, seen, cfg).act(one)[:, 0] - place[0]).mean()

    before = error(state)
    for _ in range(40):
        state, _ = agents.update(state, looked_at(20, 64, rng)[0], cfg)
    assert before > 0.3 and error(state) < 0.1


def test_sac_finds_the_best_action_of_every_state():
    cfg = small(
        "sac", batch_size=64, actor_lr=3e-3, critic_lr=3e-3, temp_lr=3e-3, actor_every=1, init_temperature=0.1
    )
    state, rng = agents.init(TOY, cfg, 0), np.random.default_rng(0)
    before = np.abs(mode(state, cfg) - 0.5 * PLACES).mean()
    for _ in range(60):
        state, _ = agents.update(state, contextual(20, 64, rng), cfg)
    after = np.abs(mode(state, cfg) - 0.5 * PLACES).mean()
    assert before > 0.1 and after < 0.04


@pytest.mark.parametrize(("loss", "dropout"), [("nll", 0.0), ("mse", 0.0), ("nll", 0.1)])
def test_bc_copies_the_demonstrator(loss, dropout):
    cfg = small("bc", bc_loss=loss, bc_dropout=dropout, actor_hidden=(32,), actor_lr=3e-3)
    state, rng = agents.init(TOY, cfg, 0), np.random.default_rng(0)
    for _ in range(40):
        state, _ = agents.update(state, contextual(20, 64, rng, lambda s: np.sin(2 * s)), cfg)
    assert np.abs(mode(state, cfg) - np.sin(2 * PLACES)).max() < (0.2 if dropout else 0.1)


class Corridor:
    """A point in [-1, 1]; an action moves it by up to STEP; reward 1 and the end at GOAL, else 0."""

    def __init__(self, rng):
        self.rng, self.rows = rng, []

    def play(self, act):
        """One episode from the far left; whether it reached the goal, and its rows."""
        x, rows = self.rng.uniform(-1.0, -0.8), []
        for _ in range(LENGTH):
            action = float(np.clip(act(np.array([x], np.float32)), -1, 1))
            after = float(np.clip(x + STEP * action, -1, 1))
            won = after >= GOAL
            rows.append([x, action, float(won), float(not won), after, 0.0])
            x = after
            if won:
                break
        value = 0.0
        for row in reversed(rows):
            value = row[5] = row[2] + 0.95 * value
        self.rows += rows
        return won


def sample(parts, u, b, rng):
    """Minibatches with equal shares of each list of rows."""
    share = b // len(parts)
    picks = [np.asarray(p, np.float32)[rng.integers(0, len(p), (u, share))] for p in parts]
    x, action, reward, discount, after, value = np.moveaxis(np.concatenate(picks, axis=1), -1, 0)
    return Transition(
        {"state": x[..., None]}, action[..., None], reward, discount, {"state": after[..., None]}, value
    )


def actor_of(state, cfg, rng):
    policy = policy_from_state(state, TOY, cfg)
    return lambda x: policy.act({"state": x}, rng)[0]


def wins(state, cfg, rng, episodes=20):
    policy = policy_from_state(state, TOY, cfg)
    world = Corridor(rng)
    return sum(world.play(lambda x: policy.act({"state": x})[0]) for _ in range(episodes)) / episodes


def demonstrations(rng, episodes=10):
    world = Corridor(rng)
    for _ in range(episodes):
        assert world.play(lambda x: 0.9 + 0.1 * rng.standard_normal())
    return world.rows


def test_rlpd_solves_a_sparse_task_from_ten_demonstrations():
    cfg = small(
        batch_size=64,
        gamma=0.95,
        actor_lr=3e-3,
        critic_lr=3e-3,
        temp_lr=3e-3,
        tau=0.02,
        init_temperature=0.05,
        actor_every=1,
    )
    rng = np.random.default_rng(0)
    demos, world, state = demonstrations(rng), Corridor(rng), agents.init(TOY, cfg, 0)
    assert wins(state, cfg, rng) < 0.5
    for _ in range(60):
        world.play(actor_of(state, cfg, rng))
        for _ in range(8):
            state, info = agents.update(state, sample([demos, world.rows], 4, 64, rng), cfg)
    assert wins(state, cfg, rng) == 1.0
    assert int(info["skipped"]) == 0


@pytest.mark.slow  # compiles two large updates
@pytest.mark.parametrize("retain", [False, True])
def test_calql_pretraining_survives_going_online(retain):
    cfg = small(
        "wsrl", batch_size=64, gamma=0.95, actor_lr=1e-3, critic_lr=1e-3, tau=0.02, init_temperature=0.05,
        actor_every=1, actor_on_whole_batch=False, cql_alpha=1.0, cql_actions=4,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    offline, state = demonstrations(rng, 20), agents.init(TOY, cfg, 0)
    for _ in range(100):
        state, info = agents.update(state, sample([offline], 4, 64, rng), cfg, True)
    assert wins(state, cfg, rng) >= 0.9
    assert abs(float(info["q_mean"]) - np.mean([row[5] for row in offline])) < 0.5  # calibrated, not sunk
    world = Corridor(rng)
    for _ in range(10):
        world.play(actor_of(state, cfg, rng))  # the warm-up: nothing is learned
    rates = []
    for _ in range(20):
        world.play(actor_of(state, cfg, rng))
        for _ in range(5):
            parts = [offline, world.rows] if retain else [world.rows]
            state, _ = agents.update(state, sample(parts, 4, 64, rng), cfg)
        rates.append(wins(state, cfg, rng, 5))
    assert np.mean(rates) >= 0.9 and rates[-1] == 1.0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
