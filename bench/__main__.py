"""`make bench`: runs every measurement, prints one table, writes bench/latest.json."""

import importlib
import json
import pathlib
import platform
import sys
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

SUBJECTS = (
    "learner",
    "pixels",
    "rewards",
    "transport",
    "sim",
    "replay",
    "actor",
    "resume",
    "cameras",
    "vesc",
    "car_stops",
    "console",
)
OUTPUT = pathlib.Path(__file__).with_name("latest.json")


def machine() -> dict[str, str]:
    """What was measured on: processor, cores, Python and the versions that matter."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    names = ("jax", "jaxlib", "mujoco", "numpy", "pyzmq")
    return {"cpu": model, "python": platform.python_version(), **{n: version(n) for n in names}}


def main(argv: list[str]) -> None:
    """Measures the named subjects (all by default)."""
    console = Console(width=150)
    unknown = sorted(set(argv) - set(SUBJECTS))
    if unknown:
        sys.exit(f"bench: unknown subject '{unknown[0]}'; there are: {', '.join(SUBJECTS)}")
    rows = []
    for subject in argv or SUBJECTS:
        console.print(f"measuring {subject} ...")
        rows += importlib.import_module(f"bench.{subject}").measure()
    OUTPUT.write_text(json.dumps(rows, indent=1) + "\n")
    table = Table(title=" ".join(f"{k}={v}" for k, v in machine().items()))
    for column in ("figure", "value", "unit", "against", "against value", "ratio", "runs"):
        table.add_column(column, justify="left" if column in {"figure", "against", "unit"} else "right")
    for row in rows:
        table.add_row(
            *(_cell(row[k]) for k in ("figure", "value", "unit", "against", "against_value", "ratio", "runs"))
        )
    console.print(table)
    console.print(f"written: {OUTPUT}")


def _cell(value: object) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
