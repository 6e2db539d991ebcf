"""ROS domains for tests: every test gets its own, so that no two graphs ever meet.

Use it from a test module: `from tests.ros_domain import ros_domain` (a fixture; keep the import although it
looks unused), then give `ros_domain` as the environment of every process; the test itself is in the same
domain.
"""

import os
import pathlib
import random
from collections.abc import Iterator

import pytest

DOMAINS = range(100, 230)
"""Below 232 all of a domain's ports exist; people use the low ones."""


def environment(folder: pathlib.Path) -> dict[str, str]:
    """This environment with a random domain of its own, discovery on this machine, and logs in a folder."""
    return {
        **os.environ,
        "ROS_DOMAIN_ID": str(random.SystemRandom().choice(DOMAINS)),
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
