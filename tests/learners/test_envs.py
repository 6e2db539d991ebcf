"""Envs by name: one shape of observation and action for all, and one clear line for what cannot be used."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, SpecError


class Custom(gym.Env):
    """Plays back one observation and remembers the action it was given."""

    def __init__(self, observation_space, action_space=None):
        self.observation_space = observation_space
        self.action_space = action_space or spaces.Box(-1, 1, (2,), np.float32)
        self.got = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(3)
        self.sample = self.observation_space.sample()
        return self.sample, {}

    def step(self, action):
        self.got = action
        return self.sample, np.float64(1.5), np.bool_(False), False, {"success": False}


def box(*shape, low=-np.inf, high=np.inf, dtype=np.float32):
    return spaces.Box(low, high, shape, dtype)


def test_pendulum_has_the_common_shape_and_its_own_rate_and_limit():
    env = envs.make("gymnasium:Pendulum-v1")
    obs, _ = env.reset(seed=1)
    spec = envs.env_spec(env)
    assert obs["state"].dtype == np.float32 and obs["state"].shape == (3,) and obs["images"] == {}
    assert (spec.task, spec.control_hz, spec.max_episode_steps) == ("gymnasium:Pendulum-v1", 20.0, 200)
    assert env.observation_space.contains(obs) and env.action_space == box(1, low=-1.0, high=1.0)


def test_time_limit_is_truncated_and_not_terminated():
    env = envs.make("gymnasium:Pendulum-v1", max_episode_steps=3)
    env.reset(seed=1)
    ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    assert envs.env_spec(env).max_episode_steps == 3


def test_action_is_rescaled_and_clipped():
    inner = Custom(box(1), spaces.Box(np.float32([[0, -4]]), np.float32([[1, 4]]), dtype=np.float32))
    env = envs.adapt(inner, "t")
    env.reset()
    _, reward, terminated, *_ = env.step(np.array([0.5, 7.0], np.float32))
    np.testing.assert_array_equal(inner.got, np.float32([[0.75, 4.0]]))
    assert inner.got.dtype == np.float32 and inner.got.shape == (1, 2)
    assert type(reward) is float and type(terminated) is bool


def test_dict_is_flattened_in_key_order_and_pictures_become_images():
    space = spaces.Dict(
        {
            "b": box(2, 2, dtype=np.float64),
            "a": spaces.Dict({"y": box(1, low=-2, high=3), "x": box(2)}),
            "eye": box(4, 5, 3, low=0, high=255, dtype=np.uint8),
        }
    )
    env = envs.adapt(Custom(space), "t")
    obs, _ = env.reset()
    raw, spec = env.unwrapped.sample, envs.env_spec(env)
    assert [(e.name, e.size) for e in spec.state] == [("a.x", 2), ("a.y", 1), ("b", 4)]
    assert (spec.state[1].low, spec.state[1].high, spec.state[0].high) == (-2, 3, 1e9)
    want = np.concatenate([raw["a"]["x"], raw["a"]["y"], raw["b"].ravel()]).astype(np.float32)
    np.testing.assert_array_equal(obs["state"], want)
    np.testing.assert_array_equal(obs["images"]["eye"], raw["eye"])
    assert not np.shares_memory(obs["images"]["eye"], raw["eye"])
    assert spec.images == {"eye": (4, 5, 3)} and env.observation_space.contains(obs)


def test_a_lone_picture_is_an_observation_too():
    env = envs.adapt(Custom(box(6, 7, 1, low=0, high=255, dtype=np.uint8)), "t")
    obs, _ = env.reset()
    assert obs["state"].shape == (0,) and obs["images"]["image"].shape == (6, 7, 1)


@pytest.mark.parametrize(
    ("obs_space", "action_space", "words"),
    [
        (box(1), spaces.Discrete(3), "Discrete(3); only a continuous Box of floats"),
        (box(1), box(2), "every bound must be finite"),
        (box(1), box(2, low=0, high=4, dtype=np.int32), "only a continuous Box of floats"),
        (box(1), spaces.Dict({"a": box(1, low=-1, high=1)}), "only a continuous Box"),
        (spaces.Discrete(4), None, "observation 'obs' is Discrete(4)"),
        (spaces.Dict({"n": spaces.Discrete(4)}), None, "observation 'n' is Discrete(4)"),
        (box(3, low=0, high=9, dtype=np.int64), None, "int64[3]; numbers must be float32"),
        (box(4, 5, 2, low=0, high=255, dtype=np.uint8), None, "uint8[4, 5, 2]"),
    ],
)
def test_spaces_that_cannot_be_used_are_named(obs_space, action_space, words):
    with pytest.raises(SpecError) as err:
        envs.adapt(Custom(obs_space, action_space), "odd")
    assert words in str(err.value) and "task 'odd'" in str(err.value)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("arm_pik", "did you mean 'arm_pick'"),
        ("gymnasium:Pendulm-v1", "did you mean 'gymnasium:Pendulum-v1'"),
        ("Pendulum-v1", "did you mean 'gymnasium:Pendulum-v1'"),
        ("gymnasium:Pendulum-v9", "gymnasium:Pendulum-v1"),
        ("nothing_like_it_at_all", "does not exist; choose one of"),
        ("gymnasium:no_such_module:X-v0", "no_such_module"),
    ],
)
def test_unknown_names_get_the_nearest_ones(task, words, monkeypatch):
    monkeypatch.setitem(gym.registry, "sandlot/ArmPick-v0", EnvSpec("sandlot/ArmPick-v0", "nowhere:Nothing"))
    with pytest.raises(ConfigError) as err:
        envs.make(task)
    assert words in str(err.value) and task in str(err.value) and "\n" not in str(err.value)


def test_settings_of_own_tasks_are_refused_elsewhere():
    with pytest.raises(ConfigError, match="only Sandlot's own tasks take cameras, mjcf"):
        envs.make("gymnasium:Pendulum-v1", cameras=("wrist",), mjcf="a.xml")
    with pytest.raises(ConfigError, match="wrong_flag"):
        envs.make("gymnasium:Pendulum-v1", wrong_flag=1)


def test_an_env_without_a_spec_is_refused():
    with pytest.raises(SpecError, match="has no env_spec"):
        envs.env_spec(gym.make("Pendulum-v1"))


def test_own_names_follow_the_registered_ids_and_the_newest_version_wins(monkeypatch):
    names = envs.tasks()
    for version in (2, 10):
        id_ = f"sandlot/TestOnlyThing-v{version}"
        monkeypatch.setitem(gym.registry, id_, EnvSpec(id_, "nowhere:Nothing"))
    assert envs.tasks() == names | {"test_only_thing": "sandlot/TestOnlyThing-v10"}


def test_a_module_registers_its_own_ids(monkeypatch, tmp_path):
    lines = (
        "import gymnasium as gym",
        "from gymnasium.envs.classic_control import PendulumEnv",
        "gym.register('TestOnlyMine-v0', PendulumEnv, max_episode_steps=7)",
    )
    (tmp_path / "test_only_module.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    env = envs.make("gymnasium:test_only_module:TestOnlyMine-v0")
    assert envs.env_spec(env).max_episode_steps == 7
    gym.registry.pop("TestOnlyMine-v0")
    with pytest.raises(ConfigError, match="No module named 'test_only_other'; .*PYTHONPATH"):
        envs.make("gymnasium:test_only_other:Mine-v0")
