"""One instance of a node on a machine: refused by name and pid, free again however its owner ended."""

import os
import signal
import subprocess
import sys

import pytest

from sandlot.learners.errors import BusyError
from sandlot.robots.lock import InstanceLock, lock_file

HOLD = """
import sys
from sandlot.robots.lock import InstanceLock
lock = InstanceLock(sys.argv[1])
print("held", flush=True)
input()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")


def test_the_second_is_refused_until_the_first_is_closed():
    with InstanceLock("/arm/driver"):
        with pytest.raises(
            BusyError, match=rf"/arm/driver already runs .*pid {os.getpid()}\); stop that one"
        ):
            InstanceLock("/arm/driver")
        InstanceLock("/arm/gate").close()
    InstanceLock("/arm/driver").close()


def test_a_killed_owner_leaves_the_lock_free():
    argv = [sys.executable, "-c", HOLD, "/arm/driver"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline()
        with pytest.raises(BusyError, match=f"pid {owner.pid}"):
            InstanceLock("/arm/driver")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        InstanceLock("/arm/driver").close()


def test_domains_and_namespaces_have_locks_of_their_own():
    files = {lock_file("/arm/driver", "1"), lock_file("/arm/driver", "2"), lock_file("/arm2/driver", "1")}
    assert len(files) == 3


def test_a_lock_that_is_a_link_to_somewhere_else_is_refused(tmp_path):
    lock_file("/arm/driver").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BusyError, match="cannot be opened"):
        InstanceLock("/arm/driver")
    assert not (tmp_path / "elsewhere").exists()
