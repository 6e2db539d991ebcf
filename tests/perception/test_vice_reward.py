"""VICE in the learner: it trains a policy nobody else pays, goes on bit for bit, and refuses nonsense."""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS, fill, picture, read
from tests.perception.classifier.world import Lift

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Transition
from sandlot.learners.config import TrainConfig
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.learners.schema import Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import Trainer
from sandlot.learners.wire import Batch
from sandlot.perception import vice, vice_goals
from sandlot.perception.classifier.dataset import Clip, FrameStore, Layout
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.feature_env import feature_spec
from sandlot.perception.vice_reward import ViceReward, settings

GOAL, LIMIT = 0.7, 10
AGENT = AgentConfig(
    algo="sac",
    encoder="halves",
    actor_hidden=(16,),
    critic_hidden=(32,),
    n_critics=2,
    batch_size=32,
    utd=2,
    demo_fraction=0.0,
    latent=4,
    augment_px=0,
    gamma=0.8,
    actor_lr=1e-2,
    critic_lr=1e-2,
    init_temperature=0.05,
    entropy_backup=False,
)
HOW = ("encoder=halves", "hidden=16", "lr=0.02", "shift_px=0", "light=0", "batch=32")


class Blind(Lift):
    """Its state says nothing and its task is never done: only frames, and examples of success, are left."""

    def reset(self, *, seed=None, options=None):
        self.noise = np.random.default_rng(seed)
        return super().reset(seed=seed)

    def step(self, action):
        obs, _, _, _, info = super().step(action)
        return obs, 0.0, False, self.steps >= LIMIT, info

    def _obs(self):
        return super()._obs() | {"state": np.zeros(1, np.float32)}


def goals(folder, height=GOAL, task="arm_pick"):
    """A data set in which frames at a height are success."""
    store, rng = FrameStore(folder, Layout(task, CAMERAS)), np.random.default_rng(0)
    for k in range(10):
        labels = np.repeat([0, 1], 10).astype(np.uint8)
        heights = np.where(labels, rng.normal(height, 0.02, 20), rng.uniform(0, 1, 20))
        frames = np.stack([picture(h, rng) for h in heights])
        store.add([Clip(f"e{k}", dict.fromkeys(CAMERAS, frames), labels, np.zeros(20, bool))])
    return folder


def config(examples, **changes):
    asked = {
        "vice": str(examples),
        "vice_settings": HOW,
        "agent": AGENT,
        "env": EnvConfig(cameras=("wrist",)),
    }
    return TrainConfig(**{"task": "arm_pick", "start_after": 40, "update_ratio": 2.0, **asked, **changes})


def episode(env, act, number):
    """One played episode, as the store takes it."""
    spec = env.env_spec
    steps, final = np.zeros(LIMIT, step_dtype(spec)), np.zeros(1, obs_dtype(spec))
    obs, _ = env.reset(seed=number)
    for i in range(LIMIT):
        action = act(obs)
        _write(steps[i : i + 1], obs)
        steps["action"][i] = steps["policy_action"][i] = action
        steps["source"][i], steps["discount"][i] = Source.POLICY, 1
        obs, steps["reward"][i], *_ = env.step(action)
    steps["step"] = number * LIMIT + np.arange(LIMIT)
    steps["episode"] = steps["segment"] = number
    steps["flags"][-1] = Flag.END | Flag.TRUNCATED
    final["step"] = steps["step"][-1]
    _write(final, obs)
    return Batch(Stream("a", "r"), steps, final), env.height


def _write(record, obs):
    record["state"] = obs["state"]
    for camera, frame in obs["images"].items():
        record[f"image.{camera}"] = frame


class Life:
    """A trainer of a run's folder, and the policy that practises beside it."""

    def __init__(self, folder, asked):
        self.env, self.rng = Blind(), np.random.default_rng(0)
        self.store = RunStore.open(folder, self.env.env_spec)
        self.trainer = Trainer(folder, asked, self.store, pinned_seq=0)

    def practise(self, numbers, *, stop=False):
        """Plays these episodes with the newest policy, learning in between; the heights they ended at."""
        heights = []
        for number in numbers:
            policy, rng = self.trainer.policy(), np.random.default_rng(number)
            played, height = episode(self.env, lambda obs, p=policy, r=rng: p.act(obs, r), number)
            self.trainer.ingest(self.store.append([played]))
            while self.trainer.due:
                self.trainer.update()
            heights.append(height)
        return heights

    def close(self):
        self.trainer.close()
        self.store.close()


