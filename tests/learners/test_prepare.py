import os
import threading

import gymnasium as gym
import numpy as np
import pytest
from bench.system_rig import TASK, tiny
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymSpec

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.config import TrainConfig, load_config
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import BusyError, ConfigError, SandlotError
from sandlot.learners.prepare import CONFIG_FILE, DEMOS_FOLDER, check, prepare, prepare_demos, stored_config
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.learners.store import RunReader
from sandlot.learners.store_file import lock_folder
from sandlot.learners.train import train


@pytest.fixture
def config(tmp_path):
    return tiny(run=str(tmp_path / "run"))


def test_a_new_run_has_its_config_and_says_what_the_task_observes(config):
    assert stored_config(config.run, TASK) is None
    folder, resolved = prepare(config, None)
    assert load_config(folder / CONFIG_FILE) == resolved
    assert prepare_demos(folder, resolved) == 0
    assert RunReader(folder / DEMOS_FOLDER).spec.task == TASK
    assert stored_config(config.run, TASK) == resolved


def test_demonstrations_are_recorded_once_and_never_by_half(config):
    folder, resolved = prepare(config, None)
    half = folder / f".{DEMOS_FOLDER}.partial"
    half.mkdir()
    (half / "left.txt").write_text("by a killed process")
    prepare_demos(folder, resolved)
    inode = (folder / DEMOS_FOLDER / "run.sqlite").stat().st_ino
    prepare_demos(folder, resolved)
    assert (folder / DEMOS_FOLDER / "run.sqlite").stat().st_ino == inode
    assert not half.exists() and not (folder / DEMOS_FOLDER / "left.txt").exists()


def test_a_folder_of_something_else_is_refused(tmp_path, config):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match="choose another --run"):
        stored_config(config.run, TASK)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x").write_text("")
    with pytest.raises(ConfigError, match="not a run"):
        stored_config(str(tmp_path / "notes"), TASK)


def test_a_run_of_another_task_is_refused_with_the_command_that_resumes_it(config):
    prepare(config, None)
    with pytest.raises(ConfigError, match=f"sandlot train {TASK} --run"):
        stored_config(config.run, "arm_reach")


def test_a_run_in_use_is_refused_before_anything_is_changed(config):
    folder, resolved = prepare(config, None)
    before = (folder / CONFIG_FILE).read_bytes()
    held = lock_folder(folder, "run folder")
    with pytest.raises(BusyError, match=f"in use by process {os.getpid()}"):
        prepare(tiny(run=config.run, steps=77), resolved)
    assert (folder / CONFIG_FILE).read_bytes() == before
    os.close(held)
    prepare(tiny(run=config.run, steps=77), resolved)
    assert load_config(folder / CONFIG_FILE).steps == 77


def test_the_port_of_one_start_is_not_the_runs(config):
    folder, resolved = prepare(config, None)
    _, started = prepare(tiny(run=config.run, port=5999), resolved)
    assert started.port == 5999 and load_config(folder / CONFIG_FILE).port == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "gymnasium:Pendulun-v1"}, "did you mean"),
        ({"task": "gymnasium:CartPole-v1"}, "continuous Box"),
        ({"demos_file": "./nothing"}, "holds no run"),
        ({"init": "./nothing"}, "no run at"),
        ({"host": "192.0.2.1"}, "can be reached by others"),
        ({"agent": AgentConfig(encoder="nope")}, "encoder 'nope' does not exist; choose one of"),
        (
            {"agent": AgentConfig(encoder_settings=("foo",))},
            "cannot be made with settings .'foo'.*NAME=VALUE",
        ),
        ({"agent": AgentConfig(encoder_settings=("foo=1",))}, "cannot be made with settings .'foo=1'"),
        ({"agent": AgentConfig(encoder_init=__file__)}, "observes no frames; name cameras"),
        ({"demos": 3}, "has no scripted expert"),
        ({"agent": AgentConfig(algo="wsrl")}, "'wsrl' learns from data first: give --demos"),
        ({"vice_settings": ("lr=1",)}, "--vice-settings lr=1 is about a learned reward; name examples"),
        ({"back_vice": "nix"}, "--back-vice is 'nix'.*'gymnasium:Pendulum-v1' has no reverse task: leave"),
        ({"back_classifier": "nix", "in_turn": False}, "--back-classifier is 'nix'.*practised alone"),
        ({"back_demos_file": "nix"}, "--back-demos-file is 'nix'.*has no reverse task"),
    ],
)
def test_what_is_refused_leaves_no_folder(changes, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(**{"task": "gymnasium:Pendulum-v1", "run": "./mine", "demos": 0, **changes})
    with pytest.raises(SandlotError, match=words):
        train(config, None, threading.Event())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agent": AgentConfig(encoder_init=__file__)}, r"test_prepare.py' is"),
        ({"vice": "empty"}, "'empty' holds no run"),
        ({"vice": "empty", "vice_settings": ("lr=nan",)}, "lr=nan"),
    ],
)
def test_files_are_read_before_there_is_a_folder(changes, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    config = TrainConfig(task="arm_pick", env=EnvConfig(cameras=("wrist",)), **changes)
    spec = EnvSpec("arm_pick", (Entry("s", 1),), {"wrist": (64, 64, 3)}, (Entry("a", 1),), 10.0, 9)
    with pytest.raises(SandlotError, match=words):
        check(config, None, spec)


class Reached(gym.Env):
    """Has an expert, whose every episode succeeds, and presses Ctrl-C in the second one."""

    observation_space = action_space = spaces.Box(-1, 1, (1,), np.float32)
    stop, played = threading.Event(), 0

    def reset(self, *, seed=None, options=None):
        Reached.played += 1
        if Reached.played == 2:
            self.stop.set()
        return np.float32([0.0]), {}

    def expert_action(self):
        return np.float32([0.0])

    def step(self, action):
        return np.float32([0.0]), 1.0, True, False, {"success": True}


def test_demonstrations_stop_when_asked_and_are_recorded_anew_later(tmp_path, monkeypatch):
    monkeypatch.setitem(gym.registry, "Reached-v0", GymSpec("Reached-v0", Reached, max_episode_steps=9))
    monkeypatch.setattr(Reached, "stop", threading.Event())
    monkeypatch.setattr(Reached, "played", 0)
    asked = tiny(task="gymnasium:Reached-v0", run=str(tmp_path / "run"), demos=20)
    summary = train(asked, None, Reached.stop)
    assert not summary["finished"] and "report" not in summary and Reached.played == 2
    folder, left = tmp_path / "run", load_config(tmp_path / "run" / CONFIG_FILE)
    assert not (folder / DEMOS_FOLDER).exists() and not list(folder.glob(".*partial"))
    assert prepare_demos(folder, left) == 20


def test_a_folder_keeps_the_name_it_was_given_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, config = prepare(TrainConfig(task="gymnasium:Pendulum-v1", run="./mine", demos=0), None)
    assert folder.resolve() == tmp_path / "mine"
    assert config.run == "./mine"
    assert stored_config(config.run, config.task) == config


def test_demonstrations_of_another_task_are_refused_before_anything_is_started(tmp_path):
    from sandlot.learners.envs import env_spec, make
    from sandlot.learners.store import RunStore

    with RunStore.open(tmp_path / "picks", env_spec(make("arm_pick"))):
        pass
    asked = TrainConfig(task="arm_insert", run=str(tmp_path / "run"), demos_file=str(tmp_path / "picks"))
    with pytest.raises(
        ConfigError, match="picks' is of task 'arm_pick', not 'arm_insert'; name demonstrations"
    ):
        prepare(asked, None)
    assert not (tmp_path / "run").exists()
