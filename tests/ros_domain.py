"""ROS domains for tests: every test gets its own, so that no two graphs ever meet.

Use it from a test module: `from tests.ros_domain import ros_domain` (a fixture; keep the import although it
looks unused), then give `ros_domain` as the environment of every process; the test itself is in the same
domain.
"""

import contextlib
import fcntl
import os
import pathlib
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from typing import IO

import pytest

DOMAINS = range(100, 230)
"""Below 232 all of a domain's ports exist; people use the low ones."""


_claims: deque[IO[bytes]] = deque(maxlen=8)
"""Open lock files: the newest few domains of this process; an older one is given back."""


def claim() -> int:
    """A random domain that no other test run on this machine has."""
    for domain in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        file = (pathlib.Path(tempfile.gettempdir()) / f"sandlot-test-domain-{domain}").open("ab")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _claims.append(file)
            return domain
        file.close()
    raise RuntimeError(f"all of the {len(DOMAINS)} ROS domains for tests are in use on this machine")


def environment(folder: pathlib.Path) -> dict[str, str]:
    """This environment with a random domain of its own, discovery on this machine, and logs in a folder."""
    return {
        **os.environ,
        "ROS_DOMAIN_ID": str(claim()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(folder / "ros_log"),
    }


@pytest.fixture
def ros_domain(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment for a test's processes; this process's own has the same domain meanwhile."""
    env = environment(tmp_path)
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOG_DIR"):
        monkeypatch.setenv(name, env[name])
    yield env
