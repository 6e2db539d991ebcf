"""The env's word: success after enough frames, and never a reward from what cannot be believed."""

import dataclasses

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS, make
from tests.perception.classifier.world import Lift

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, NotReadyError, SandlotError, SpecError, WeightsError
from sandlot.learners.evaluate import EvalConfig, evaluate
from sandlot.learners.playing import play
from sandlot.learners.schema import Entry
from sandlot.perception.classifier import Classifier
from sandlot.perception.classifier.panel import Panel
from sandlot.perception.classifier.queue import pending
from sandlot.perception.classifier.watch import Limits
from sandlot.perception.reward_env import FAULTY_EPISODES, ClassifierEnv, RewardError

UP, DOWN, HOLD = (np.float32([a, 0.0]) for a in (1.0, -1.0, 0.0))


class Robot:
    """Moves by itself; counts how often it was told to hold."""

    def __init__(self):
        self.paused, self.told = 0, []

    def pause(self):
        self.paused += 1

    def figures(self):
        return {}

    def note(self, note):
        pass

    def tell_p_success(self, task, p_success):
        self.told.append((task, p_success))


@pytest.fixture
def path(tmp_path):
    make().save(tmp_path / "c.safetensors")
    return tmp_path / "c.safetensors"


@pytest.fixture
def env(path):
    env = ClassifierEnv(Lift(limit=30), str(path))
    yield env
    env.close()


def climb(env, most=30):
    """Steps up until the episode ends; every step's (reward, terminated, truncated, info)."""
    env.reset(seed=0)
    found = []
    for _ in range(most):
        found.append(env.step(UP)[1:])
        if found[-1][1] or found[-1][2]:
            break
    return found


def test_success_is_seen_twice_and_ends_the_episode_with_reward_one(env):
    steps = climb(env)
    assert [reward for reward, *_ in steps] == [0.0] * (len(steps) - 1) + [1.0]
    _, terminated, truncated, info = steps[-1]
    assert terminated
    assert not truncated
    assert info["success"]
    assert info["true_success"] is (env.unwrapped.height >= 0.7)
    sure = [i["p_success"] >= 0.9 for *_, i in steps]
    assert sure == [False] * (len(steps) - 2) + [True, True]
    assert envs.env_spec(env) == env.unwrapped.env_spec


def test_the_tasks_own_reward_and_end_do_not_count(path):
    shy = make(enter=0.999999, leave=0.5, temperature=50.0)
    shy.save(path)
    env = ClassifierEnv(Lift(limit=15), str(path))
    steps = climb(env)
    assert len(steps) == 15
    assert not any(reward for reward, *_ in steps)
    assert steps[-1][1:3] == (False, True)
    assert steps[-1][3]["true_success"]
    assert not steps[-1][3]["success"]


def test_a_task_that_ends_without_success_ends(env, monkeypatch):
    env.reset(seed=0)
    step = env.unwrapped.step
    monkeypatch.setattr(env.unwrapped, "step", lambda a: (step(a)[0], 0.0, True, False, {"success": False}))
    assert env.step(HOLD)[1:4] == (0.0, True, False)


@pytest.mark.parametrize("word", [True, False])
def test_a_persons_word_stands(env, word):
    env.reset(seed=0)
    env.unwrapped.told = word
    _, reward, terminated, _, info = env.step(HOLD)
    assert (reward, terminated) == (float(word), True)
    assert info["success"] is info["true_success"] is word


def test_what_a_person_ended_is_kept_and_their_word_stands_while_a_camera_is_broken(env, path):
    env.reset(seed=0)
    env.unwrapped.told = True
    assert env.step(HOLD)[1:3] == (1.0, True)
    env.reset(seed=0)
    env.unwrapped.broken = np.zeros((8, 8, 3), np.uint8)
    assert env.step(HOLD)[1:3] == (1.0, True)
    env.close()
    assert len(pending(path.parent / "queue")) == 1  # a black frame teaches nothing


def test_a_robot_that_moves_by_itself_is_told_to_hold_and_has_no_truth(path):
    robot = Robot()
    env = ClassifierEnv(Lift(real_time=robot), str(path))
    steps = climb(env)
    assert steps[-1][3]["success"]
    assert steps[-1][3]["true_success"] is None
    assert robot.paused == 1
    told = [(envs.env_spec(env).task, s[3]["p_success"]) for s in steps]
    assert robot.told[1:] == told and robot.told[0][1] < 0.5 < robot.told[-1][1]  # the first at the reset


