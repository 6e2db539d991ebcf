import pytest

from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import SandlotError
from sandlot.learners.prepare import prepare, stored_config


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
