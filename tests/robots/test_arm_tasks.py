"""Tasks without a simulator: success, observation and reset ranges on readings made by hand."""

import dataclasses
import math

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.spec import DOWN, ArmReading, Command, Pose
from sandlot.robots.arm.task import yawed
from sandlot.robots.arm.tasks import TASKS, ArmInsert, ArmPcb, ArmPick, ArmReach, ArmRelocate
from sandlot.robots.arm.tasks_cable import SEEN, ArmCable, crossing


def reading(tool, objects, *, width_m=0.04, is_open=False):
    pose = Pose(np.array(tool, float), DOWN)
    zero = np.zeros(3)
    return ArmReading(pose, zero, zero, np.zeros(7), width_m, zero, zero, Command(pose, is_open), objects)


def at(x, y, z, rot=None):
    return Pose(np.array([x, y, z], float), np.eye(3) if rot is None else rot)


@pytest.mark.parametrize(
    ("tool_z", "cube_z", "width_m", "is_open", "done"),
    [
        (0.121, 0.121, 0.04, False, True),
        (0.119, 0.119, 0.04, False, False),  # 99 mm are not 100
        (0.020, 0.121, 0.04, False, False),  # thrown, not held
        (0.121, 0.121, 0.00, False, False),  # nothing between the fingers
        (0.121, 0.121, 0.04, True, False),  # let go
    ],
)
def test_pick_succeeds_only_when_held_10_cm_up(tool_z, cube_z, width_m, is_open, done):
    now = reading((0.5, 0, tool_z), {"cube": at(0.5, 0, cube_z)}, width_m=width_m, is_open=is_open)
    assert ArmPick().success(now) is done


@pytest.mark.parametrize(
    ("tip", "done"),
    [((0.5, 0, 0.0099), True), ((0.5, 0, 0.011), False), ((0.55, 0, 0.005), False)],
)
def test_insert_succeeds_at_2_cm_depth_in_the_hole(tip, done):
    assert ArmInsert().success(reading(tip, {"hole": at(0.5, 0, 0.03)})) is done


@pytest.mark.parametrize(
    ("tip", "done"),
    [((0.5, 0, 0.0189), True), ((0.5, 0, 0.0191), False), ((0.503, 0, 0.015), False)],
)
def test_pins_succeed_11_mm_deep_in_their_socket(tip, done):
    assert ArmPcb().success(reading(tip, {"socket": at(0.5, 0, 0.03)})) is done


def test_where_a_cable_passes_a_clip_that_is_turned():
    """A cable along the clip's axis, 2 mm to its left and 4 mm above; its points lie 2 cm apart."""
    turn = yawed(0.3)
    clip = np.array([0.5, 0.02, 0.05])
    points = [clip + turn @ (0.02 * i - 0.033, 0.002, 0.004) for i in range(len(SEEN))]
    objects = {name: at(*p, turn) for name, p in zip(SEEN, points, strict=True)} | {"clip": at(*clip, turn)}
    np.testing.assert_allclose(crossing(reading((0.4, 0, 0.1), objects)), [0, 0.002, 0.004], atol=1e-12)
    short = {name: at(*(p - turn @ (0.2, 0, 0)), turn) for name, p in zip(SEEN, points, strict=True)}
    end = [0.02 * len(SEEN) - 0.033 - 0.2, 0.002, 0.004]  # the free end, 2 cm beyond the last point
    np.testing.assert_allclose(crossing(reading((0.4, 0, 0.1), objects | short)), end, atol=1e-12)


def test_a_task_names_all_that_it_reads():
    assert ArmPick().tracked() == ("cube",)
    assert ArmCable().tracked() == ("clip", *SEEN)


def test_only_tasks_with_a_reverse_can_be_reversed():
    back = ArmRelocate(privileged=False).reversed()
    assert back.name == ArmRelocate.reverse and back.reversed().name == "arm_relocate"
    assert back.state_entries() == ArmRelocate(privileged=False).state_entries()
    with pytest.raises(ConfigError, match="task 'arm_pick' has no reverse"):
        ArmPick().reversed()


