"""The process that reads run stores for the page: `python -m sandlot.robots.console.library_process ROOT`."""

import concurrent.futures
import logging
import pathlib
import sys

from sandlot.learners.process import die_with_parent
from sandlot.robots.console.library import Library
from sandlot.robots.console.pipe import Pipe

WORKERS = 2
"""Long curves must not hold up a picture."""
ASKED = frozenset(
    {"runs", "run", "curves", "episodes", "episode", "frame", "newest", "waiting", "waiting_frame", "relabel"}
)


def main(argv: list[str]) -> int:
    """Answers until the server is gone."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    pipe, library = Pipe(), Library(pathlib.Path(argv[0]))
    pipe.write({"event": "ready"})
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        while (message := pipe.read()) is not None:
            if message["what"] in ASKED:
                pool.submit(pipe.answer, message, getattr(library, message["what"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
