"""The one description of a robot's processes: what runs, in which words and order, and what is refused."""

import ast
import configparser
import pathlib
import runpy
import shlex
import sys

import pytest
import yaml

from sandlot.commands.actor import asked
from sandlot.learners.config import load_config
from sandlot.learners.errors import ConfigError, SandlotError, StoreError
from sandlot.learners.prepare import CONFIG_FILE
from sandlot.robots import graph, graph_run, supervise
from sandlot.robots.graph_arguments import arguments, from_texts
from sandlot.robots.graph_config import UpConfig

ROOT = pathlib.Path(__file__).parents[2]
RUN = pathlib.Path("runs/lab")


def up(**changes):
    return UpConfig(kind="arm", **changes)


def names(**changes):
    return [spec.name for spec in graph.nodes(up(**changes), RUN, 5570)]


def spec_of(name, **changes):
    return next(s for s in graph.nodes(up(**changes), RUN, 5570) if s.name == name)


def test_processes_start_from_the_device_up_and_end_the_other_way_round():
    assert names() == ["driver", "gate", "arming", "learner", "actor"]
    assert names(robot="franka", teleop="gamepad", record=True) == [
        "driver", "gate", "joy", "recorder", "learner", "actor",
    ]  # fmt: skip


def test_a_learner_elsewhere_leaves_the_actor_here_and_none_leaves_the_robot_alone():
    assert names(connect="10.0.0.2:5567")[-1] == "actor" and "learner" not in names(connect="10.0.0.2:5567")
    assert "10.0.0.2:5567" in spec_of("actor", connect="10.0.0.2:5567").arguments
    assert names(learner=False) == ["driver", "gate", "arming"]


BACK = graph.Back("arm_relocate_back", pathlib.Path("runs/lab_back"), 5571)


def test_two_tasks_in_turn_have_a_learner_each_and_one_actor():
    specs = {s.name: s for s in graph.nodes(up(task="arm_relocate", tries=2), RUN, 5570, BACK)}
    assert list(specs)[-3:] == ["learner", "learner_back", "actor"]
    words = ("learner", "arm_relocate_back", "--run", "runs/lab_back", "--port", "5571")
    assert specs["learner_back"].arguments == words
    config = asked(list(specs["actor"].arguments[1:]))
    assert (config.learner, config.back_learner) == ("127.0.0.1:5570", "127.0.0.1:5571")
    assert (config.tries, config.call_after, config.pace) == (2, 50, "realtime")
    elsewhere = up(task="arm_relocate", connect="h:1", back_connect="h:2")
    (config,) = (asked(list(s.arguments[1:])) for s in graph.nodes(elsewhere, RUN, 1) if s.name == "actor")
    assert (config.learner, config.back_learner) == ("h:1", "h:2")


def test_what_the_actor_sees_and_by_whose_word_reaches_it():
    given = {"camera": ("wrist", "side"), "image_px": 64, "classifier": "a.st", "back_classifier": "b.st"}
    (spec,) = (s for s in graph.nodes(up(**given, autoreset=True), RUN, 5570, BACK) if s.name == "actor")
    config = asked(list(spec.arguments[1:]))
    assert config.env == up(**given).env and config.env.classifier == "a.st" and config.env.image_px == 64
    assert config.env.robot == "ros" and config.back_classifier == "b.st" and config.autoreset


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_px": 64}, "--image-px is about cameras"),
        ({"classifier": "a.st"}, "--classifier is about cameras"),
        ({"image_px": 5, "camera": ("side",)}, "--image-px is 5: it must lie in"),
        ({"tries": 0}, "--tries is 0"),
        ({"autoreset": True, "learner": False}, "--autoreset is for trials of a learner"),
        ({"back_connect": "h:2"}, "name the first one with --connect"),
        ({"back_demos_file": "d", "learner": False}, "--back-demos-file is for two tasks"),
        ({"back_demos_file": "d", "in_turn": False}, "--back-demos-file is for two tasks"),
    ],
)
def test_flags_that_say_nothing_here_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        up(**changes)


