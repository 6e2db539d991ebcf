"""Grippers that are chosen by a double DQN: hand-worked choices, charges and targets, and the whole agent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import batch, frames, pixels, small

from sandlot.learners import agents
from sandlot.learners.agents import gripper, networks, vision
from sandlot.learners.agents.types import Gripper, Transition
from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.learners.grip import Grips, grips
from sandlot.learners.policy import GripperArch, Policy, policy_from_state
from sandlot.learners.schema import Entry, EnvSpec

COMMAND = Entry("gripper_command", 1)
ONE = EnvSpec("one", (Entry("x", 2), COMMAND), {}, (Entry("move", 2), Entry("gripper", 1)), 10.0, 50)
TWO = EnvSpec(
    "two",
    (Entry("gripper_left_command", 1), Entry("gripper_right_command", 1)),
    {},
    (Entry("gripper_left", 1), Entry("move", 1), Entry("gripper_right", 1)),
    10.0,
    50,
)
SEES = EnvSpec(
    "sees", (Entry("x", 1), COMMAND), {"cam": (8, 8, 3)}, (*ONE.action[1:], Entry("m", 1)), 10.0, 50
)

WHOLE = small(gripper="dqn", critic_hidden=(16,), n_critics=1, n_min=1, critic_lr=1e-2)


def test_where_grippers_are():
    assert grips(ONE) == Grips(3, (2,), (2,)) and grips(ONE).continuous == (0, 1)
    assert grips(TWO) == Grips(3, (0, 2), (0, 1)) and grips(TWO).table.shape == (9, 2)
    assert grips(TWO).table[[0, 5]].tolist() == [[-1, -1], [0, 1]]
    assert np.array([10, 20, 30])[grips(TWO).order].tolist() == [20, 10, 30]  # (move, left, right), sorted
    with pytest.raises(
        ConfigError, match=r"'none' has no gripper.*\(a\).*leave --agent.gripper at continuous"
    ):
        grips(EnvSpec("none", (), {}, (Entry("a", 1),), 10.0, 5))


def test_executed_actions_come_to_the_nearest_choice():
    told = jnp.array([[0, 0, -1.0], [0, 0, -0.3], [0, 0, 0.3], [0, 0, 0.34], [0, 0, 1.0]])
    assert gripper.chosen(told, grips(ONE)).tolist() == [0, 1, 1, 2, 2]
    both = jnp.array([[-1, 0, -1.0], [0, 0, 1], [1, 0, 0]])
    assert gripper.chosen(both, grips(TWO)).tolist() == [0, 5, 7]
    assert grips(TWO).table[[0, 5, 7]].tolist() == [[-1, -1], [0, 1], [1, 0]]


def transition(told, before, reward):
    made = batch(1, len(told), 3, 3)
    action, state = np.zeros((len(told), 3), np.float32), np.zeros((len(told), 3), np.float32)
    action[:, 2], state[:, 2] = told, before
    return made._replace(
        obs={"state": state}, action=action, reward=np.array(reward, np.float32), discount=np.ones(len(told)),
        next_obs={"state": state},
    )  # fmt: skip


def test_only_a_switch_that_changes_something_is_charged():
    told, before = [1, 1, -1, -1, 0, 0.2], [1, -1, 1, -1, -1, -1]
    assert gripper.switched(transition(told, before, [0] * 6), grips(ONE)).tolist() == [0, 1, 1, 0, 0, 0]
    both = Transition(
        {"state": jnp.array([[1.0, -1.0]])}, jnp.array([[-1.0, 0.0, 1.0]]), jnp.zeros(1), None, None, None
    )
    assert gripper.switched(both, grips(TWO)).tolist() == [2]


def test_the_online_values_choose_and_the_targets_say_the_worth():
    """Constant values: online prefers "open" (7), whose target worth is 2 though "close" is worth 9 there."""
    cfg = small(gamma=0.5, gripper="dqn", gripper_penalty=0.25)
    flat = jax.tree.map(jnp.zeros_like, gripper.init(jax.random.key(0), ONE, 3, cfg))
    online = flat.params | {"b_out": jnp.array([1.0, 5.0, 7.0])}
    behind = flat.target | {"b_out": jnp.array([9.0, 5.0, 2.0])}
    made = transition([1, 1], [1, -1], [3, 3])  # the second one switches
    head = Gripper(online, behind, {}, {}, grips(ONE))
    seen = jnp.zeros((2, 3))
    got = gripper.target(head, made, seen, seen, cfg)
    np.testing.assert_allclose(got, [3 + 0.5 * 2, 3 - 0.25 + 0.5 * 2])
    assert gripper.greedy(head, seen, cfg).tolist() == [[1.0], [1.0]]
    value, grads, _ = gripper.loss_and_grads(head, made, seen, jnp.array([7.0, 9.0]), cfg)
    assert value == pytest.approx(2.0)  # "open" is 7: distances 0 and 2
    np.testing.assert_allclose(grads["b_out"], [0, 0, -2.0])  # only the choice that was taken


def test_two_grippers_learn_what_to_be_told():
    """One-step episodes that pay for telling each gripper the opposite of its command in force."""
    state, rng = agents.init(TWO, WHOLE, 0), np.random.default_rng(0)
    seen = rng.uniform(-1, 1, (200, 2)).astype(np.float32)
    good = -np.sign(seen)

    def share(state):
        told = policy_from_state(state, TWO, WHOLE).act({"state": seen})[:, [0, 2]]
        return (told == good)[np.abs(seen) > 0.3].mean()

    before = share(state)
    for _ in range(150):
        commands = rng.uniform(-1, 1, (4, 8, 2)).astype(np.float32)
        action = rng.integers(-1, 2, (4, 8, 3)).astype(np.float32)
        reward = -(np.sign(commands) * action[..., [0, 2]]).sum(-1)
        obs, zeros = {"state": commands}, np.zeros((4, 8), np.float32)
        state, _ = agents.update(state, Transition(obs, action, reward, zeros, obs, reward), WHOLE)
    assert before < 0.6 and share(state) > 0.9


def test_a_whole_agent_learns_and_acts_alike_in_jax_and_numpy():
    cfg = WHOLE
    state = agents.init(TWO, cfg, 0)
    assert state.actor["w_out"].shape == (16, 2)  # the policy's own number: mean and deviation
    before = agents.state_to_arrays(state)
    assert before["critic.w0"].shape == (1, 2 + 3, 16)  # the critics know what the grippers are told
    state, info = agents.update(state, batch(state=2, action=3), cfg)
    after = agents.state_to_arrays(state)
    assert int(info["skipped"]) == 0 and float(info["gripper_loss"]) > 0
    assert all(
        before[f"gripper.{n}"].tobytes() != after[f"gripper.{n}"].tobytes()
        for n in ("params.w0", "target.w0")
    )
    again = agents.arrays_to_state(agents.init(TWO, cfg, 7), after)
    assert again.gripper.where == grips(TWO)
    policy = Policy.from_bytes(policy_from_state(state, TWO, cfg).to_bytes(), TWO)
    obs = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    mean, _ = networks.actor_output(state.actor, obs, cfg)
    expected = gripper.whole(
        state.gripper, jnp.tanh(mean), gripper.greedy(state.gripper, jnp.asarray(obs), cfg)
    )
    np.testing.assert_allclose(policy.act({"state": obs}), expected, atol=1e-5)
    one = policy.act({"state": obs[0]}, np.random.default_rng(0))
    assert one.shape == (3,) and one.dtype == np.float32 and set(one[[0, 2]]) <= {-1.0, 0.0, 1.0}


def test_random_choices_are_as_frequent_as_epsilon_says():
    cfg = small(gripper="dqn", gripper_epsilon=0.3)
    policy = policy_from_state(agents.init(ONE, cfg, 0), ONE, cfg)
    obs = {"state": np.ones((20_000, 3), np.float32)}
    usual = policy.act(obs)[0, 2]
    assert (policy.act(obs)[:, 2] == usual).all()
    rare = policy.act(obs, np.random.default_rng(0))[:, 2] != usual
    assert rare.mean() == pytest.approx(0.3 * 2 / 3, rel=0.1)


def test_a_seeing_gripper_shares_the_encoder_and_has_its_own_place_in_the_file():
    cfg = pixels(gripper="dqn")
    state = agents.init(SEES, cfg, 0)
    policy = Policy.from_bytes(policy_from_state(state, SEES, cfg).to_bytes(), SEES)
    assert isinstance(policy.arch.gripper, GripperArch)
    assert {"gripper.bottleneck.cam.w", "encoder.cam.kernel", "gripper.w_out"} <= policy.weights.keys()
    shown = frames().obs["images"]["side"][0]
    obs = {"state": np.ones((8, 2), np.float32), "images": {"cam": shown}}
    features = vision.encode(state.vision.encoder, {"cam": shown}, cfg)
    seen = networks.inputs(state.vision.neck, {"state": obs["state"], "features": features})
    told = gripper.greedy(state.gripper, seen, cfg)
    np.testing.assert_array_equal(policy.act(obs)[:, 0], told[:, 0])
    made = frames()
    seen_once = {"images": {"cam": made.obs["images"]["side"]}}
    made = made._replace(obs=made.obs | seen_once, next_obs=made.next_obs | seen_once)
    after, info = jax.eval_shape(lambda s, b: agents.update(s, b, cfg), state, made)
    assert jax.tree.structure(after) == jax.tree.structure(state) and "gripper_loss" in info
    weights = {name: array for name, array in policy.weights.items() if name != "gripper.w0"}
    with pytest.raises(WeightsError, match=r"\['gripper.w0'\] are missing"):
        Policy(spec=SEES, arch=policy.arch, weights=weights)


def test_settings_that_do_not_go_together():
    unseen = EnvSpec("unseen", (Entry("x", 2),), {}, ONE.action, 10.0, 50)
    with pytest.raises(ConfigError, match="gripper_command.*set --agent.gripper-penalty 0"):
        agents.init(unseen, small(gripper="dqn"), 0)
    agents.init(unseen, small(gripper="dqn", gripper_penalty=0.0), 0)
    for changes in ({"algo": "bc"}, {"n_step": 3}):
        with pytest.raises(ConfigError, match="'gripper' is 'dqn': it needs algo rlpd or sac with n_step 1"):
            small(**{"gripper": "dqn", **changes})