def test_reach_needs_position_and_orientation():
    task = ArmReach()
    turned = yawed(0.16) @ DOWN
    assert task.success(reading((0.5, 0, 0.2), {"target": at(0.519, 0, 0.2, DOWN)}))
    assert not task.success(reading((0.5, 0, 0.2), {"target": at(0.521, 0, 0.2, DOWN)}))
    assert not task.success(reading((0.5, 0, 0.2), {"target": at(0.5, 0, 0.2, turned)}))


def test_pick_state_by_hand():
    task = ArmPick()
    state = task.observe(reading((0.65, 0, 0.15), {"cube": at(0.55, 0.05, 0.02)}, width_m=0.08, is_open=True))
    named = dict(zip([e.name for e in task.state_entries()], split(task, state), strict=True))
    np.testing.assert_allclose(named["tool_position"], [1, 0, 0], atol=1e-6)  # 15 cm from the centre
    np.testing.assert_allclose(named["cube_from_tool"], [-1, 0.5, -1.3], atol=1e-6)
    np.testing.assert_allclose(named["gripper_width"], [1])
    np.testing.assert_allclose(named["gripper_command"], [1])
    np.testing.assert_allclose(named["cube_yaw"], [0, 1], atol=1e-6)
    assert state.dtype == np.float32 and state.size == 32


def split(task, state):
    return np.split(state, np.cumsum([e.size for e in task.state_entries()])[:-1])


def test_a_square_cube_looks_the_same_every_quarter_turn():
    task = ArmPick()
    states = [
        task.observe(reading((0.5, 0, 0.2), {"cube": at(0.5, 0, 0.02, yawed(0.1 + k * math.pi / 2))}))
        for k in range(4)
    ]
    for state in states[1:]:
        np.testing.assert_allclose(state, states[0], atol=1e-5)


def test_state_is_bounded_whatever_happens():
    far = dataclasses.replace(
        reading((0.5, 0, 0.2), {"cube": at(99, -99, 99)}), force_n=np.array([1e6, 0, 0])
    )
    assert np.abs(ArmPick().observe(far)).max() <= 5.0


def test_without_privilege_no_object_is_in_the_state():
    things = ("cube", "hole", "target", "socket", "clip", "cable", "goal")
    for task in TASKS.values():
        names = [e.name for e in task(privileged=False).state_entries()]
        assert not [n for n in names if n.startswith(things)]
        assert len(task().state_entries()) > len(names)


def test_scenes_fill_their_ranges_and_no_more():
    rng = np.random.default_rng(0)
    cubes = np.array([ArmPick().scene(rng).objects["cube"].position_m for _ in range(500)])
    assert np.abs(cubes[:, 0] - 0.5).max() <= 0.125 and np.abs(cubes[:, 1]).max() <= 0.125
    assert (np.ptp(cubes[:, :2], axis=0) > 0.24).all()
    holes = [ArmInsert().scene(rng).objects["hole"] for _ in range(500)]
    yaws = np.array([math.atan2(h.rotation[1, 0], h.rotation[0, 0]) for h in holes])
    assert np.degrees(np.abs(yaws).max()) <= 15.0 and np.degrees(np.ptp(yaws)) > 28
    spots = np.array([h.position_m for h in holes])
    assert np.abs(spots[:, 0] - 0.5).max() <= 0.05 and np.abs(spots[:, 1]).max() <= 0.05


def test_specs_name_every_number():
    for task in (make() for make in TASKS.values()):
        for entry in (*task.state_entries(), *task.action_entries()):
            assert entry.name and entry.unit and entry.low < entry.high
        assert sum(e.size for e in task.action_entries()) == (7 if task.limits.gripper else 6)
