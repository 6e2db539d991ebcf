import pytest

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError


def test_what_was_registered_last_is_loaded_when_asked_for(monkeypatch):
    monkeypatch.setattr(plugins, "_places", {})
    plugins.register("encoder", "mine", "math:pi")
    plugins.register("encoder", "mine", "math:tau")
    assert plugins.load("encoder", "mine") == pytest.approx(6.2832, abs=1e-4)
    assert plugins.names("encoder") == ["mine"] and plugins.names("env") == []


def test_an_unknown_name_and_a_broken_place_are_named(monkeypatch):
    monkeypatch.setattr(plugins, "_places", {})
    plugins.register("encoder", "conv", "math:pi")
    plugins.register("encoder", "gone", "no_such_module:thing")
    with pytest.raises(ConfigError, match=r"encoder 'con' does not exist; choose one of conv, gone"):
        plugins.load("encoder", "con")
    with pytest.raises(ConfigError, match=r"encoder 'gone' cannot be loaded from no_such_module:thing"):
        plugins.load("encoder", "gone")
