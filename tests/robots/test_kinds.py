import importlib.util
import pathlib

import pytest

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError
from sandlot.robots import graph, kinds
from sandlot.robots.graph_config import UpConfig
from sandlot.robots.kinds import KINDS

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_robot_of_the_table_has_its_nodes_its_parameters_and_its_tasks(kind):
    found = KINDS[kind]
    for node in (f"{kind}_node", "gate_node", "topics", "replayed", *(["hands_node"] if found.hands else [])):
        assert importlib.util.find_spec(f"sandlot.robots.{kind}.{node}")
    assert kinds.of_task(found.task) == kind
    for name in (kind, *(f"{kind}_{device}" for device in found.devices)):
        assert (ROOT / "config" / f"{name}.yaml").is_file(), name
    assert (ROOT / "launch" / f"{kind}.launch.py").is_file()
    assert found.task in envs.tasks()
    assert isinstance(kinds.reverse_of(kind, found.task), str)
    graph.check_parameters(UpConfig(kind=kind))


def test_a_device_of_another_robot_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match="robot 'car' has sim, vesc"):
        UpConfig(kind="car", robot="franka")
    with pytest.raises(ConfigError, match="no scripted person"):
        UpConfig(kind="car", teleop="scripted")


def test_a_cars_hands_have_a_node_of_their_own():
    def started(**changes):
        specs = graph.nodes(UpConfig(learner=False, **changes), pathlib.Path("runs/lab"), 5570)
        return [spec.name for spec in specs]

    assert "hands" not in started(kind="arm", teleop="gamepad")
    assert started(kind="car", teleop="gamepad") == ["driver", "gate", "joy", "hands", "arming"]
    assert "hands" not in started(kind="car")


def test_a_task_of_no_robot_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="task 'boat' is none .* these are arm_reach, .*, car_yard"):
        kinds.of_task("boat")


def test_a_task_that_is_not_named_is_the_robots_own():
    assert UpConfig(kind="car").task == "car_hall"
    assert UpConfig(kind="arm").task == "arm_pick"
    assert UpConfig(kind="arm", task="arm_insert").task == "arm_insert"


def test_only_a_simulated_car_needs_no_deadman():
    def gate(robot):
        return graph.gate(UpConfig(kind="car", robot=robot)).parameters

    assert gate("sim")["deadman_button"] == -1
    assert "deadman_button" not in gate("vesc") and gate("vesc")["require_estop"]
