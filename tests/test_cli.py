"""Words of a command line that are not what they were, and what a wrong one is told."""

import os
import pty
import subprocess
import sys

import pytest

from sandlot.cli import parse, spelled_out
from sandlot.learners.actor_config import ActorConfig


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("arm_pick --robot ros --teleop", "joy"),
        ("arm_pick --teleop --robot ros", "joy"),
        ("arm_pick --robot ros --teleop joy", "joy"),
        ("arm_pick --teleop=joy --robot ros", "joy"),
        ("arm_pick --teleop scripted", "scripted"),
        ("arm_pick", "none"),
    ],
)
def test_teleop_alone_still_means_a_person(said, meant):
    assert parse(ActorConfig, said.split(), prog="actor").env.teleop == meant


def test_no_other_word_is_touched():
    assert spelled_out(["a", "--teleop", "gamepad", "--json"]) == ["a", "--teleop", "gamepad", "--json"]
    assert spelled_out([]) == []


WRONG = [sys.executable, "-m", "sandlot", "train", "arm_pick", "--steps", "abc"]
TOLD = b"sandlot train: Error parsing --steps: invalid literal for int() with base 10: 'abc'"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_wrong_word_is_told_on_one_line(encoding):
    ended = subprocess.run(
        WRONG, check=False, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(TOLD) and ended.stderr.count(b"\n") == 1


def test_a_wrong_word_is_told_on_a_terminal_with_colours():
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color"}
    with subprocess.Popen(WRONG, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(ours, 4096)
        assert process.wait(60) == 2
    os.close(ours)
    assert said.startswith(TOLD)
