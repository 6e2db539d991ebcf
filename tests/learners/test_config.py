import dataclasses
import errno
import math

import pytest

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.config import (
    EnvConfig,
    TrainConfig,
    existing_run,
    from_dict,
    load_config,
    refuse_changes,
    run_folder,
    save_config,
)
from sandlot.learners.errors import ConfigError, StoreError


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "--steps is 0; it must be greater than 0"),
        ({"actors": -1}, "--actors is -1"),
        ({"checkpoint_s": math.nan}, "--checkpoint-s is nan"),
        ({"demos": -1}, "--demos is -1; it must not be negative"),
        ({"tries": -3}, "--tries is -3, --call-after is 50; use at least 1"),
        ({"call_after": -1}, "--call-after is -1"),
        ({"port": 70000}, "--port is 70000; ports go from 1 to 65535"),
        ({"max_lead_steps": 6, "actors": 1}, "use 7 or more"),  # 20 updates a call at ratio 4: 5 steps, and 2
    ],
)
def test_a_number_that_cannot_be_names_flag_value_and_rule(change, words):
    with pytest.raises(ConfigError, match="--") as caught:
        TrainConfig(task="t", **change)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_px": 8, "cameras": ("side",)}, r"--image-px is 8: it must lie in \[16, 1024\], or be 0"),
        ({"image_px": 64}, "--image-px is about cameras; name them"),
        ({"cameras": ("wrist", "side", "wrist")}, "--cameras names one twice: wrist, side, wrist"),
        ({"encoder": "e.safetensors"}, "--encoder is about cameras"),
    ],
)
def test_settings_of_an_env_that_cannot_be(change, words):
    with pytest.raises(ConfigError, match=words):
        EnvConfig(**change)


def test_an_image_size_reaches_the_env_only_when_given():
    assert EnvConfig(cameras=("side",), image_px=64).kwargs() == {"cameras": ("side",), "image_px": 64}
    assert "image_px" not in EnvConfig(cameras=("side",)).kwargs()


def test_in_real_time_nobody_waits_so_any_lead_will_do():
    assert TrainConfig(task="t", pace="realtime", max_lead_steps=1).max_lead_steps == 1


def test_a_config_comes_back_as_it_was_written(tmp_path):
    env, agent = EnvConfig(cameras=("wrist",), randomize=True), AgentConfig(critic_hidden=(8, 4))
    config = TrainConfig(task="t", env=env, agent=agent, update_ratio=0.3)
    save_config(tmp_path / "c.yaml", config)
    assert load_config(tmp_path / "c.yaml") == config
    assert [p.name for p in tmp_path.iterdir()] == ["c.yaml"]


def test_an_unchanged_config_is_not_written_again(tmp_path):
    path = tmp_path / "c.yaml"
    save_config(path, TrainConfig(task="t"))
    inode = path.stat().st_ino
    save_config(path, TrainConfig(task="t"))
    assert path.stat().st_ino == inode
    save_config(path, TrainConfig(task="t", steps=7))
    assert path.stat().st_ino != inode  # replaced as a whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task: t\nstepz: 3", "unknown setting 'stepz'"),
        ("task: t\nagent: {utdd: 3}", "agent: unknown setting 'utdd'"),
        ("task: t\nsteps: many", "steps"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_broken_config_names_file_and_field(tmp_path, text, words):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_plain_names_go_under_runs_and_paths_stay():
    assert str(run_folder("first")) == "runs/first"
    assert str(run_folder("", "gymnasium:Pendulum-v1")) == "runs/gymnasium-Pendulum-v1"
    assert str(run_folder("/x/y")) == "/x/y"
    with pytest.raises(ConfigError, match="cannot be a folder"):
        run_folder("..")


def test_a_run_that_is_not_there_lists_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="none yet"):
        existing_run("x")
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    save_config(tmp_path / "runs" / "mine" / "config.yaml", TrainConfig(task="t"))
    with pytest.raises(ConfigError, match="runs here: mine"):
        existing_run("x")
    assert str(existing_run("mine")) == "runs/mine"


def test_what_belongs_to_a_run_cannot_change_and_the_rest_may():
    stored = from_dict({"task": "t", "run": "r"}, where="here")
    refuse_changes(stored, dataclasses.replace(stored, steps=9, actors=3, port=1234, pace="free"))
    with pytest.raises(ConfigError, match="seed: 0 != 1") as caught:
        refuse_changes(stored, dataclasses.replace(stored, seed=1, steps=9))
    assert "steps" not in str(caught.value) and "choose another --run" in str(caught.value)


def test_a_config_from_a_few_values_has_them_all(tmp_path):
    save_config(tmp_path / "c.yaml", from_dict({"task": "t", "agent": {"utd": 4}}, where="here"))
    text = (tmp_path / "c.yaml").read_text()
    assert "checkpoint_s: 20.0" in text and "gamma: 0.99" in text and "randomize: false" in text


def test_a_config_that_cannot_be_written_leaves_the_old_one_and_says_why(tmp_path, monkeypatch):
    path = tmp_path / "c.yaml"
    save_config(path, TrainConfig(task="t"))
    before = path.read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match=r"c\.yaml' cannot be written: .*No space left"):
        save_config(path, TrainConfig(task="t", steps=7))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
