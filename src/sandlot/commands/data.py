"""`sandlot data`: what was recorded, as a person wants to see, cut, join and hand on."""

import sys
from collections.abc import Callable

from sandlot.cli import parse, print_result
from sandlot.commands import data_flags as flags
from sandlot.learners.errors import SandlotError
from sandlot.robots.recording import actions

HELP = {
    "list": "one line for every folder: task, episodes, steps, successes",
    "info": "everything about one folder, episode by episode, topic by topic",
    "plot": "one episode as an HTML page: states, actions, reward, who acted",
    "view": "one episode in Rerun",
    "cut": "a new run without some episodes or steps",
    "merge": "several folders of one task in a new run",
    "steps": "a bag to a run that `sandlot train --demos-file` takes",
    "export": "a LeRobotDataset v3.0",
    "import": "a LeRobotDataset v3.0 to a run that `sandlot train --demos-file` takes",
    "repair": "end a bag whose recorder was killed, for ros2 bag and Foxglove",
}


def main(argv: list[str]) -> int:
    """Runs one of the actions."""
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(usage())
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name not in HELP:
        raise SandlotError(f"unknown action '{name}'; there are: {', '.join(HELP)}")
    run: dict[str, Callable[[list[str]], None]] = {"list": _list, "info": _info}
    run.get(name, lambda words: _one(name, words))(rest)
    return 0


def usage() -> str:
    """What there is."""
    lines = [f"  {name:<8}{text}" for name, text in HELP.items()]
    first = "usage: sandlot data ACTION FOLDER... [flags]\n\nFOLDER is a run, a bag or a LeRobot data set.\n"
    return f"{first}Nothing is ever changed in place.\n\nactions:\n" + "\n".join(lines) + "\n"


def _list(argv: list[str]) -> None:
    given = parse(flags.List, argv, prog="data list")
    rows = [actions.overview(folder, given.asked()) for folder in given.folders]
    if given.json:
        print_result({"folders": rows}, as_json=True)
        return
    sys.stdout.write(actions.table(rows))


def _info(argv: list[str]) -> None:
    given = parse(flags.Info, argv, prog="data info")
    found = actions.details(given.folder, given.asked())
    if given.json:
        print_result(found, as_json=True)
        return
    print_result({k: v for k, v in found.items() if not isinstance(v, list)}, as_json=False)
    for name, rows in found.items():
        if isinstance(rows, list) and rows:
            sys.stdout.write(f"\n{name}\n{actions.table(rows)}")


def _one(name: str, argv: list[str]) -> None:
    """An action that ends with some figures."""
    given = parse(flags.KINDS[name], argv, prog=f"data {name}")
    print_result(given.run(), as_json=given.json)