def test_a_policy_that_nothing_else_pays_goes_where_the_examples_are(tmp_path):
    data = goals(tmp_path / "data")
    with contextlib.closing(Life(tmp_path / "run", config(data))) as life:
        heights = life.practise(range(90))
        told = life.trainer.info()
    assert np.abs(np.array(heights[-20:]) - GOAL).mean() < 0.12
    assert np.abs(np.array(heights[:5]) - GOAL).mean() > 0.2  # it did not begin there
    assert {"reward_loss", "reward_mean", "reward_best"} <= told.keys()
    assert -1.0 <= told["reward_mean"] <= told["reward_best"] <= 0.0


def test_a_run_that_was_stopped_goes_on_with_the_same_bits_and_its_own_examples(tmp_path):
    data, ends = goals(tmp_path / "data"), []
    for stops in ((), (8, 11)):
        folder = tmp_path / f"run{len(stops)}"
        life = Life(folder, config(data))
        for number in range(14):
            if number in stops:
                life.trainer.save()
                life.close()
                life = Life(folder, config(tmp_path / "gone"))
            life.practise([number])
        ends.append({name: a.tobytes() for name, a in life.trainer.snapshot().arrays.items()})
        life.close()
    assert ends[0] == ends[1]
    assert any(name.startswith("learned_reward.") and "head/w0" in name for name in ends[0])


def test_a_discriminator_that_breaks_keeps_its_weights_and_is_counted(tmp_path):
    with contextlib.closing(Life(tmp_path / "run", config(goals(tmp_path / "data")))) as life:
        life.practise(range(6))
        before = life.trainer.reward.arrays()
        poison = {
            camera: np.full(x.shape, np.nan, np.float32) for camera, x in life.trainer.reward._goals.items()
        }
        life.trainer.reward._goals = poison
        life.practise([6])
        assert life.trainer.skipped.total > 0
        for name, array in life.trainer.reward.arrays().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_examples_may_be_a_run_with_successes(tmp_path):
    env = Blind()
    with RunStore.open(tmp_path / "demos", env.env_spec) as store:
        for number, win in enumerate((True, False, True)):
            played, _ = episode(env, lambda obs: np.float32([1, 0]), number)
            played.steps["flags"][-1] = Flag.END | (Flag.TERMINATED | Flag.SUCCESS if win else Flag.TRUNCATED)
            store.append([played])
    layout, frames = vice_goals.examples(tmp_path / "demos")
    assert layout.task == "arm_pick" and frames["wrist"].shape == (2, 8, 8, 3)


def test_examples_that_cannot_be_used_are_refused(tmp_path):
    spec = Blind().env_spec
    with pytest.raises(SpecError, match="shows task 'arm_pcb', not 'arm_pick'"):
        vice_goals.of_run(tmp_path, config(goals(tmp_path / "pcb", task="arm_pcb")), spec)
    with pytest.raises(
        SpecError, match=r"frames of camera 'side' are \(8, 8, 3\), and the run's are \(16, 16"
    ):
        other = type(spec)(spec.task, spec.state, {"side": (16, 16, 3)}, spec.action, 10.0, 10)
        vice_goals.of_run(tmp_path, config(goals(tmp_path / "data")), other)
    store = FrameStore(tmp_path / "none", Layout("arm_pick", CAMERAS))
    data = fill(tmp_path / "some").load("train")
    store.add([Clip("e", read(data), 0 * data.labels.astype(np.uint8), data.hard, "train")])
    with pytest.raises(ConfigError, match="shows no success; `sandlot"):
        vice_goals.of_run(tmp_path, config(tmp_path / "none"), spec)
    with pytest.raises(StoreError):
        vice_goals.of_run(tmp_path, config(tmp_path / "nothing"), spec)


