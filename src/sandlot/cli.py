"""The `sandlot` command: one subcommand a task, flags from the config dataclasses, errors on one line."""

import contextlib
import importlib
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sandlot.learners.errors import SandlotError

COMMANDS = {
    "train": ("learn a task: one learner and N actors on this machine", "sandlot.commands.train"),
    "eval": ("play seeded episodes with a run's policy and print its success", "sandlot.commands.evaluate"),
    "demos": ("record demonstrations with a task's scripted expert", "sandlot.commands.demos"),
    "classifier": ("label frames, train and measure rewards from cameras", "sandlot.commands.classifier"),
    "pretrain": ("make a camera encoder from what was recorded", "sandlot.commands.pretrain"),
    "data": ("list, plot, cut, merge, convert and view what was recorded", "sandlot.commands.data"),
    "report": ("write a run's report.html again", "sandlot.commands.report"),
    "export": ("write a run's policy as one file for sandlot.load_policy", "sandlot.commands.export"),
    "learner": ("the learner alone, for actors on other machines", "sandlot.commands.learner"),
    "actor": ("an actor alone, for a learner elsewhere", "sandlot.commands.actor"),
    "up": ("a robot with its driver, gate, learner and actor over ROS 2", "sandlot.commands.up"),
    "console": ("the operator's page: cameras, curves, buttons in a browser", "sandlot.commands.console"),
    "gate": ("let a robot that is up move, or stop it", "sandlot.commands.gate"),
    "course": ("make and draw the course of a car out of one slow lap", "sandlot.commands.course"),
    "cameras": ("list, show and crop this machine's cameras", "sandlot.commands.cameras"),
    "calibrate": ("find how a camera sees, and where it is", "sandlot.commands.calibrate"),
    "keys": ("make the keys that links beyond this machine need", "sandlot.commands.keys"),
    "doctor": ("check this machine and say what is missing", "sandlot.commands.doctor"),
}

EXAMPLES = """examples:
  sandlot train arm_pick --run first          learn to pick up a cube; run it again to resume
  sandlot eval first --episodes 100           how good is it?
  sandlot train gymnasium:Pendulum-v1         any Gymnasium task with continuous actions
  sandlot up arm --robot sim                  the same learning through ROS 2 topics, in real time
  sandlot COMMAND --help                      every flag of a command
"""

T = TypeVar("T")

USAGE_EXIT = 2
INTERRUPTED_EXIT = 130


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 2 refused with one line on stderr, 130 interrupted."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Runs `sandlot ARGV` and returns the exit code."""
    if not argv or argv[0] in {"-h", "--help", "help"}:
        sys.stdout.write(usage())
        return 0 if argv else USAGE_EXIT
    if argv[0] in {"-V", "--version"}:
        sys.stdout.write(f"sandlot {importlib.import_module('sandlot').__version__}\n")
        return 0
    try:
        if argv[0] not in COMMANDS:
            raise SandlotError(f"unknown command '{argv[0]}'; there are: {', '.join(COMMANDS)}")
        logging.basicConfig(
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
            stream=sys.stderr,
            force=True,
        )
        logging.getLogger("jax").setLevel(logging.WARNING)
        return int(importlib.import_module(COMMANDS[argv[0]][1]).main(argv[1:]) or 0)
    except SandlotError as error:
        sys.stderr.write(f"sandlot {argv[0]}: {' '.join(str(error).split())}\n")
        return USAGE_EXIT
    except KeyboardInterrupt:
        sys.stderr.write(f"sandlot {argv[0]}: interrupted\n")
        return INTERRUPTED_EXIT


def usage() -> str:
    """The first screen of help."""
    lines = [f"  {name:<11}{text}" for name, (text, _) in COMMANDS.items()]
    return "usage: sandlot COMMAND [flags]\n\ncommands:\n" + "\n".join(lines) + "\n\n" + EXAMPLES


def parse(cls: type[T], argv: Sequence[str], *, prog: str, default: T | None = None) -> T:
    """Fills a config dataclass from flags; a wrong flag raises SandlotError on one line."""
    import tyro

    errors = io.StringIO()
    extra: dict[str, Any] = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(cls, args=spelled_out(argv), prog=f"sandlot {prog}", **extra)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise SandlotError(_one_line(errors.getvalue())) from None


def spelled_out(argv: Sequence[str]) -> list[str]:
    """The words with `--teleop` alone, as it was once said, as `--teleop joy`."""
    following = [*argv[1:], "--"][: len(argv)]  # without any word nothing follows
    bare = [w == "--teleop" and f.startswith("--") for w, f in zip(argv, following, strict=True)]
    return [word for w, alone in zip(argv, bare, strict=True) for word in ([w, "joy"] if alone else [w])]


def _one_line(box: str) -> str:
    """The text inside tyro's error box, on one line; coloured on a terminal, and without sides in ASCII."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()]
    inside = [line for line in lines if line.startswith("│")] or [line for line in lines if line][1:]
    texts = [line.strip("│─ ") for line in inside]
    return " ".join(" ".join(text for text in texts if text.strip("-")).split())


Action = tuple[str, Callable[[list[str]], None]]
"""One line about it, and what it does with the words behind its name."""


def act(
    command: str, actions: Mapping[str, Action], argv: list[str], *, takes: str = "", about: str = ""
) -> int:
    """Runs the action of a command that argv begins with; without one, lists what there is."""
    if not argv or argv[0] in {"-h", "--help"}:
        width = max(map(len, actions)) + 2
        lines = [f"  {name:<{width}}{text}" for name, (text, _) in actions.items()]
        listed = f"{about}actions:\n" + "\n".join(lines)
        sys.stdout.write(f"usage: sandlot {command} ACTION{takes} [flags]\n\n{listed}\n")
        return 0 if argv else USAGE_EXIT
    if argv[0] not in actions:
        raise SandlotError(f"unknown action '{argv[0]}'; there are: {', '.join(actions)}")
    actions[argv[0]][1](argv[1:])
    return 0


def print_result(result: dict[str, Any], *, as_json: bool) -> None:
    """The outcome of a command on stdout: one line of JSON, or one line a figure."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    width = max(map(len, result), default=0)
    for name, value in result.items():
        sys.stdout.write(f"{name.replace('_', ' '):<{width}}  {_readable(value)}\n")


def _readable(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_readable, value)) if isinstance(value, list) else str(value)
