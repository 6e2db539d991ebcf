"""Config dataclasses as ROS parameters: what is given arrives, what makes no sense is one clear line."""

import dataclasses
from typing import Literal

import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.node import Node  # noqa: E402
from tests.ros_domain import ros_domain  # noqa: E402, F401

from sandlot.learners.errors import ConfigError  # noqa: E402
from sandlot.robots import ros_param_said, ros_params  # noqa: E402

pytestmark = pytest.mark.usefixtures("ros_domain")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    count: int
    hz: float = 5.0
    names: tuple[str, ...] = ("a",)
    gains: tuple[float, ...] = (1.0, 2.0)
    mode: Literal["fast", "slow"] = "fast"
    on: bool = True

    def __post_init__(self):
        if self.hz <= 0:
            raise ConfigError(f"hz is {self.hz}: it must be above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Other:
    names: tuple[str, ...] = ()


def filled(*given, extra=None):
    """The config of a node started with these `-p` words."""
    context = rclpy.Context()
    words = [word for item in given for word in ("-p", item)]
    context.init(["test", "--ros-args", "-r", "__ns:=/arm", *words])
    node = None
    try:
        node = Node("toy", context=context, enable_rosout=False)
        config = ros_params.declare(node, Config)
        other = ros_params.declare(node, extra) if extra else None
        ros_params.refuse_unknown(node)
        return (config, other) if extra else config
    finally:
        if node is not None:
            node.destroy_node()
        context.try_shutdown()


def test_what_is_given_arrives_as_the_fields_type_and_the_rest_by_default():
    config = filled("count:=3", "hz:=2", "names:=['wrist','side']", "gains:=[1,2]", "mode:=slow", "on:=false")
    assert config == Config(count=3, hz=2.0, names=("wrist", "side"), gains=(1.0, 2.0), mode="slow", on=False)
    assert isinstance(config.hz, float)
    assert all(isinstance(g, float) for g in config.gains)
    assert filled("count:=3") == Config(count=3)


def test_an_empty_list_is_an_empty_list_also_where_two_configs_share_a_field():
    config, other = filled("count:=3", "names:=[]", extra=Other)
    assert config.names == other.names == ()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([], r"/arm/toy: parameter 'count' is missing; .*-p count:=VALUE \(a whole number\)"),
        (["count:=3.5"], r"/arm/toy: parameter 'count' is 3.5: it must be a whole number"),
        (["count:=1", "hz:=fast"], r"parameter 'hz' is 'fast': it must be a number"),
        (["count:=1", "hz:=-2.0"], r"/arm/toy: hz is -2.0: it must be above 0"),
        (["count:=1", "mode:=turbo"], r"parameter 'mode' is 'turbo': it must be one of fast, slow"),
        (["count:=1", "names:=wrist"], r"parameter 'names' is 'wrist': it must be a list, each text"),
        (["count:=1", "on:=1"], r"parameter 'on' is 1: it must be true or false"),
        (["count:=1", "hzz:=1.0"], r"/arm/toy: unknown parameter 'hzz'; did you mean 'hz'\?"),
    ],
)
def test_what_makes_no_sense_is_refused_by_node_name_value_and_rule(given, text):
    with pytest.raises(ConfigError, match=text):
        filled(*given)


def started(monkeypatch, *files, words=()):
    """The config of a node of a process with these parameter files, then these `-p` words."""
    argv = ["--ros-args", "-r", "__ns:=/arm"]
    for file in files:
        argv += ["--params-file", str(file)]
    argv += [word for item in words for word in ("-p", item)]
    monkeypatch.setattr("sys.argv", ["test", *argv])
    context = rclpy.Context()
    context.init(["test", *argv])
    node = Node("toy", context=context, enable_rosout=False)
    try:
        return ros_params.declare(node, Config)
    finally:
        node.destroy_node()
        context.try_shutdown()


def params_file(folder, name, text, node="/arm/toy"):
    file = folder / name
    file.write_text(f"{node}:\n  ros__parameters: {text}\n")
    return file


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("{hz: fast}", "parameter 'hz' is 'fast': it must be a number"),
        ("{count: 7.5}", "parameter 'count' is 7.5: it must be a whole number"),
        ("{'on': no way}", "parameter 'on' is 'no way': it must be true or false"),
        ("{names: [1.5]}", r"parameter 'names' is \[1.5\]: it must be a list, each text"),
    ],
)
def test_a_value_of_another_type_than_an_earlier_files_is_not_lost(monkeypatch, tmp_path, text, refusal):
    """ROS alone keeps the earlier file's value and says nothing."""
    ours = params_file(tmp_path, "ours.yaml", "{count: 3, hz: 4.0, 'on': true, names: [a, b]}")
    with pytest.raises(ConfigError, match=refusal):
        started(monkeypatch, ours, params_file(tmp_path, "mine.yaml", text))


def test_the_last_word_counts_whatever_the_types(monkeypatch, tmp_path):
    ours = params_file(tmp_path, "ours.yaml", "{count: 3, hz: 4.0, gains: [5, 6]}")
    mine = params_file(tmp_path, "mine.yaml", "{hz: 8, gains: [-5.0, 6.5]}")
    assert started(monkeypatch, ours, mine) == Config(count=3, hz=8.0, gains=(-5.0, 6.5))
    # A command line's number goes before a file's whole number, and a node's own section before `/**`.
    every = params_file(tmp_path, "every.yaml", "{hz: fast, count: 9}", node="/**")
    config = started(monkeypatch, ours, mine, every, words=["hz:=1e-3"])
    assert config == Config(count=3, hz=0.001, gains=(-5.0, 6.5))


def test_a_process_without_arguments_says_nothing():
    assert ros_param_said.said("/arm/toy", []) == {}
    assert ros_param_said.said("/arm/toy", ["--ros-args", "-p"]) == {}
