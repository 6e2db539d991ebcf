"""`sandlot console`."""

import importlib.util

from sandlot.cli import parse
from sandlot.learners.errors import ConfigError
from sandlot.learners.process import die_with_parent
from sandlot.robots.console.config import ConsoleConfig

NEEDED = ("starlette", "uvicorn", "websockets")


def main(argv: list[str]) -> int:
    """Serves the operator's page until Ctrl-C."""
    config = parse(ConsoleConfig, argv, prog="console")
    die_with_parent()
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"package '{name}' is not installed; install it with: pip install 'sandlot[console]'"
            )
    from sandlot.robots.console.server import serve  # noqa: PLC0415  (an extra)

    serve(config)
    return 0
