import os

import pytest
from bench.system_rig import TASK, tiny

from sandlot.learners.config import TrainConfig, load_config
from sandlot.learners.errors import BusyError, ConfigError, SandlotError
from sandlot.learners.prepare import CONFIG_FILE, DEMOS_FOLDER, prepare, prepare_demos, stored_config
from sandlot.learners.store import RunReader
from sandlot.learners.store_file import lock_folder


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
    ],
)
def test_what_is_refused_leaves_no_folder(changes, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(**{"task": "gymnasium:Pendulum-v1", "run": "./mine", **changes})
    with pytest.raises(SandlotError, match=words):
        prepare(config, None)
    assert not list(tmp_path.iterdir())


def test_a_folder_keeps_the_name_it_was_given_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, config = prepare(TrainConfig(task="gymnasium:Pendulum-v1", run="./mine"), None)
    assert folder.resolve() == tmp_path / "mine"
    assert config.run == "./mine"
    assert stored_config(config.run, config.task) == config
