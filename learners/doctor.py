"""`sandlot doctor`: what this machine can do, what is missing, and the exact command that adds it."""

import dataclasses
import pathlib
from collections.abc import Callable

from rich.console import RenderableType
from rich.table import Table

from sandlot.learners import doctor_checks as on
from sandlot.learners.doctor_checks import Check, Grade
from sandlot.learners.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What to look at.

    Attributes:
        folder: where runs will be written.
        port: port the learner would listen on.
    """

    folder: str = "runs"
    port: int = 5567

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"--port is {self.port}; ports go from 1 to 65535")


def examine(config: DoctorConfig) -> list[Check]:
    """All checks, the required ones first."""
    folder = pathlib.Path(config.folder)
    checks: list[Callable[[], Check]] = [
        on.python,
        on.packages,
        on.jax_works,
        lambda: on.disk(folder),
        lambda: on.durable_write(folder),
        on.curve,
        on.clock,
        on.cores,
        on.memory,
        lambda: on.port_free(config.port),
        on.rendering,
        lambda: on.option(
            "rerun", "rerun-sdk", "pip install 'rerun-sdk>=0.28'", "streams to the Rerun viewer"
        ),
        on.ros,
        lambda: on.option(
            "torch", "torch", "pip install 'torch>=2.9'", "is compared against by `make bench`"
        ),
        on.gpu,
    ]
    return [check() for check in checks]


def exit_code(checks: list[Check]) -> int:
    """1 when something that is required is missing, else 0."""
    return int(any(check.grade is Grade.MISSING for check in checks))


def as_dicts(checks: list[Check]) -> list[dict[str, str]]:
    """The findings as plain values, for `--json`."""
    return [{**check._asdict(), "grade": check.grade.value} for check in checks]


def render(checks: list[Check]) -> RenderableType:
    """The findings as a table for people; what to do stands below what was found."""
    marks = {Grade.OK: "[green3]✓[/]", Grade.NOTE: "[gold3]–[/]", Grade.MISSING: "[bold red3]✗[/]"}
    table = Table.grid(padding=(0, 2))
    for check in checks:
        table.add_row(marks[check.grade], f"[bold]{check.name}[/]", check.found.replace("[", r"\["))
        if check.fix:
            table.add_row("", "", "[cyan]→ " + check.fix.replace("[", r"\[") + "[/]")
    return table
