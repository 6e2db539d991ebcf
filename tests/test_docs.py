"""What the documentation says is held against the code: commands, targets, links, tables, messages."""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sandlot  # noqa: F401  (registers the tasks)
from sandlot import cli
from sandlot.learners import envs, errors
from sandlot.learners.agents import AgentConfig
from sandlot.learners.config import CHANGEABLE, flag
from sandlot.learners.transport import Options
from sandlot.robots import errors as robot_errors
from sandlot.robots import gate, graph, graph_arguments, topics
from sandlot.robots.arm import device_franka, dynamixel_config
from sandlot.robots.arm import topics as arm_topics
from sandlot.robots.driver import DriverConfig
from sandlot.robots.recording import errors as recording_errors
from sandlot.robots.recording.recorder import RecorderConfig
from sandlot.robots.teleop import layouts
from sandlot.robots.teleop.mapping import Button
from sandlot.robots.teleop.person import PersonConfig
from sandlot.sim import arm_device
from sandlot.sim.randomization import Randomization

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SOURCES = [p for part in ("learners", "robots", "sim", "perception") for p in (ROOT / part).rglob("*.py")]
SOURCES += [p for p in (ROOT / "src" / "sandlot").rglob("*.py") if not p.is_symlink()]


class Parsed(Exception):  # noqa: N818  (not an error)
    """The command line was accepted; nothing may run."""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def command_lines() -> list[tuple[str, str]]:
    """(page, line) of every `sandlot` and `make` line; ("prose", line) may leave arguments out."""
    found = []
    for path in PAGES:
        text = path.read_text()
        fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [(path.name, line.strip()) for block in fenced for line in block.splitlines()]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        lines += [("prose", line) for line in re.findall(r"`((?:sandlot|make) [a-z][^`]*)`", prose)]
        found += [(where, line) for where, line in lines if re.match(r"(sandlot|make)\s+\w", line)]
    return found


def words(line: str) -> list[str]:
    """The command line's words, without the remark that two spaces or a # set off, and without a pipe."""
    return shlex.split(re.split(r"\s{2,}|\s#|\s\|", line.strip(), maxsplit=1)[0])


