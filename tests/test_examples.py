"""The examples run as people run them: real processes, tiny settings."""

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def play(name: str, *flags: str, cwd: pathlib.Path) -> str:
    """Runs an example and returns what it printed."""
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES) if name != "own_task.py" else ""}
    argv = [sys.executable, str(EXAMPLES / name), *flags]
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict[str, Any]]:
    """The run that `own_task.py` leaves, and its summary."""
    folder = tmp_path_factory.mktemp("dock")
    out = play("own_task.py", "--run", "./dock", "--steps", "800", "--json", cwd=folder)
    return folder / "dock", json.loads(out.splitlines()[-1])


def test_own_task_is_learned(dock: tuple[pathlib.Path, dict[str, Any]]) -> None:
    run, summary = dock
    assert summary["finished"]
    assert summary["env_steps"] >= 800
    assert summary["success"] >= 0.7, "untrained policies reach the dock in one trial of twenty"
    assert (run / "report.html").is_file()


def test_play_policy_prints_success(dock: tuple[pathlib.Path, dict[str, Any]]) -> None:
    run, _ = dock
    out = play("play_policy.py", "policy.safetensors", "--episodes", "10", cwd=run)
    assert "observes state[2]" in out
    *lines, last = out.splitlines()
    wins = sum(line.startswith("episode") and line.endswith("success True") for line in lines)
    assert last.startswith(f"gymnasium:own_task:Dock-v0: {wins} of 10 succeeded")
    assert wins >= 5


def test_read_run_exports_transitions(
    dock: tuple[pathlib.Path, dict[str, Any]], tmp_path: pathlib.Path
) -> None:
    run, summary = dock
    out = play("read_run.py", str(run), "--out", "t.npz", cwd=tmp_path)
    assert "ratio_reached at step" in out
    data = np.load(tmp_path / "t.npz")
    stored = summary["env_steps"] + summary["demo_steps"]
    assert stored - 1 <= len(data["reward"]) <= stored + 10
    assert (data["discount"] == (data["reward"] == 0)).all(), "docked ends the task, the time limit does not"
    # the env's own equation, from the file alone: to_dock' = to_dock - 0.15 * action
    np.testing.assert_allclose(data["next_state"], data["state"] - 0.15 * data["action"], atol=1e-5)


def test_own_expert_records_and_a_policy_imitates_it(tmp_path: pathlib.Path) -> None:
    flags = ["--run", "./reach", "--preset", "bc", "--agent.offline-steps", "2000", "--json"]
    out = play("own_expert.py", "--episodes", "20", *flags, cwd=tmp_path)
    said, *_, last = out.splitlines()
    assert said == "the expert succeeded in 20 of 20 episodes"
    summary = json.loads(last)
    assert summary["finished"]
    assert summary["demo_steps"] >= 20 * 3
    assert summary["success"] >= 0.35, (
        "0.70 when this was written; an untrained policy reaches next to nothing"
    )


def test_estop_is_what_the_gate_listens_to(ros_domain: dict[str, str]) -> None:  # noqa: F811
    rclpy = pytest.importorskip("rclpy")
    from sandlot.robots import ros_node
    from sandlot.robots.topics import ESTOP

    said: list[bool] = []
    argv = [sys.executable, str(EXAMPLES / "estop.py")]
    button = subprocess.Popen(argv, env=ros_domain, stdin=subprocess.PIPE, text=True)
    rclpy.init()
    node, executor = rclpy.create_node("listener"), ros_node.SingleThreadedExecutor()
    try:
        executor.add_node(node)
        ros_node.subscription(node, ESTOP, lambda m: said.append(m.data))  # matches latched publishers only
        until_s = time.monotonic() + 60.0
        for line, heard in (("", [False]), ("\n", [False, True]), ("r\n", [False, True, False])):
            button.stdin.write(line)
            button.stdin.flush()
            while said != heard and time.monotonic() < until_s:
                executor.spin_once(timeout_sec=0.02)
            assert said == heard
        button.stdin.close()
        assert button.wait(20.0) == 0
    finally:
        button.kill()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
