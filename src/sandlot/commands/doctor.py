"""`sandlot doctor`."""

import dataclasses

from rich.console import Console

from sandlot.cli import parse, print_result
from sandlot.learners.doctor import DoctorConfig, as_dicts, examine, exit_code, render


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags(DoctorConfig):
    """Check this machine and say what is missing; each line is OK or the command that mends it.

    Attributes:
        json: end with one line of JSON.
    """

    json: bool = False


def main(argv: list[str]) -> int:
    """Checks; exit code 1 when something required is missing."""
    flags = parse(Flags, argv, prog="doctor")
    checks = examine(flags)
    if flags.json:
        print_result({"checks": as_dicts(checks), "ok": exit_code(checks) == 0}, as_json=True)
    else:
        Console().print(render(checks))
    return exit_code(checks)
