"""Tokens, sessions, and requests that another site made a browser send, by hand."""

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.console.access import MOST_SESSIONS, SESSION_S, Doorman, host_fault, origin_fault
from sandlot.robots.console.config import ConsoleConfig


def test_only_the_token_opens_a_session_and_it_ends():
    doorman = Doorman()
    assert doorman.open("", 0.0) is None
    assert doorman.open(doorman.token[:-1], 0.0) is None
    assert doorman.open(doorman.token + "\x00", 0.0) is None
    session = doorman.open(doorman.token, 100.0)
    assert doorman.find(session.id, 100.0 + SESSION_S - 1) == session
    assert doorman.find(session.id, 100.0 + SESSION_S) is None
    assert doorman.find(None, 100.0) is None and doorman.find("", 100.0) is None
    doorman.close(session)
    assert doorman.find(session.id, 100.0) is None


def test_every_token_and_session_is_new_and_long():
    texts = {Doorman().token for _ in range(50)}
    assert len(texts) == 50 and min(map(len, texts)) >= 43  # 32 bytes
    doorman = Doorman()
    sessions = [doorman.open(doorman.token, 0.0) for _ in range(3)]
    assert len({s.id for s in sessions} | {s.csrf for s in sessions} | {doorman.token}) == 7


def test_many_logins_do_not_fill_the_memory():
    doorman = Doorman()
    sessions = [doorman.open(doorman.token, float(i)) for i in range(MOST_SESSIONS + 3)]
    assert [doorman.find(s.id, 40.0) is not None for s in sessions] == [False] * 3 + [True] * MOST_SESSIONS


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8440", "localhost", "[::1]:8440", "192.168.1.7:8440", "Robot.lab"]
)
def test_hosts_that_cannot_be_another_sites(host):
    assert not host_fault(host, ["robot.lab"])


@pytest.mark.parametrize(
    "host", [None, "", "evil.example:8440", "127.0.0.1.evil.example", "robot.lab.evil", "[::1"]
)
def test_hosts_that_another_site_may_point_here(host):
    assert "--name" in host_fault(host, ["robot.lab"])


def test_origins():
    assert not origin_fault("http://127.0.0.1:8440", "127.0.0.1:8440")
    assert not origin_fault("https://robot.lab", "robot.lab")
    for origin in ("http://127.0.0.1:9999", "http://evil.example", "null", ""):
        assert "another site" in origin_fault(origin, "127.0.0.1:8440")
    assert "another site" in origin_fault("http://a", None)
    assert origin_fault(None, "a") and not origin_fault(None, "a", needed=False)


def test_an_address_for_others_needs_tls_or_a_word():
    for host in ("192.168.1.7", "::", "robot.lab"):
        with pytest.raises(ConfigError, match=f"--host {host} can be reached by others"):
            ConsoleConfig(host=host)
        assert ConsoleConfig(host=host, plain=True).scheme == "http"
        assert ConsoleConfig(host=host, cert="c.pem", key="k.pem").scheme == "https"
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        ConsoleConfig(host=host)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"cert": "c.pem"}, "--cert and --key belong together"),
        ({"port": 70000}, "--port 70000"),
        ({"camera_hz": 0.0}, "--camera-hz 0"),
        ({"camera_px": 8}, "--camera-px 8"),
    ],
)
def test_a_wrong_setting_is_named(setting, words):
    with pytest.raises(ConfigError, match=words):
        ConsoleConfig(**setting)
