"""Two cameras of 640x480 at 30 Hz through topics into observations: what is lost, and how old frames are.

`python -m bench.cameras NAME` is one camera, a process of its own; frames are numbered in the first pixel.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.ros_arm_rig import ROOT, RosArmRig
from sandlot.learners import envs

CAMERAS = ("wrist", "side")
WIDTH_PX, HEIGHT_PX, HZ = 640, 480, 30.0
SECONDS = 30.0


def measure() -> list[dict[str, Any]]:
    """Observes for some time while both cameras run; the robot holds still."""
    with tempfile.TemporaryDirectory() as folder, RosArmRig(pathlib.Path(folder)) as rig:
        cameras = [_start(rig, name) for name in CAMERAS]
        env = envs.make(rig.task, robot="ros", cameras=CAMERAS)
        try:
            seen = _watch(env)
            rig.reset(env, 0)
            ages_ms = _observe(env)
        finally:
            env.close()
            for camera in cameras:
                camera.terminate()
                camera.wait(timeout=20.0)
    lost = sum(_gaps(numbers) for numbers in seen.values())
    got = sum(len(numbers) for numbers in seen.values())
    common = {"against": "", "against_value": None, "ratio": None}
    return [
        {"figure": "two cameras 640x480 at 30 Hz: frames lost", "value": lost, "unit": "frames", "runs": got}
        | common,
        {
            "figure": "their age when the action goes out, p99",
            "value": float(np.percentile(ages_ms, 99)),
            "unit": "ms",
            "runs": len(ages_ms),
        }
        | common,
    ]


def _watch(env: envs.Env) -> dict[str, list[int]]:
    """Frame numbers as they arrive, by topic."""
    observer = env.unwrapped.robot._observer  # type: ignore[attr-defined]
    offer, seen = observer.offer, {f"camera/{name}/image_raw": [] for name in CAMERAS}

    def noting(topic: str, value: Any, *args: Any, **kwargs: Any) -> None:
        if topic in seen:
            seen[topic].append(int.from_bytes(bytes(value.data[:3]), "little"))
        offer(topic, value, *args, **kwargs)

    observer.offer = noting
    return seen


def _observe(env: envs.Env) -> list[float]:
    """Steps the env, holding still; the age of the older camera's frame at every step, ms."""
    robot = env.unwrapped.robot  # type: ignore[attr-defined]
    still = np.zeros(env.action_space.shape or (), np.float32)
    until_s, ages_ms = time.monotonic() + SECONDS, []
    while time.monotonic() < until_s:
        _, _, terminated, truncated, _ = env.step(still)
        now_s = time.monotonic()
        measured_s = [robot._samples[f"camera/{name}/image_raw"].measured_s for name in CAMERAS]
        ages_ms.append(1e3 * (now_s - min(measured_s)))
        if terminated or truncated:
            env.reset()
    return ages_ms


def _gaps(numbers: list[int]) -> int:
    """Frames missing between the first and the last that arrived."""
    return numbers[-1] - numbers[0] + 1 - len(numbers)


def _start(rig: RosArmRig, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.cameras", name], env=rig.env, cwd=ROOT)


def publish(name: str) -> None:
    """Publishes numbered frames until ended; noise, so that no two are alike."""
    from sandlot.robots import ros_node
    from sandlot.robots.arm import ros_messages, topics

    import rclpy  # isort: skip  after ros_node has set its environment
    from rclpy.signals import SignalHandlerOptions  # isort: skip

    rclpy.init(args=["--ros-args", "-r", "__ns:=/arm"], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f"{name}_camera", start_parameter_services=False)
    out = ros_node.publisher(node, topics.image(name))
    frames = np.random.default_rng(os.getpid()).integers(100, 110, (8, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    began_s, number = time.monotonic(), 0
    while True:
        frame = frames[number % len(frames)]
        frame[0, 0] = np.frombuffer(number.to_bytes(3, "little"), np.uint8)
        out.publish(ros_messages.image_message(frame, name, time.time_ns()))
        number += 1
        time.sleep(max(0.0, began_s + number / HZ - time.monotonic()))


if __name__ == "__main__":
    publish(sys.argv[1])