def test_a_graph_opens_both_runs_and_goes_on_with_what_they_were_begun_with(tmp_path):
    given = {"task": "arm_relocate", "run": str(tmp_path / "lab"), "demos_file": ""}
    first = graph_run.open_runs(up(**given, robot="franka"))
    assert first.back is not None and first.back.folder == tmp_path / "lab_back"
    forward, back = (load_config(f / CONFIG_FILE) for f in (first.folder, first.back.folder))
    assert (forward.partner, back.partner) == (str(first.back.folder), str(first.folder))
    assert (back.task, back.pace, forward.demos) == ("arm_relocate_back", "realtime", 0)
    again = graph_run.open_runs(up(**given, robot="franka", tries=2))
    assert (again.folder, again.back.folder) == (first.folder, first.back.folder)
    with pytest.raises(ConfigError, match="--camera is 'side'; run '.*lab' was begun with none"):
        graph_run.open_runs(up(**given, camera=("side",)))
    with pytest.raises(ConfigError, match="--in-turn is 'False'; run"):
        graph_run.open_runs(up(**given, in_turn=False))


def test_an_address_that_cannot_be_is_refused_before_anything_runs():
    graph.check_parameters(up(connect="127.0.0.1:5567"))
    with pytest.raises(ConfigError, match="'tcp://h' is not of the form"):
        graph.check_parameters(up(connect="127.0.0.1:5567", back_connect="h"))


def test_what_the_reverse_task_cannot_use_is_refused_before_a_run_is_made(tmp_path):
    given = {"task": "arm_relocate", "run": str(tmp_path / "lab"), "robot": "franka"}
    with pytest.raises(StoreError, match="'nope' holds no run"):
        graph_run.open_runs(up(**given, back_demos_file="nope"))
    with pytest.raises(SandlotError, match="classifier file 'nope' does not exist"):
        graph_run.open_runs(up(**given, camera=("side",), image_px=16, back_classifier="nope"))
    assert not (tmp_path / "lab").exists()


def test_a_task_without_a_reverse_is_practised_alone(tmp_path):
    given = {"task": "arm_reach", "run": str(tmp_path / "lab"), "robot": "franka"}
    with pytest.raises(ConfigError, match="back-demos-file .* 'arm_reach' has no reverse task"):
        graph_run.open_runs(up(**given, back_demos_file="demos"))
    assert not (tmp_path / "lab").exists()
    assert graph_run.open_runs(up(**given)).back is None


@pytest.mark.parametrize("robot", ["franka", "topics", "dynamixel"])
def test_only_a_simulated_robot_is_armed_without_a_person_and_only_there_no_estop_is_needed(robot):
    assert "arming" not in names(robot=robot)
    assert spec_of("gate", robot=robot).parameters["require_estop"] is True
    assert spec_of("gate").parameters["require_estop"] is False


def test_who_teleoperates_is_watched_by_the_gate_and_may_take_over():
    assert spec_of("gate", teleop="gamepad").parameters["operator_timeout_s"] == 0.15
    assert "--teleop" in spec_of("actor", teleop="gamepad").arguments


def test_a_scripted_person_is_a_device_that_knows_the_task():
    spec = spec_of("joy", teleop="scripted", task="arm_insert")
    assert (spec.module, spec.parameters) == ("sandlot.robots.arm.person_node", {"task": "arm_insert"})
    assert spec_of("gate", teleop="scripted").parameters["operator_timeout_s"] == 0.15
    assert asked(list(spec_of("actor", teleop="scripted").arguments[1:])).env.teleop == "joy"
    assert spec_of("gate").parameters["operator_timeout_s"] == 0.0


