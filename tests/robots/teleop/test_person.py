"""When a scripted person takes over and lets go, by hand; and that they are reproducible."""

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.teleop.mapping import GRIPPER, Button
from sandlot.robots.teleop.person import Mind, PersonConfig, ScriptedPerson, after, difference
from sandlot.robots.words import from_words

CFG = PersonConfig(tolerance=0.5, patience_steps=2, correction_steps=2, most_steps=6, late=0.8)
SAME, OFF, BACK = np.zeros(3), np.array([0.6, 0.0, 0.0]), np.array([-0.6, 0.0, 0.0])
EARLY = 0.1


def told(mind, *differences, share=EARLY):
    for away in differences:
        mind = after(mind, away, share, CFG, patience=2)
    return mind


def test_they_take_over_when_the_policy_has_been_off_for_as_long_as_their_patience():
    assert not told(Mind(2), OFF).drives
    assert told(Mind(2), OFF, OFF).drives
    assert not told(Mind(3), OFF, OFF).drives and told(Mind(3), OFF, OFF, OFF).drives
    assert not told(Mind(2), SAME, OFF, SAME, OFF).drives  # 0.3 on average
    assert not told(Mind(2), OFF, BACK, OFF, BACK).drives  # it tries things out, to either side
    assert told(Mind(2), SAME, SAME, OFF, OFF).drives  # only the last ones count


def test_they_let_go_after_a_few_steps_and_look_anew():
    driving = told(Mind(2), OFF, OFF)
    assert driving.left == 2
    assert told(driving, OFF).drives
    let_go = told(driving, OFF, OFF)
    assert not let_go.drives and let_go.seen == ()
    assert not told(let_go, OFF).drives


def test_each_further_correction_of_an_episode_is_twice_as_long_up_to_a_limit():
    mind, lengths = Mind(2), []
    for _ in range(4):
        mind = told(mind, OFF, OFF)
        lengths.append(mind.left)
        mind = told(mind, *[SAME] * mind.left)
    assert lengths == [2, 4, 6, 6]


def test_who_is_late_is_helped_without_a_difference():
    assert not told(Mind(2), SAME, SAME, share=0.79).drives
    assert told(Mind(2), SAME, SAME, share=0.8).drives
    assert not told(Mind(2), SAME, share=0.8).drives  # their reaction takes its time


def test_a_gripper_that_is_left_alone_does_not_differ():
    expert = np.float32([0] * GRIPPER + [1])
    for grip, away in ((0.0, 0.0), (0.4, 0.0), (-0.4, -1.4)):
        did = np.float32([0] * GRIPPER + [grip])
        assert difference(did, expert)[GRIPPER] == pytest.approx(away)


def play(seed, steps=30):
    """What the hands of a person do beside a policy that is always off."""
    person, hands = ScriptedPerson(PersonConfig(seed=seed), max_steps=60), []
    for _ in range(steps):
        hands.append(person.hands(np.float32([1.0, 0.0, 0.0])))
        person.saw(np.float32([-1.0, 0.0, 0.0]), np.float32([1.0, 0.0, 0.0]))
    return hands


def test_hands_do_as_the_expert_only_while_they_drive():
    hands = play(seed=3)
    assert not any(hands[0].axes) and not hands[0].down
    driven = [h for h in hands if h.down]
    assert driven and all(h.down == {Button.TAKE_OVER} for h in driven)
    x, y = np.array([h.axes[:2] for h in driven]).T
    assert x.min() > 0.7 and x.max() <= 1.0 and 0.0 < np.abs(y).max() < 0.3  # a hand is not a machine
    assert not any(any(h.axes[3:]) for h in driven)


def test_the_same_seed_gives_the_same_person():
    assert play(seed=3) == play(seed=3) != play(seed=4)


def test_a_person_begins_every_episode_with_hands_off():
    person = ScriptedPerson(PersonConfig(patience_steps=1, late=0.0), max_steps=10)
    for _ in range(2):
        person.saw(np.zeros(3), np.zeros(3))
    assert person.drives
    person.begin()
    assert not person.drives


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("patience=3",), "person's setting 'patience' does not exist; there are: tolerance=0.7"),
        (("patience_steps=0",), "person's patience_steps=0 must be at least 1"),
        (("patience_steps=x",), "--person patience_steps=x: .*write NAME=VALUE"),
        (("correction_steps=9", "most_steps=8"), r"most_steps=8 must not be below correction_steps \(9\)"),
        (("late=1.5",), r"person's late=1.5 must lie in \[0, 1\]"),
        (("tolerance=nan",), r"person's tolerance=nan must lie in \[0, 4\]"),
        (("seed=-1",), "person's seed=-1 must not be negative"),
    ],
)
def test_settings_that_cannot_be_are_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        from_words(PersonConfig, words, "person")
    given = from_words(PersonConfig, ("patience_steps=3", "late=1"), "person")
    assert given == PersonConfig(patience_steps=3, late=1.0)
