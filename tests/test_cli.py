"""Words of a command line that are not what they were."""

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
