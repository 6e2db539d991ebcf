"""What a person may get wrong: exit code 2, one line on stderr that names the thing and the way out."""

import os
import pathlib
import socket
import subprocess

import pytest
import yaml
from bench.faults_starts import sandlot
from bench.system_rig import TASK, tiny

from sandlot.learners.config import save_config
from sandlot.learners.prepare import CONFIG_FILE, prepare, prepare_demos
from sandlot.learners.store import RunReader

PENDULUM = ["train", TASK]


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Commands run in an empty folder, with the repository's packages at hand."""
    root = pathlib.Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), str(root)]))
    monkeypatch.chdir(tmp_path)


def refusal(*words):
    """The one line that a refused command leaves."""
    said = sandlot(*map(str, words))
    lines = said.stderr.strip().splitlines()
    assert said.code == 2, said.stderr
    assert len(lines) == 1 and lines[0].startswith(f"sandlot {words[0]}: "), said.stderr
    return lines[0]


WRONG = [
    (["trian", "arm_pick"], ["unknown command 'trian'", "train"]),
    (["train", "arm_pik"], ["task 'arm_pik' does not exist", "did you mean 'arm_pick'"]),
    (["train", "gymnasium:Pendulum-v9"], ["Pendulum-v9"]),
    (["train", "gymnasium:CartPole-v1", "--demos", "0"], ["action space is Discrete", "continuous Box"]),
    (["train", "arm_pick", "--stepz", "9"], ["--stepz"]),
    (["train", "arm_pick", "--steps", "many"], ["--steps", "many"]),
    (["train", "arm_pick", "--steps", "0"], ["--steps is 0", "greater than 0"]),
    (["train", "arm_pick", "--agent.gamma", "7"], ["gamma"]),
    (["train", TASK, "--cameras", "wrist"], ["cameras", "only Sandlot's own tasks"]),
    (["train", TASK, "--init", "nothing"], ["no run at 'runs/nothing'", "sandlot train TASK --run NAME"]),
    (["train", TASK, "--demos", "3"], ["expert"]),
    (["demos", "car_hall", "--robot", "ros", "--teleop", "joy"], ["by driving it", "sandlot course lap"]),
    (["eval", "nothing"], ["no run at 'runs/nothing'", "none yet"]),
    (["export", "nothing"], ["no run at 'runs/nothing'"]),
    (["actor", TASK, "--learner", "127.0.0.1"], ["tcp://HOST:PORT"]),
    (["actor", TASK, "--learner", "10.0.0.7:5567"], ["sandlot keys"]),
    (["learner", TASK, "--host", "0.0.0.0"], ["sandlot keys"]),  # noqa: S104
]


@pytest.mark.parametrize(("words", "parts"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_one_clear_line(words, parts):
    line = refusal(*words)
    assert all(part in line for part in parts), line


def test_an_unreadable_mjcf():
    pathlib.Path("arm.xml").write_text("<mujoco><worldbody><body></mujoco>")
    assert "arm.xml" in refusal("train", "arm_reach", "--mjcf", "arm.xml")
    assert "none.xml" in refusal("train", "arm_reach", "--mjcf", "none.xml")


def made_run(**changes):
    """A run's folder as `sandlot train` makes it."""
    folder, config = prepare(tiny(run="runs/mine", **changes), None)
    prepare_demos(folder, config)
    return folder


def test_a_run_folder_of_another_task_is_left_as_it_is():
    folder = made_run()
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    line = refusal("train", "arm_reach", "--run", "mine")
    assert "is of task 'gymnasium:Pendulum-v1', not 'arm_reach'" in line and "--run" in line
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_changed_settings_on_resume():
    folder = made_run()
    before = (folder / CONFIG_FILE).read_bytes()
    line = refusal(*PENDULUM, "--run", "mine", "--seed", "5")
    assert "seed: 0 != 5" in line and "choose another --run" in line
    assert (folder / CONFIG_FILE).read_bytes() == before


def test_a_folder_that_is_no_run_and_one_that_cannot_be_written():
    pathlib.Path("runs/notes").mkdir(parents=True)
    pathlib.Path("runs/notes/todo.txt").write_text("x")
    assert "not a run" in refusal(*PENDULUM, "--run", "notes")
    pathlib.Path("runs/file").write_text("x")
    assert "runs/file" in refusal(*PENDULUM, "--run", "file")
    assert "/proc/x" in refusal(*PENDULUM, "--run", "/proc/x")


def test_a_broken_config_names_the_setting():
    folder = made_run()
    values = yaml.safe_load((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(yaml.safe_dump({**values, "stepz": 3}))
    assert "unknown setting 'stepz'" in refusal(*PENDULUM, "--run", "mine")


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = sandlot(*PENDULUM, "--run", "mine", "--port", port)
        assert said.code == 2 and said.line.count("\n") == 0
        assert port in said.line and "--port" in said.line


def test_a_full_disk_is_one_line_and_what_was_there_is_intact(tmp_path):
    """A tmpfs of 1 MB that is full; where it cannot be mounted there is nothing to test."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        save_config(disk / "kept.yaml", tiny())
        kept = (disk / "kept.yaml").read_bytes()
        free = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"0" * (free.f_bavail * free.f_frsize))
        said = sandlot(*PENDULUM, "--run", str(disk / "run"))
        assert said.code == 2 and said.line.count("\n") == 0, said.stderr
        assert str(disk / "run") in said.line
        (disk / "ballast").unlink()
        assert (disk / "kept.yaml").read_bytes() == kept
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_run_that_was_never_trained_cannot_be_played():
    made_run()
    assert "no policy yet" in refusal("eval", "mine")
    assert RunReader("runs/mine/demos").last_seq == 0
