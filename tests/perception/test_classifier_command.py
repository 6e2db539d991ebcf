"""`sandlot classifier`, from collecting to a report and back by labelling, in this process."""

import gymnasium as gym
import pytest
from tests.perception.classifier.small import CAMERAS, picture
from tests.perception.classifier.world import Lift

from sandlot.cli import run
from sandlot.perception.classifier import Classifier
from sandlot.perception.classifier.dataset import FrameStore, Layout
from sandlot.perception.classifier.queue import pending, save

LEARN = ["--encoder", "halves", "--updates", "60", "--lr", "0.02", "--shift-px", "0", "--light", "0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    spec = gym.envs.registration.EnvSpec("sandlot/ArmPick-v0", lambda **_: Lift(limit=30))
    monkeypatch.setitem(gym.registry, "sandlot/ArmPick-v0", spec)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "classifiers" / "arm_pick"


def call(*argv):
    return run(["classifier", *map(str, argv)])


def test_from_collecting_to_learning_on(folder, capsys):
    assert call("collect", "arm_pick", "--cameras", "wrist", "side", "--episodes", 30) == 0
    assert call("collect", "arm_pick", "--cameras", "wrist", "side", "--episodes", 32) == 0
    assert "episodes added  2\n" in capsys.readouterr().out
    assert len(FrameStore(folder / "data").records()) == 32
    assert call("train", folder, "--least", 10, *LEARN, "--json") == 0
    assert '"precision": ' in capsys.readouterr().out
    assert (folder / "report.html").is_file()
    first = Classifier.load(folder / "classifier.safetensors")
    save(folder / "queue", {c: picture(0.66) for c in CAMERAS}, 0.55, "e")
    assert call("relabel", folder) == 0
    name = pending(folder / "queue")[0].name[-6:]
    out = capsys.readouterr()
    assert f"{name} p=0.550" in out.err
    assert (folder / "queue.png").read_bytes().startswith(b"\x89PNG")
    assert call("relabel", folder, "--label", "no", "--frames", name) == 0
    assert call("train", folder, "--least", 10, *LEARN, "--json") == 0
    assert Classifier.load(folder / "classifier.safetensors").digest != first.digest
    assert call("report", folder) == 0


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["collect", "arm_pick"], "was recorded without cameras"),
        (["collect"], "name a task or folders"),
        (["collect", "arm_pick", "--noise", "-1"], "--noise -1 at least 0"),
        (["collect", "arm_pick", "--noise", "nan"], "--noise nan at least 0"),
        (["collect", "arm_pick", "--seed", "-1"], "--seed -1 and --noise"),
        (["collect", "arm_pick", "--episodes", "0"], "--episodes 0 must be at least 1"),
        (["collect", "arm_pick", "--teleop", "scripted"], "--teleop scripted is for training"),
        (["collect", "./nowhere"], "'./nowhere' holds no run"),
        (
            ["collect", "arm_pik"],
            "no folder 'arm_pik', and task 'arm_pik' does not exist (did you mean 'arm_pick'",
        ),
        (["collect", "gymnasium:Pendulum-v1"], "own tasks, not 'gymnasium:Pendulum-v1'; choose one of arm_"),
        (
            ["collect", "arm_pick", "--label", "yes"],
            "--label yes is for folders; of task 'arm_pick' the simulator",
        ),
        (["train", "nowhere"], "'nowhere/data' holds no frames; `sandlot classifier collect` makes"),
        (["report", "nowhere"], "does not exist; `sandlot classifier train` writes one"),
        (["relabel", "nowhere"], "'nowhere' is no folder; give a classifier's"),
        (["relabel", ".", "--label", "yes"], "--label 'yes' and --frames '' go together"),
        (["relabel", ".", "--frames", "abc"], "--label '' and --frames 'abc' go together"),
        (["grow"], "unknown action 'grow'; there are: collect, train, report, relabel"),
    ],
)
def test_one_line_for_what_cannot_be(folder, argv, text, capsys, monkeypatch):
    blind = Lift()
    blind.env_spec = type(blind.env_spec)(
        "arm_pick", blind.env_spec.state, {}, blind.env_spec.action, 10.0, 30
    )
    spec = gym.envs.registration.EnvSpec("sandlot/ArmPick-v0", lambda **_: blind)
    monkeypatch.setitem(gym.registry, "sandlot/ArmPick-v0", spec)
    assert call(*argv) == 2
    err = capsys.readouterr().err.strip()
    assert text in err
    assert err.count("\n") == 0


def test_a_damaged_file_to_go_on_from_can_be_left_behind(folder, capsys):
    FrameStore(folder / "data", Layout("arm_pick", CAMERAS)).begin()
    (folder / "classifier.safetensors").write_bytes(b"rubbish")
    assert call("train", folder) == 2
    assert "; train it again; --fresh starts from new weights" in capsys.readouterr().err
    assert call("train", folder, "--fresh") == 2
    assert "class 'no' has 0 frames" in capsys.readouterr().err


def test_an_unclear_or_unknown_frame_is_refused(folder, capsys):
    FrameStore(folder / "data", Layout("arm_pick", CAMERAS)).begin()
    save(folder / "queue", {c: picture(0.5) for c in CAMERAS}, 0.5, "e")
    assert call("relabel", folder, "--label", "no", "--frames", "zzz") == 2
    assert "frame 'zzz' is not in" in capsys.readouterr().err
