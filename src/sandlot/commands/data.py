"""`sandlot data`: what was recorded, as a person wants to see, cut, join and hand on."""

import functools
import sys

from sandlot.cli import act, parse, print_result
from sandlot.commands import data_flags as flags
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
    "import": "a LeRobotDataset v3.0 to a run for `sandlot train --demos-file`; or drives of RECON",
    "hindsight": "a car's run with goals where it really went, for `sandlot pretrain`",
    "repair": "end a bag whose recorder was killed, for ros2 bag and Foxglove",
}


def main(argv: list[str]) -> int:
    """Runs one of the actions."""
    own = {"list": _list, "info": _info}
    actions = {name: (text, own.get(name, functools.partial(_one, name))) for name, text in HELP.items()}
    about = "FOLDER is a run, a bag or a LeRobot data set.\nNothing is ever changed in place.\n\n"
    return act("data", actions, argv, takes=" FOLDER...", about=about)


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