BROKEN = {
    "failed": (lambda batch: 1 / 0, "ZeroDivisionError"),
    "nan": (lambda batch: np.full((1, 2), np.nan, np.float32), "not a finite number"),
    "shape": (lambda batch: np.zeros((1, 5), np.float32), r"answers \(5,\)"),
    "constant": (lambda batch: np.float32([[0.0, 9.0]]), "its answer stood still while"),
}


@pytest.mark.parametrize(("answer", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_classifier_never_rewards_and_is_heard(env, answer, text, monkeypatch, caplog):
    env.reset(seed=0)
    env.step(HOLD)
    monkeypatch.setattr(Classifier, "logits", lambda self, batch: answer(batch))
    with pytest.raises(RewardError, match=f"cannot be believed: .*{text}.*no reward is given"):
        for _ in range(Limits.steps + 2):
            assert env.step(HOLD)[1] == 0.0
    assert "event=reward_fault kind=classifier" in caplog.text


@pytest.mark.parametrize("value", [0, 255])
def test_a_blank_camera_is_waited_for_for_ever(env, value, caplog):
    env.reset(seed=0)
    env.unwrapped.broken = np.full((8, 8, 3), value, np.uint8)
    with pytest.raises(RewardError, match="camera 'wrist' shows nothing"):
        env.step(UP)
    for _ in range(2 * FAULTY_EPISODES):
        with pytest.raises(NotReadyError):
            env.reset()
    assert caplog.text.count("event=reward_fault kind=sight") == 1  # said once, not at every try
    env.unwrapped.broken = None
    assert climb(env)[-1][0] == 1.0


def test_a_frozen_camera_does_not_reward(path):
    env = ClassifierEnv(Lift(limit=40), str(path), limits=Limits(steps=4))
    env.reset(seed=0)
    rewards = []
    with pytest.raises(RewardError, match="camera 'wrist' shows the same frame for 4 steps"):
        for k in range(20):
            env.unwrapped.broken = env.unwrapped._obs()["images"]["wrist"] if k == 0 else env.unwrapped.broken
            rewards.append(env.step(UP)[1])
    assert not any(rewards)


@pytest.mark.parametrize(
    ("number", "broken"),
    [
        (Entry("contact", 1, "20 N"), False),
        (Entry("contact", 1, "Nm"), False),
        (Entry("command_lead", 1, "0.03 m"), False),
        (Entry("depth", 1, "0.1 m"), True),
        (Entry("contact", 1), True),
    ],
)
def test_a_robot_at_rest_that_presses_moves_no_picture(path, number, broken):
    entries = (Entry("pose", 2, "m"), number)
    panel = Panel([path], msgspec.structs.replace(Lift().env_spec, state=entries), Limits(steps=3))
    frames = Lift().reset(seed=0)[0]["images"]
    panel.begin()
    faults = [panel.look(frames, np.float32([0, 0, 0.2 * k])).fault for k in range(6)]
    assert any(faults) == broken


def test_a_classifier_that_always_says_yes_gives_nothing_from_the_start(env, monkeypatch):
    noise = np.random.default_rng(0)
    monkeypatch.setattr(Classifier, "logits", lambda self, batch: noise.normal([[0, 20]], 0.1).astype("f4"))
    assert not any(reward for reward, *_ in climb(env))


def test_a_classifier_that_stays_broken_is_given_up(env, monkeypatch):
    monkeypatch.setattr(Classifier, "logits", lambda self, batch: 1 / 0)
    for _ in range(FAULTY_EPISODES - 1):
        with pytest.raises(RewardError):
            env.reset()
    with pytest.raises(
        SandlotError, match=f"in {FAULTY_EPISODES} episodes in a row; train it again"
    ) as found:
        env.reset()
    assert not isinstance(found.value, NotReadyError)


def test_several_files_are_stages_in_their_order(path, tmp_path):
    low = make()
    w1 = np.float32([[0.0, 40.0], [0.0, -10.0]])  # reached from a brightness of 0.25
    Classifier(spec=low.spec, weights=low.weights | {"head/w1": w1}).save(tmp_path / "low.safetensors")
    env = ClassifierEnv(Lift(limit=30), f"{tmp_path / 'low.safetensors'},{path}")
    stages = [info["stage"] for *_, info in climb(env)]
    assert stages == sorted(stages)
    assert set(stages) == {0, 1, 2}
    backwards = ClassifierEnv(Lift(limit=30), f"{path},{tmp_path / 'low.safetensors'}")
    assert climb(backwards)[-1][0] == 1.0


def test_a_better_file_is_taken_at_the_next_episode(env, path, caplog):
    caplog.set_level("INFO")
    env.reset(seed=0)
    before = env.panel.classifiers[0].digest
    better = make(enter=0.99, leave=0.5)
    better.save(path)
    env.step(UP)
    assert env.panel.classifiers[0].digest == before
    env.reset(seed=0)
    assert env.panel.classifiers[0].digest == better.digest
    assert env.panel.rule.enter == (0.99,)
    assert "event=classifier_replaced" in caplog.text


@pytest.mark.parametrize("bad", ["damaged", "other cameras"])
def test_a_bad_file_is_not_taken(env, path, bad, caplog):
    env.reset(seed=0)
    before = env.panel.classifiers[0].digest
    if bad == "damaged":
        path.write_bytes(b"x")
    else:
        make(cameras={"wrist": (8, 8, 3), "top": (8, 8, 3)}).save(path)
    env.reset(seed=0)
    env.reset(seed=0)
    assert env.panel.classifiers[0].digest == before
    assert caplog.text.count("event=classifier_kept") == 1


def test_unsure_frames_are_kept_for_labelling(env, path):
    env.reset(seed=0)
    target = 0.5
    for _ in range(12):
        env.step(np.float32([np.clip(10 * (target - env.unwrapped.height), -1, 1), 0.0]))
    env.close()
    found = pending(path.parent / "queue")
    assert 1 <= len(found) <= 3
    assert all(0.1 < one.p_success < 0.95 for one in found)
    assert set(found[0].frames) == set(CAMERAS)


def test_what_does_not_fit_is_refused_before_anything_moves(path, tmp_path):
    other = Lift()
    other.env_spec = msgspec.structs.replace(other.env_spec, images={"wrist": (8, 8, 3)})
    with pytest.raises(SpecError, match="trained on other cameras: camera 'side' must be"):
        ClassifierEnv(other, str(path))
    with pytest.raises(WeightsError, match="damaged or no classifier"):
        (tmp_path / "x.safetensors").write_bytes(b"nothing")
        ClassifierEnv(Lift(), str(tmp_path / "x.safetensors"))
    make(crops={"side": (-0.2, -0.2, 0.2, 0.2)}).save(path)
    ClassifierEnv(Lift(), str(path)).close()  # whose crops are not known
    cropped = Lift()
    cropped.crops = {"side": (-0.5, -0.5, 0.5, 0.5)}
    with pytest.raises(SpecError, match="camera 'side' was cropped to"):
        ClassifierEnv(cropped, str(path))
    with pytest.raises(ConfigError, match="no classifier is named"):
        ClassifierEnv(Lift(), "")


@dataclasses.dataclass
class Climber:
    """A policy that goes up."""

    spec: object

    def act(self, obs, rng):
        return UP


def test_evaluation_counts_the_tasks_truth_and_the_agreement(env, path, monkeypatch):
    played = play(env, Climber(env.unwrapped.env_spec), seed=3)
    assert played.success is played.judged is True
    eager = make(enter=0.6, leave=0.3)
    w1 = np.float32([[0.0, 40.0], [0.0, -12.0]])  # says yes at 0.3 already
    Classifier(spec=eager.spec, weights=eager.weights | {"head/w1": w1}).save(path)
    played = play(env, Climber(env.unwrapped.env_spec), seed=3)
    assert played.judged
    assert not played.success
    monkeypatch.setattr(envs, "make", lambda task, **_: ClassifierEnv(Lift(), str(path)))
    summary = evaluate(
        Climber(env.unwrapped.env_spec), EvalConfig(task="arm_pick", episodes=4), progress=False
    ).summary()
    assert summary["success"] == 0.0
    assert summary["judged_success"] == 1.0
    assert summary["agreement"] == 0.0


def test_an_actor_of_a_state_policy_loads_no_jax(path):
    """A subprocess, since this one has JAX."""
    import subprocess
    import sys

    code = (
        "import sys, sandlot.perception.reward_env, sandlot.perception.encoders.conv; "
        "sys.exit('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, check=False)
    assert done.returncode == 0


def test_make_wraps_by_name(path, monkeypatch):
    monkeypatch.setitem(
        gym.registry,
        "sandlot/ArmPick-v0",
        gym.envs.registration.EnvSpec("sandlot/ArmPick-v0", lambda **_: Lift()),
    )
    env = envs.make("arm_pick", cameras=("wrist", "side"), classifier=str(path))
    assert isinstance(env, ClassifierEnv)
    env.close()
