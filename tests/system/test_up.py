"""`sandlot up` with real processes and real topics: the whole graph, a killed gate, the death of `up`."""

import contextlib
import json
import signal
import subprocess
import sys

import psutil
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time

from sandlot.robots.lock import InstanceLock

pytest.importorskip("rclpy")
pytest.importorskip("supervisor")

pytestmark = real_time

UP = [sys.executable, "-m", "sandlot", "up", "arm"]


def run(env, *flags, timeout_s=60.0):
    """`sandlot up arm FLAGS` to its end."""
    return subprocess.run(
        [*UP, *flags], env=env, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_the_whole_graph_runs_and_ends_with_one_json_line(ros_domain, tmp_path):  # noqa: F811
    done = run(
        ros_domain, "--robot", "sim", "--for", "4", "--json", "--record", "--run", str(tmp_path / "run"),
        timeout_s=280.0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told["ok"] and told["seconds"] >= 4.0
    assert {n: v["state"] for n, v in told["nodes"].items()} == {
        "driver": "running", "gate": "running", "recorder": "running", "arming": "running",
        "learner": "running", "actor": "running",
    }  # fmt: skip
    assert told["nodes"]["driver"]["lifecycle"] == "active"
    assert told["nodes"]["gate"]["mode"] in {"ACTIVE", "ARMED", "STOPPED"}  # a busy machine may starve it
    assert told["commands"]["sent"] > 0 and told["commands"]["accepted"] > 0
    assert told["stops"]["count"] == sum(told["stops"]["causes"].values())
    for name in ("joint_states", "tool_pose", "wrench", "objects/cube"):
        topic = told["topics"][f"/arm/{name}"]
        assert topic["count"] > 20 and 0 <= topic["age_p50_ms"] <= topic["age_p99_ms"]
    for name in ("action/pose", "command/pose", "gate/state", "actor/step"):
        assert told["topics"][f"/arm/{name}"]["count"] > 0
    assert list((tmp_path / "run" / "bags").rglob("*.mcap"))
    assert list((tmp_path / "run" / "logs" / "ros").iterdir())


class Running:
    """`sandlot up` in the background, with its log lines and all processes below it."""

    def __init__(self, env, *flags):
        self.process = subprocess.Popen(
            [*UP, *flags], env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.seen: list[str] = []

    def wait_for(self, words):
        """Reads the log until some line has all the words; pytest's time limit is the deadline."""
        while not any(all(word in line for word in words.split()) for line in self.seen):
            self.seen.append(self.process.stderr.readline())
            assert self.seen[-1], f"'{words}' never came: {''.join(self.seen)}"

    def below(self):
        """Every process below it, by what it runs."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                module = next((w for w in child.cmdline() if w.startswith("sandlot.")), "")
                found[module.rpartition(".")[2] or child.name()] = child
        return found


@pytest.fixture
def running(ros_domain, tmp_path):  # noqa: F811
    up = Running(ros_domain, "--no-learner", "--run", str(tmp_path / "run"))
    yield up
    if up.process.poll() is None:
        up.process.send_signal(signal.SIGINT)
    up.process.stderr.read()
    up.process.wait()


def test_a_killed_gate_comes_back_disarmed_and_no_process_outlives_up(running):
    running.wait_for("name=gate mode='ARMED'")
    running.wait_for("name=driver lifecycle='active'")
    running.below()["gate_node"].kill()
    running.wait_for("name=gate mode='DISARMED' restarts=1")
    everything = list(running.below().values())
    assert {"arm_node", "gate_node", "supervise"} <= set(running.below())
    running.process.kill()
    gone, alive = psutil.wait_procs(everything, timeout=30.0)
    assert not alive and len(gone) == len(everything)


def test_ctrl_c_ends_the_gate_before_the_driver(running, tmp_path):
    running.wait_for("name=driver lifecycle='active'")
    running.process.send_signal(signal.SIGINT)
    running.process.stderr.read()
    assert running.process.wait() == 0
    log = (tmp_path / "run" / "logs" / "supervisor.log").read_text()
    ends = [line.split("stopped: ")[1].split()[0] for line in log.splitlines() if "stopped: " in line]
    assert ends == ["arming", "gate", "driver"]


def test_a_second_up_on_one_robot_is_refused_in_one_line(ros_domain, tmp_path):  # noqa: F811
    with InstanceLock("/arm/up"):
        done = run(ros_domain, "--run", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "/arm/up already runs" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_node_that_refuses_its_parameters_ends_up_with_its_words_and_the_files(ros_domain, tmp_path):  # noqa: F811
    mine = tmp_path / "mine.yaml"
    mine.write_text("/arm/driver:\n  ros__parameters:\n    state_hzz: 50.0\n")
    done = run(ros_domain, "--no-learner", "--params", str(mine), "--run", str(tmp_path / "run"))
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert all(w in last for w in ("driver was refused", "'state_hzz'", "did you mean 'state_hz'", str(mine)))


def test_without_ros_one_line_says_how_to_get_it(ros_domain, tmp_path):  # noqa: F811
    (tmp_path / "rclpy.py").write_text("raise ImportError('librcl.so: cannot open shared object file')\n")
    done = run({**ros_domain, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "librcl.so" in done.stderr and "pip install 'sandlot[ros]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_robot_is_refused_with_the_known_ones(ros_domain):  # noqa: F811
    done = run(ros_domain, "--robot", "fanka")
    assert done.returncode == 2
    assert all(word in done.stderr for word in ("fanka", "sim", "franka", "dynamixel"))
