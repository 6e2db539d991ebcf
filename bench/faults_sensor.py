"""Faults of sensors, seen by an actor's env through real topics; `make faults` finds every `fault_*` here.

An injection breaks a camera at a random moment of a running episode and heals it again: about 4 s each.
"""

import contextlib
import pathlib
import random
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.ros_arm_rig import RosArmRig
from bench.transport_rig import row
from sandlot.learners import envs
from sandlot.robots.errors import SensorError

FROZEN_S, BROKEN_S, RECOVER_S = 0.5, 0.3, 5.0
BROKEN = ("silent", "slow", "black", "small", "unplugged")
ENOUGH_S = 5.0


@contextlib.contextmanager
def seeing() -> Iterator[tuple[RosArmRig, envs.Env]]:
    """A running arm and an env that observes through its camera."""
    with tempfile.TemporaryDirectory() as folder, RosArmRig(pathlib.Path(folder)) as rig:
        rig.start_camera()
        env = envs.make(rig.task, robot="ros", cameras=("wrist",))
        try:
            rig.reset(env, 0)
            yield rig, env
        finally:
            env.close()


def hold_for(rig: RosArmRig, env: envs.Env, seconds: float) -> None:
    """Steps the env, moving nothing, for some time; raises what the env does."""
    until_s = time.monotonic() + seconds
    still = np.zeros(env.action_space.shape or (), np.float32)
    while time.monotonic() < until_s:
        _, _, terminated, truncated, _ = env.step(still)
        if terminated or truncated:
            rig.reset(env, 0)


def inject(rig: RosArmRig, env: envs.Env, fault: str, after_s: float) -> tuple[float, float, str]:
    """Breaks the camera, waits until that is noticed, heals it.

    Returns:
        Time from the last sound frame to the SensorError, from healing to an observation, and the text.
    """
    hold_for(rig, env, after_s)
    pulled, told_s, noticed_s, text = fault == "unplugged", time.monotonic(), np.inf, ""
    if pulled:
        rig.kill("camera")
    else:
        rig.tell_camera(fault)
    try:
        hold_for(rig, env, ENOUGH_S)
    except SensorError as error:
        noticed_s, text = time.monotonic(), str(error)
    sound_s = told_s if pulled else rig.last_sound_s()
    if pulled:
        rig.start_camera()
    else:
        rig.tell_camera("ok")
        rig.last_sound_s()
    return noticed_s - sound_s, rig.reset(env, 0, within_s=ENOUGH_S * 4), text


def fault_18_camera_frozen(injections: int = 100, seed: int = 0) -> dict[str, Any]:
    """The same frame again and again with new stamps: noticed by content within 0.5 s; goes on within 5 s."""
    return _count("18 camera frozen: time to notice", ("frozen",), FROZEN_S, injections, seed)


def fault_19_camera_broken(injections: int = 100, seed: int = 0) -> dict[str, Any]:
    """Silent, slow, black, of another size, pulled out: noticed within 0.3 s; goes on within 5 s."""
    return _count(f"19 camera {', '.join(BROKEN)}: time to notice", BROKEN, BROKEN_S, injections, seed)


def _count(name: str, faults: tuple[str, ...], limit_s: float, injections: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)  # noqa: S311  (moments, not secrets)
    noticed, violations = [], 0
    with seeing() as (rig, env):
        for k in range(injections):
            noticed_s, back_s, text = inject(rig, env, faults[k % len(faults)], rng.uniform(0.1, 0.6))
            noticed.append(1e3 * noticed_s)
            violations += noticed_s > limit_s or back_s > RECOVER_S or "camera/wrist/image_raw" not in text
    return row(name, injections, violations, noticed, "ms")
