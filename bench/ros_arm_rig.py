"""The arm's graph as processes for an env in this one: simulated driver, gate, and a camera to be broken."""

import os
import pathlib
import subprocess
import sys
import time
from types import TracebackType

from tests.ros_domain import environment

from sandlot.learners import envs
from sandlot.learners.errors import NotReadyError
from sandlot.learners.process import PARENT_VARIABLE
from sandlot.robots.errors import RobotStoppedError

ROOT = pathlib.Path(__file__).parents[1]
START_S = 90.0
MODULES = {
    "driver": ("sandlot.robots.arm.arm_node", "device:=sim"),
    "gate": ("sandlot.robots.arm.gate_node", "auto_arm:=true"),
}


class RosArmRig:
    """Processes of one arm in a ROS domain of its own; this process is in that domain meanwhile.

    Args:
        folder: for logs.
        task: what the arm practises.
    """

    def __init__(self, folder: pathlib.Path, task: str = "arm_pick") -> None:
        self.folder, self.task = folder, task
        path = f"{ROOT / 'src'}:{ROOT}"
        self.env = {**environment(folder), "PYTHONPATH": path, PARENT_VARIABLE: str(os.getpid())}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._before = dict(os.environ)

    def __enter__(self) -> "RosArmRig":
        os.environ.update({k: v for k, v in self.env.items() if k.startswith("ROS_")})
        for name in MODULES:
            self.start(name)
        return self

    def start(self, name: str) -> None:
        """Starts (again) the driver or the gate."""
        module, parameter = MODULES[name]
        words = ["--ros-args", "-r", "__ns:=/arm", "-p", f"task:={self.task}", "-p", parameter]
        self._run(name, [module, *words])

    def start_camera(self) -> None:
        """Plugs the camera in."""
        self._run("camera", ["bench.camera_process"])

    def _run(self, name: str, argv: list[str]) -> None:
        if name in self.processes:
            self.processes[name].communicate()
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *argv],
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, as a cable that is pulled."""
        self.processes[name].kill()

    def tell_camera(self, fault: str) -> None:
        """Breaks or heals the camera; does not wait, because the robot does not."""
        stdin = self.processes["camera"].stdin
        if stdin is not None:
            stdin.write(f"{fault}\n")
            stdin.flush()

    def last_sound_s(self) -> float:
        """When the camera's last sound frame went out before it was told something; once a `tell_camera`."""
        stdout = self.processes["camera"].stdout
        return float(stdout.readline()) if stdout is not None else 0.0

    def reset(self, env: envs.Env, seed: int, within_s: float = START_S) -> float:
        """Resets as soon as the robot is ready, armed anew if it was stopped; returns how long it was not."""
        began_s = time.monotonic()
        while True:
            tried_s = time.monotonic()
            try:
                env.reset(seed=seed)
                return tried_s - began_s
            except NotReadyError as error:
                if time.monotonic() - began_s > within_s:
                    raise
                if isinstance(error, RobotStoppedError) and "is STOPPED" in str(error):
                    self.arm()
                time.sleep(0.05)

    def arm(self) -> None:
        """Arms the gate, as a person would who sees that the arm may move."""
        command = [sys.executable, "-m", "sandlot", "gate", "arm"]
        environ = {k: v for k, v in self.env.items() if k != PARENT_VARIABLE}
        subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60.0)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.communicate(timeout=20.0)
        os.environ.clear()
        os.environ.update(self._before)
