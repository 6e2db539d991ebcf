"""What the documentation says is held against the code: commands, targets, links, tables, messages."""

import ast
import dataclasses
import importlib
import inspect
import pathlib
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sandlot  # noqa: F401  (registers the tasks)
from sandlot import cli
from sandlot.learners import envs, errors
from sandlot.learners.agents import AgentConfig
from sandlot.learners.config import CHANGEABLE, flag
from sandlot.learners.transport import Options
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
    """The command line's words, without the remark that two spaces or a # set off."""
    return shlex.split(re.split(r"\s{2,}|\s#", line.strip(), maxsplit=1)[0])


@pytest.mark.parametrize(("where", "line"), command_lines())
def test_command_is_accepted(
    where: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    first, *argv = words(line)
    if first == "make":
        assert set(argv) <= TARGETS, f"{where}: {line}"
        return
    monkeypatch.chdir(tmp_path)  # no run of this machine counts
    if argv[0] == "COMMAND":
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


@pytest.mark.parametrize(
    ("name", "cls", "show"),
    [("agents.md", AgentConfig, str), ("transport.md", Options, str), ("tasks.md", Randomization, low_high)],
)
def test_tables_hold_every_setting_with_its_value(name: str, cls: Any, show: Callable[[Any], str]) -> None:
    missing = [row for row in default_rows(cls, show) if row not in page(name)]
    assert not missing, f"docs/{name} must say:\n" + "\n".join(missing)


@pytest.mark.parametrize("task", ["arm_reach", "arm_pick", "arm_insert"])
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
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)} - {"SandlotError"}
    missing = {name for name in classes if name not in page("troubleshooting.md")}
    assert not missing
