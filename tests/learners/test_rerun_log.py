"""Streaming to Rerun: a real recording, read back by Rerun itself; and one clear line without it."""

import subprocess
import sys

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.learners.rerun_log import QUEUE_STEPS, TARGET_VARIABLE, RerunLog
from sandlot.learners.schema import Entry, EnvSpec

SPEC = EnvSpec("t", (Entry("arm", 2), Entry("cube", 1)), {"eye": (4, 6, 3)}, (Entry("move", 2),), 10.0, 5)
OBS = {"state": np.float32([0.25, 0.5, 7.0]), "images": {"eye": np.full((4, 6, 3), 9, np.uint8)}}


def test_steps_are_in_the_recording(tmp_path):
    pytest.importorskip("rerun")
    file = tmp_path / "steps.rrd"
    viewer = RerunLog("t", SPEC, target=str(file))
    for i in range(5):
        viewer.log_step(OBS, np.float32([i, -i]), float(i))
    viewer.close()
    assert viewer.dropped == 0
    text = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", "-vvv", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    paths = ("observation.state/arm", "observation.state/cube", "action/move", "next.reward")
    for words in ("sandlot t", *(f"/{p}" for p in paths), "/observation.images.eye", "0.25"):
        assert words in text, words


def test_a_viewer_that_does_not_keep_up_is_not_waited_for(tmp_path, monkeypatch):
    pytest.importorskip("rerun")
    import threading

    go = threading.Event()
    monkeypatch.setattr(RerunLog, "_show", lambda self, shown: go.wait())
    viewer = RerunLog("t", target=str(tmp_path / "steps.rrd"))
    for _ in range(3 * QUEUE_STEPS):
        viewer.log_step(OBS, np.zeros(2, np.float32), 0.0)
    assert viewer.dropped in (2 * QUEUE_STEPS, 2 * QUEUE_STEPS - 1)  # one may be in the thread's hands
    go.set()
    viewer.close()


def test_without_the_package_the_command_that_installs_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"pip install 'rerun-sdk>="):
        RerunLog("t")


def test_without_a_display_the_other_ways_are_given(monkeypatch):
    pytest.importorskip("rerun")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", TARGET_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="SANDLOT_RERUN=steps.rrd"):
        RerunLog("t")


def test_the_environment_variable_names_the_target(tmp_path, monkeypatch):
    pytest.importorskip("rerun")
    monkeypatch.setenv(TARGET_VARIABLE, str(tmp_path / "steps.rrd"))
    viewer = RerunLog("t")
    viewer.log_step(OBS, np.zeros(2, np.float32), 0.0)
    viewer.close()
    assert (tmp_path / "steps.rrd").stat().st_size > 0