def test_what_a_learned_reward_cannot_work_with_is_refused():
    with pytest.raises(ConfigError, match="--cameras must be at least one"):
        config("x", env=EnvConfig())
    with pytest.raises(ConfigError, match="--agent.algo must be rlpd or sac"):
        config("x", agent=dataclasses.replace(AGENT, algo="bc"))
    with pytest.raises(ConfigError, match="--agent.demo-fraction must be below 1"):
        config("x", agent=dataclasses.replace(AGENT, algo="rlpd", demo_fraction=1.0))
    with pytest.raises(ConfigError, match=r"--vice-settings 'smoth=0.1' cannot be used; write NAME=VALUE of"):
        settings(("smoth=0.1",))
    assert settings(("smooth=0.2", "batch=8")).batch == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr=nan", "lr=nan cannot be used: it must be finite"),
        ("most=.inf", "most=inf cannot be used: it must be finite and above 0"),
        ("decay=-5", "decay=-5.0 cannot be used"),
        ("light=7", r"light=7.0 cannot be used: it must lie in \[0, 1\)"),
        ("shift_px=-3", "shift_px=-3 cannot be used"),
        ("batch=2.7", "'batch=2.7' cannot be used; .* here a value of type int"),
        ("ends=maybe", "'ends=maybe' cannot be used; .* here a value of type bool"),
        ("encoder=nope", "encoder 'nope' does not exist; choose one of"),
    ],
)
def test_a_setting_that_would_not_be_meant_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        settings((text,))


def test_a_number_may_be_written_as_yaml_does_not_read_it():
    assert settings(("lr=3e-4", "most=2")) == vice.ViceConfig(lr=3e-4, most=2.0)


def test_an_end_by_success_may_be_ignored(tmp_path):
    data, ends = goals(tmp_path / "data"), {}
    flat = np.zeros((1, 4), np.float32)
    seen = {"state": np.zeros((1, 4, 1)), "images": {c: np.zeros((1, 4, 8, 8, 3), np.uint8) for c in CAMERAS}}
    reward, discount = np.float32([[1, 0, 0, 0]]), np.float32([[0, 0, 1, 1]])  # done, given up, goes on twice
    batch = Transition(seen, flat[..., None], reward, discount, seen, flat)
    for how in ("true", "false"):
        made = ViceReward(tmp_path, config(data, vice_settings=(*HOW, f"ends={how}")), Blind().env_spec)
        ends[how] = made.update(batch, 0, 1)[0].discount.tolist()
    assert ends == {"true": [[0, 0, 1, 1]], "false": [[1, 0, 1, 1]]}


def test_features_of_a_frozen_encoder_serve_as_frames(tmp_path):
    head = {"head.w": 4 * np.eye(2, dtype=np.float32), "head.b": np.full(2, -2, np.float32)}
    encoder = TrainedEncoder(name="halves", settings={}, shapes=CAMERAS, weights=dict.fromkeys(CAMERAS, head))
    encoder.save(tmp_path / "e.safetensors")
    spec = feature_spec(Blind().env_spec, encoder)
    env = EnvConfig(cameras=("wrist", "side"), encoder=str(tmp_path / "e.safetensors"))
    reward = ViceReward(tmp_path, config(goals(tmp_path / "data"), env=env), spec)

    def batch(heights):
        seen = np.stack([picture(h) for h in heights.ravel()])
        numbers = [np.zeros((*heights.shape, 1), np.float32)]
        numbers += [encoder.encode(camera, seen).reshape(*heights.shape, 2) for camera in spec_order]
        flat = np.zeros(heights.shape, np.float32)
        obs = {"state": np.concatenate(numbers, axis=-1), "images": {}}
        return Transition(obs, flat[..., None], flat, flat + 1, obs, flat)

    spec_order, rng = [e.name.removeprefix("features.") for e in spec.state[1:]], np.random.default_rng(0)
    for updates in range(0, 160, 2):
        paid, _ = reward.update(batch(rng.uniform(0, 1, (2, 16))), 4, updates)
    paid, told = reward.update(batch(np.array([[GOAL, 0.1, 0.3, 0.9]])), 0, 1)
    best, *others = np.asarray(paid.reward)[0]
    assert best > max(others) + 0.3
    assert float(told["reward_best"]) == pytest.approx(best)


def test_an_end_without_success_costs_as_much_as_never_succeeding():
    """With gamma 0.8 a cost of 1 for ever is 5; what has seen nothing yet says 0.5 for any other step."""
    cameras = {"wrist": (8, 8, 3)}
    how = settings(HOW)
    state = vice.begin(jax.random.key(0), cameras, how)
    seen = {"wrist": np.zeros((1, 3, 8, 8, 3), np.uint8)}
    reward, discount = np.float32([[0, 1, 0]]), np.float32([[0, 0, 1]])  # given up, succeeded, goes on
    paid = vice.pay(state, seen, reward, discount, config=how, gamma=0.8)
    np.testing.assert_allclose(paid, [[-5.0, -0.5, -0.5]], rtol=1e-5)