def test_a_node_is_started_with_names_files_and_parameters_as_ros_reads_them():
    argv = spec_of("driver", camera=("wrist", "side")).argv()
    assert argv[:3] == [sys.executable, "-m", "sandlot.robots.arm.arm_node"]
    assert argv[3:8] == ["--ros-args", "-r", "__ns:=/arm", "-r", "__node:=driver"]
    given = dict(word.split(":=") for word in argv if ":=" in word and not word.startswith("__"))
    assert {k: yaml.safe_load(v) for k, v in given.items()} == {
        "device": "sim", "task": "arm_pick", "cameras": ["wrist", "side"],
    }  # fmt: skip


def test_a_parameter_that_is_an_empty_list_is_left_out_because_ros_cannot_type_it():
    assert not any(word.startswith("cameras") for word in spec_of("driver").argv())


@pytest.mark.parametrize("robot", ["sim", "franka", "topics", "dynamixel"])
def test_every_robot_has_its_parameter_files_and_a_users_goes_before_them(robot, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("/arm/gate:\n  ros__parameters:\n    deadline_s: 0.12\n")
    config = up(robot=robot, params=str(mine))
    graph.check_parameters(config)
    assert graph.driver(config).params_files[-1] == mine
    assert [f.name for f in graph.driver(config).params_files[:2]] == ["arm.yaml", f"arm_{robot}.yaml"]
    assert config.device_file not in graph.gate(config).params_files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/arm/gaet:\n  ros__parameters: {}\n", ["mine.yaml", "'/arm/gaet'", "/arm/driver, /arm/gate"]),
        ("/arm/gate:\n  deadline_s: 0.1\n", ["mine.yaml", "'/arm/gate'", "'ros__parameters'"]),
        ("- 1\n", ["mine.yaml", "must map node names"]),
        ("a: [\n", ["mine.yaml", "no YAML"]),
        (None, ["mine.yaml", "cannot be read"]),
    ],
)
def test_a_parameter_file_that_ros_would_ignore_is_refused(tmp_path, text, words):
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        graph.check_parameters(up(params=str(file)))
    assert all(word in str(refused.value) for word in words)


def test_launch_arguments_are_the_fields_of_the_config_and_lead_back_to_it():
    known = {a.name: a for a in arguments()}
    assert known["robot"].choices == ("sim", "franka", "topics", "dynamixel", "vesc")
    assert known["kind"].default is None and known["learner"].default == "true"
    assert all(a.description for a in known.values())
    texts = {a.name: a.default or "" for a in known.values()} | {"kind": "arm"}
    assert from_texts(texts) == up()
    changed = from_texts(texts | {"learner": "false", "camera": "wrist side", "seed": "7"})
    assert changed == up(learner=False, camera=("wrist", "side"), seed=7)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("robot", "fanka", "robot:=fanka; it must be one of sim, franka"),
        ("learner", "yes", "learner:=yes; it must be one of true, false"),
        ("seed", "x", "seed:=x; it must be a whole number"),
    ],
)
def test_a_launch_argument_that_cannot_be_is_refused_with_the_choices(name, text, words):
    with pytest.raises(ConfigError, match=words):
        from_texts({"kind": "arm", name: text})


def test_keys_without_an_address_and_a_camera_twice_are_refused():
    with pytest.raises(ConfigError, match="--connect HOST:PORT"):
        up(keys="keys")
    with pytest.raises(ConfigError, match="wrist"):
        up(camera=("wrist", "wrist"))


def test_supervisor_reads_back_the_words_that_were_meant(tmp_path):
    logs = tmp_path / "100 % mine"
    spec = graph.NodeSpec(name="odd", module="sandlot", arguments=("say", "two words", "50%"))
    parser = configparser.RawConfigParser()
    parser.read_string(supervise.configuration([spec, spec_of("driver")], logs, tmp_path))
    odd, driver = parser["program:odd"], parser["program:driver"]
    assert shlex.split(odd["command"].replace("%%", "%")) == spec.argv()
    assert odd["stdout_logfile"].replace("%%", "%") == str(logs / "odd.log")
    assert odd["autorestart"] == driver["autorestart"] == "unexpected"
    assert int(odd["priority"]) < int(driver["priority"])


