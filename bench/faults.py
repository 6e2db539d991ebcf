"""`make faults`: injects every fault many times, prints one table, writes bench/faults.json.

Each row says how often a fault was injected, how often a promise was broken (0, or the run fails), and how
long the recovery or the detection took. Rows of faults that were not named stay in the file as they were.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import (
    arm_stops,
    car_stops,
    faults_gate,
    faults_reset,
    faults_reward,
    faults_sensor,
    faults_storage,
    faults_system,
    faults_transport,
)

MODULES = (
    faults_transport,
    faults_storage,
    faults_system,
    faults_gate,
    arm_stops,
    car_stops,
    faults_sensor,
    faults_reset,
    faults_reward,
)
OUTPUT = pathlib.Path(__file__).with_name("faults.json")
COLUMNS = ("fault", "injections", "violations", "p50", "p99", "max", "unit")


def injectors() -> dict[str, Callable[..., dict[str, Any]]]:
    """Every `fault_*` function by name, in the order of its number."""
    found = {
        name: function
        for module in MODULES
        for name, function in vars(module).items()
        if name.startswith("fault_") and callable(function)
    }
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[int, str]:
    return int(name.split("_")[1]), name


def main() -> int:
    """Runs the chosen faults; exit code 1 when any promise was broken."""
    known = injectors()
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("faults", nargs="*", help=f"which; all when none is named: {', '.join(known)}")
    parser.add_argument(
        "--injections", type=int, default=0, help="how many of each; 0 keeps each one's own number"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the times and bytes of the injections")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.faults if name not in known]
    if unknown:
        parser.error(f"unknown fault '{unknown[0]}'; there are: {', '.join(known)}")
    console = Console(width=130)
    count = {"injections": arguments.injections} if arguments.injections else {}
    rows = []
    for name in arguments.faults or known:
        console.print(f"{time.strftime('%H:%M:%S')} injecting {name} ...")
        rows.append(_inject(name, known[name], {"seed": arguments.seed, **count}))
        _keep({"name": name, "commit": _commit(), **rows[-1]})  # what has run is kept, whatever comes
    table = Table(title=f"faults, seed {arguments.seed}")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"fault", "unit"} else "right")
    for row in rows:
        table.add_row(*(f"{row[c]:.4g}" if isinstance(row[c], float) else str(row[c]) for c in COLUMNS))
    console.print(table)
    return 1 if any(row["violations"] for row in rows) else 0


def _keep(row: dict[str, Any]) -> None:
    """Puts a row in the place of the one of the same name."""
    rows = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    rows = [*(r for r in rows if r["name"] != row["name"]), row]
    OUTPUT.write_text(json.dumps(sorted(rows, key=lambda r: _order(r["name"])), indent=1) + "\n")


def _commit() -> str:
    """What was measured, or '' outside a git checkout."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, cwd=OUTPUT.parent, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _inject(name: str, function: Callable[..., dict[str, Any]], settings: dict[str, int]) -> dict[str, Any]:
    """One row; an injection that could not be carried out counts as a broken promise."""
    try:
        return function(**settings)
    except Exception as error:  # the other faults still run
        traceback.print_exc()
        unit = f"{type(error).__name__}: {error}"[:60]
        return {
            "fault": name,
            "injections": 0,
            "violations": 1,
            "p50": 0.0,
            "p99": 0.0,
            "max": 0.0,
            "unit": unit,
        }


if __name__ == "__main__":
    sys.exit(main())
