"""What a scripted person does beside an arm, from its topics' messages and its actor's steps."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sandlot.learners.real_time import StepNote
from sandlot.learners.schema import Flag, Source
from sandlot.robots.arm import readings, ros_messages, topics
from sandlot.robots.arm.device import ArmState
from sandlot.robots.arm.onlooker import SILENT_S, Onlooker
from sandlot.robots.arm.spec import DOWN, Command, Pose
from sandlot.robots.arm.tasks import ArmReach, ArmRelocate, ArmRelocateBack
from sandlot.robots.step_message import View
from sandlot.robots.teleop.mapping import Button
from sandlot.robots.teleop.person import PersonConfig

CFG = PersonConfig(patience_steps=1, correction_steps=2, late=1.0, hand_noise=0.0)
TOOL, TARGET = np.array([0.5, 0.0, 0.25]), np.array([0.6, 0.0, 0.25])
AWAY = np.float32([-1, 0, 0, 0, 0, 0])


def values():
    """Messages of an arm at rest at TOOL."""
    nothing = np.zeros(3)
    state = ArmState(0.0, np.zeros(7), np.zeros(7), Pose(TOOL, DOWN), nothing, nothing, 0.0, nothing, nothing)
    stamp_ns = time.time_ns()
    made = {
        topics.JOINT_STATES: ros_messages.joint_message(state, tuple("abcdefg"), stamp_ns),
        topics.TOOL_POSE: ros_messages.pose_message(state.tool, stamp_ns),
        topics.TOOL_TWIST: ros_messages.twist_message(state, stamp_ns),
        topics.WRENCH: ros_messages.wrench_message(state, stamp_ns),
    }
    return {topic.name: message for topic, message in made.items()}


def view():
    """After a step: the command is where the tool is; the target is known to the task alone."""
    command = (*readings.pose_numbers(Pose(TOOL, DOWN)), 0.0)
    return View({}, {"command": command, "object.target": readings.pose_numbers(Pose(TARGET, DOWN))})


class Beside:
    """An onlooker, and an actor whose policy moves away from the target."""

    def __init__(self):
        self.onlooker, self.now_s, self.number = Onlooker(ArmReach(), CFG), 10.0, 0

    def step(self, source=Source.POLICY, episode=0, flags=None, after=True):
        note = StepNote(episode, self.number, flags or Flag(0), 0.0, source, 0, 0, 0, 0.0, AWAY, AWAY)
        self.number, self.now_s = self.number + 1, self.now_s + 0.1
        self.onlooker.stepped(note, view() if after else None, values(), self.now_s)

    def hands(self):
        return self.onlooker.hands(values(), self.now_s)

    def until_driven(self):
        for count in range(1, 10):
            self.step()
            if self.hands().down:
                return count
        raise AssertionError("they never took over")


def test_they_take_over_and_drive_to_the_target_and_let_go():
    it = Beside()
    assert it.until_driven() in (2, 3)  # the first step of an episode shows only where it began
    hands = it.hands()
    assert hands.down == {Button.TAKE_OVER}
    assert hands.axes[0] == pytest.approx(1.0) and not any(np.abs(hands.axes[1:]) > 1e-6)
    it.step()  # was under way when they took over
    assert it.hands().down
    it.step(Source.HUMAN)
    assert it.hands().down
    it.step(Source.HUMAN)
    assert not it.hands().down and not any(it.hands().axes)
    it.step(Source.HUMAN)  # was under way when they let go
    assert not it.hands().down


def test_hands_go_on_from_the_newest_command():
    it = Beside()
    it.onlooker.commanded(Command(Pose(TARGET, DOWN), False))  # before any step: of no episode of theirs
    it.until_driven()
    assert it.hands().axes[0] == pytest.approx(1.0)  # 10 cm to go, 5 cm a step
    it.onlooker.commanded(Command(Pose(TOOL + (0.08, 0.0, 0.0), DOWN), False))
    assert it.hands().axes[0] == pytest.approx(0.4)  # 2 cm


@pytest.mark.parametrize(
    "what",
    [
        {"episode": 1},
        {"flags": Flag.TERMINATED | Flag.END},
        {"flags": Flag.TRUNCATED | Flag.END},
        {"flags": Flag.ABORTED | Flag.END, "after": False},
    ],
)
def test_their_hands_are_off_when_an_episode_ends(what):
    it = Beside()
    it.until_driven()
    it.step(Source.HUMAN, **what)
    assert not it.hands().down


def test_their_hands_are_off_when_nobody_practises():
    it = Beside()
    it.until_driven()
    it.now_s += SILENT_S + 0.01
    assert not it.hands().down
    it.now_s -= SILENT_S
    assert not it.hands().down  # for good, not for as long as it was silent


def test_who_knows_a_task_knows_its_reverse():
    """The arm far above a cube on the table: there it is, and here it is not yet."""
    onlooker, drove = Onlooker(ArmRelocate(), CFG), {}
    cube = readings.pose_numbers(Pose(np.array([0.5, -0.1, 0.02]), DOWN))
    command = (*readings.pose_numbers(Pose(TOOL, DOWN)), 1.0)
    for task in (ArmRelocate(), ArmRelocateBack()):
        expert = task.expert(
            readings.reading(values(), Command(Pose(TOOL, DOWN), True), {"cube": readings.pose_of(cube)})
        )
        for k in range(6):
            note = StepNote(0, k, Flag(0), 0.0, Source.POLICY, 0, 0, 0, 0.0, -expert, -expert, task.name)
            onlooker.stepped(note, View({}, {"command": command, "object.cube": cube}), values(), 0.1 * k)
        drove[task.name] = np.array(onlooker.hands(values(), 0.5).axes)
        assert drove[task.name] == pytest.approx(expert, abs=1e-6)
    assert abs(drove["arm_relocate"] - drove["arm_relocate_back"]).max() > 0.01


def test_they_do_not_drive_what_they_cannot_see():
    it = Beside()
    it.until_driven()
    assert not it.onlooker.hands(None, it.now_s).down
    assert it.hands().down