def test_the_launch_file_starts_the_processes_of_the_graph(tmp_path, monkeypatch):
    pytest.importorskip("launch_ros")
    from launch import LaunchContext
    from launch.actions import ExecuteProcess

    monkeypatch.chdir(tmp_path)
    shared = runpy.run_path(str(ROOT / "launch" / "robot.launch.py"))
    context = LaunchContext()
    for entity in shared["generate_launch_description"]().entities[:-1]:
        context.launch_configurations[entity.name] = "arm" if entity.name == "kind" else default_of(entity)
    context.launch_configurations.update(learner="false", record="true")
    started = [a for a in shared["processes"](context) if isinstance(a, ExecuteProcess)]
    assert len(started) == len(names(learner=False, record=True))
    modules = [
        [str(part[0].text) for part in action.cmd[:3] if hasattr(part[0], "text")] for action in started
    ]
    assert [m[2] for m in modules] == [s.module for s in graph.nodes(up(learner=False, record=True), RUN, 1)]


def default_of(argument):
    return "".join(part.text for part in argument.default_value or ())


def test_rclpy_is_imported_by_nodes_and_launch_files_only():
    allowed = [
        f for f in (ROOT / "robots").rglob("*.py") if f.name.endswith("_node.py") or f.name.startswith("ros_")
    ]
    for folder in ("learners", "perception", "robots", "sim", "src/sandlot/commands"):
        for file in (ROOT / folder).rglob("*.py"):
            assert file in allowed or "rclpy" not in imported(file), f"{file} imports rclpy"


def imported(file):
    """Top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_a_real_robots_cameras_are_processes_of_their_own_and_a_simulated_one_crops_its_own(tmp_path):
    file = tmp_path / "cameras.yaml"
    file.write_text("wrist:\n  source: v4l2\n  device: 0\nside:\n  source: v4l2\n  device: 1\n")
    given = {"camera": ("wrist", "side"), "camera_file": str(file)}
    assert names(robot="franka", **given)[:4] == ["driver", "gate", "camera_wrist", "camera_side"]
    spec = spec_of("camera_side", robot="franka", **given)
    assert spec.node == "/arm/camera_side" and spec.parameters == {"file": str(file), "camera": "side"}
    assert "camera_file" not in spec_of("driver", robot="franka", **given).parameters
    assert names(**given)[:2] == ["driver", "gate"] and "camera_wrist" not in names(**given)
    assert spec_of("driver", **given).parameters["camera_file"] == str(file)
    graph.check_parameters(up(**given))
    with pytest.raises(ConfigError, match=r"camera 'front' is not in .*; there are: wrist, side"):
        graph.check_parameters(up(camera=("front",), camera_file=str(file)))
    with pytest.raises(ConfigError, match="name those to use"):
        up(camera_file=str(file))


def test_a_camera_file_of_another_task_is_refused_before_anything_starts(tmp_path):
    file = tmp_path / "cameras.yaml"
    file.write_text("side:\n  source: sim\n  device: arm_relocate/side\n  crop: [0, 0, 200, 200]\n")
    given = {"camera": ("side",), "camera_file": str(file)}
    graph.check_parameters(up(task="arm_relocate_back", **given))  # the two share a world
    graph.check_parameters(up(robot="franka", **given))
    with pytest.raises(ConfigError, match="camera 'side' is 'arm_relocate/side'.* camera file of arm_pick"):
        graph.check_parameters(up(**given))


def test_what_a_simulated_robot_is_shown_before_it_is_up_is_cropped_as_its_cameras_are(tmp_path):
    file = tmp_path / "cameras.yaml"
    file.write_text("side:\n  source: sim\n  device: arm_pick/side\n  crop: [0, 0, 200, 200]\n")
    given = {"camera": ("side",), "camera_file": str(file)}
    assert graph_run._new(up(**given)).env.camera_file == str(file)
    assert graph_run._new(up(robot="franka", **given)).env.camera_file == ""
