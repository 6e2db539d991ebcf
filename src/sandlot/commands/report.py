"""`sandlot report RUN`."""

import dataclasses

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.config import existing_run
from sandlot.learners.report import write_report


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Write a run's report.html again, from what is in its folder.

    Attributes:
        run: a run's name or path.
        json: end with one line of JSON.
    """

    run: tyro.conf.Positional[str]
    json: bool = False


def main(argv: list[str]) -> int:
    """Writes the report."""
    flags = parse(Flags, argv, prog="report")
    print_result({"report": str(write_report(existing_run(flags.run)))}, as_json=flags.json)
    return 0