@pytest.mark.parametrize(("where", "line"), command_lines())
def test_command_is_accepted(
    where: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    first, *argv = words(line)
    if first == "make":
        assert set(argv) <= TARGETS, f"{where}: {line}"
        return
    monkeypatch.chdir(tmp_path)  # no run of this machine counts
    if argv[0] == "COMMAND" or argv in (["data"], ["cameras"], ["calibrate"]):  # they have actions
        return
    argv = ["arm_pick" if word == "TASK" else word for word in argv]
    module = importlib.import_module(cli.COMMANDS[argv[0]][1])
    real = cli.parse

    def parse(*args: Any, **kwargs: Any) -> None:
        try:
            real(*args, **kwargs)  # raises SandlotError for a wrong flag
        except errors.SandlotError as error:
            if where != "prose" or not str(error).startswith("Missing"):
                raise
        raise Parsed

    monkeypatch.setattr(module, "parse", parse)
    for name in ("die_with_parent", "stop_on_signals"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, lambda: None)
    with pytest.raises(Parsed):
        module.main(argv[1:])


def test_the_check_of_commands_refuses_a_wrong_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.SandlotError, match="--nonsense"):
        importlib.import_module(cli.COMMANDS["report"][1]).main(["demo", "--nonsense"])
    assert len(command_lines()) >= 15


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_relative_links_exist(path: pathlib.Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_named_example_exists_and_every_example_is_named() -> None:
    text = "\n".join(p.read_text() for p in PAGES)
    named = set(re.findall(r"examples/(\w+\.py)", text))
    there = {p.name for p in (ROOT / "examples").glob("*.py")}
    assert named == there


def default_rows(cls: Any, show: Callable[[Any], str]) -> list[str]:
    return [f"| `{f.name}` | {show(f.default)} |" for f in dataclasses.fields(cls)]


def low_high(value: Any) -> str:
    return f"{value[0]:g} | {value[1]:g}"


def parameter(value: Any) -> str:
    """A default as a parameter file has it."""
    if value is dataclasses.MISSING:
        return "required"
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def without_rclpy(module: str, name: str) -> Any:
    """A config class of a module that imports ROS."""
    pytest.importorskip("rclpy")
    return getattr(importlib.import_module(f"sandlot.robots.{module}"), name)


PARAMETERS = [
    ("ros.md", DriverConfig),
    ("ros.md", ("arm.arm_node", "ArmNodeConfig")),
    ("ros.md", ("arm.gate_node", "ArmGateParams")),
    ("arm.md", arm_device.Config),
    ("arm.md", device_franka.Config),
    ("arm.md", ("arm.ros_device_topics", "Config")),
    ("arm.md", dynamixel_config.Config),
    ("teleop.md", ("teleop.joy_node", "JoyParams")),
    ("people.md", PersonConfig),
    ("data.md", RecorderConfig),
]


@pytest.mark.parametrize(
    ("name", "cls", "show"),
    [
        ("agents.md", AgentConfig, str),
        ("transport.md", Options, str),
        ("tasks.md", Randomization, low_high),
        *((name, cls, parameter) for name, cls in PARAMETERS),
    ],
)
def test_tables_hold_every_setting_with_its_value(name: str, cls: Any, show: Callable[[Any], str]) -> None:
    cls = without_rclpy(*cls) if isinstance(cls, tuple) else cls
    missing = [row for row in default_rows(cls, show) if row not in page(name)]
    assert not missing, f"docs/{name} must say:\n" + "\n".join(missing)


def first_cells(name: str, heading: str) -> list[str]:
    """What stands in backquotes in the first cells of a page's table with this heading, row by row."""
    table = page(name).split(heading, 1)[1].split("\n\n", 1)[0]
    return [
        cell
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for cell in re.findall(r"`(.*?)`", row)
    ]


def every_topic() -> list[topics.Topic]:
    """Every topic of an arm's graph; NAME stands for that of an object or a camera."""
    found = [
        v for module in (topics, arm_topics) for v in vars(module).values() if isinstance(v, topics.Topic)
    ]
    return [*found, arm_topics.object_pose("NAME"), arm_topics.place("NAME"), arm_topics.image("NAME")]


def test_the_table_of_topics_is_the_code() -> None:
    rows = [f"| `{t.name}` | `{t.type}` | {t.quality} | {t.hz:g} |" for t in every_topic()]
    missing = [row for row in rows if row not in page("ros.md")]
    assert not missing, "docs/ros.md must say:\n" + "\n".join(missing)
    assert sorted(first_cells("ros.md", "| topic | type | QoS")) == sorted(t.name for t in every_topic())


def test_the_table_of_qualities_of_service_is_the_code() -> None:
    pytest.importorskip("rclpy")
    from sandlot.robots.ros_qos import PROFILES

    for name, p in PROFILES.items():
        row = f"| {name} | {p.reliability.name.lower()} | {p.durability.name.lower()} | {p.depth} |"
        assert row in page("ros.md"), f"docs/ros.md must say {row}"


def test_the_table_of_launch_arguments_is_the_code() -> None:
    arguments = [a for a in graph_arguments.arguments() if a.name != "kind"]
    for a in arguments:
        row = f"| `{a.name}` | {a.default or '–'} | {', '.join(a.choices) or '–'} |"
        assert row in page("ros.md"), f"docs/ros.md must say {row}"
    assert first_cells("ros.md", "| argument | default") == [a.name for a in arguments]


def test_the_operator_time_out_of_a_graph_is_said_everywhere() -> None:
    said = f"{graph.OPERATOR_TIMEOUT_S:g}"
    assert f" {said} with `--teleop`" in page("ros.md")
    assert f"nobody was heard for {said} s" in page("teleop.md")
    assert f"no Joy message for {said} s" in page("troubleshooting.md")


def test_every_mode_of_the_gate_is_explained() -> None:
    assert {mode.name for mode in gate.Mode} <= set(re.findall(r"`([A-Z]+)`", page("ros.md")))


def test_layouts_of_hands_are_the_code() -> None:
    keys = first_cells("teleop.md", "| key | does")
    assert sorted(keys) == sorted(layouts.KEYS)
    for key, button in layouts.KEY_BUTTONS.items():
        assert re.search(rf"^\| `{key}` \| \**{button.name.lower()}\W", page("teleop.md"), re.MULTILINE), key
    named = re.findall(r"^\| .*?\(`\w+`.*?\) \| .*$", page("teleop.md"), re.MULTILINE)
    said = {name: row for row in named for name in re.findall(r"\(`(\w+)`\)", row)}
    assert said.keys() == layouts.PAD_BUTTONS.keys()
    for name, button in layouts.PAD_BUTTONS.items():
        assert button.name.lower().replace("_", " ") in said[name].split("|")[2], name
    for button in Button:
        assert f"| {button.name} | {button.value} |" in page("teleop.md")


def node_lines() -> list[str]:
    """Every `python -m sandlot...` and `ros2 launch` line of the pages."""
    text = "\n".join(path.read_text() for path in PAGES).replace("python $(which ros2)", "ros2")
    return re.findall(r"(?<![\w/])((?:python -m sandlot\.|ros2 launch sandlot )[^`\n]*)", text)


@pytest.mark.parametrize("line", node_lines())
def test_nodes_and_launch_lines_name_what_there_is(line: str) -> None:
    argv = words(line)
    given = dict(word.split(":=", 1) for word in argv if ":=" in word and not word.startswith("__"))
    if argv[0] == "ros2":
        assert (ROOT / "launch" / argv[3]).is_file()
        graph_arguments.from_texts(
            {"kind": argv[3].partition(".")[0], **given}
        )  # ConfigError for what is unknown
        return
    path = argv[2].removeprefix("sandlot.").replace(".", "/")
    assert (ROOT / f"{path}.py").is_file(), line
    sources = "\n".join(file.read_text() for file in (ROOT / path).parent.glob("*.py"))
    assert all(re.search(rf"^    {name}: ", sources, re.MULTILINE) for name in given), line


def test_the_site_builds_without_a_broken_link(tmp_path: pathlib.Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed")
    argv = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        "config/mkdocs.yml",
        "-d",
        str(tmp_path),
    ]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert {p.stem for p in (ROOT / "docs").glob("*.md")} - {"index"} <= {p.name for p in tmp_path.iterdir()}
    listed = set(re.findall(r"\b(\w+\.md)$", (ROOT / "config" / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {p.name for p in (ROOT / "docs").glob("*.md")}, "every page has its place in the nav"


@pytest.mark.parametrize(
    "task", ["arm_reach", "arm_pick", "arm_insert", "arm_pcb", "arm_cable", "arm_relocate"]
)
def test_task_tables_hold_every_entry(task: str) -> None:
    env = envs.make(task)
    spec = envs.env_spec(env)
    env.close()
    wanted = [f"| `{task}` | {spec.max_episode_steps} | {spec.state_size} | {spec.action_size} |"]
    for lead, entries in (("", spec.state), (f"| `{task}` ", spec.action)):
        index = 0
        for e in entries:
            span = f"{index}–{index + e.size - 1}" if e.size > 1 else str(index)
            wanted.append(f"{lead}| {span} | `{e.name}` | {e.unit} | {e.frame or '–'} |")
            index += e.size
    missing = [row for row in wanted if row not in page("tasks.md")]
    assert not missing, "docs/tasks.md must say:\n" + "\n".join(missing)


def test_run_page_lists_what_a_resumed_run_may_change() -> None:
    said = re.search(r"`((?:--[a-z-]+ ?)+)`\. Any other change", page("run.md"))
    assert said is not None
    assert set(said[1].split()) == {f"--{flag(name)}" for name in CHANGEABLE}


def messages() -> Iterator[str]:
    """Every text in the sources, `…` in place of what is filled in."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                yield "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_troubleshooting_quotes_real_messages() -> None:
    cells = re.findall(r"^\| (`.+?`) \|", page("troubleshooting.md"), re.MULTILINE)
    quoted = [quote for cell in cells for quote in cell.strip("`").split("`, `")]
    assert len(quoted) > 90
    texts = list(messages())
    for quote in quoted:
        pattern = re.compile(".*".join(re.escape(part) for part in quote.split("…")), re.DOTALL)
        assert any(pattern.search(text) for text in texts), f"no error says {quote!r}"


def test_troubleshooting_names_every_error_class() -> None:
    modules = (errors, robot_errors, recording_errors)
    found = {
        name: value for module in modules for name, value in vars(module).items() if inspect.isclass(value)
    }
    classes = {name for name, value in found.items() if issubclass(value, errors.SandlotError)}
    missing = {name for name in classes - {"SandlotError"} if name not in page("troubleshooting.md")}
    assert not missing
