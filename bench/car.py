"""The simulated car: steps a second, and the lap that a scripted racing driver drives with the same sensors.

The driver knows the whole course, borders included, and follows its racing line by pure pursuit on the same
late odometry, through the same limits of speed, steering and their changes, as a policy has. Its grip is the
one of those tried that gives the fastest lap of which ten in a row are clean.
"""

import itertools
import logging
import statistics
import time

import numpy as np

from sandlot.robots.car.env import CarEnv
from sandlot.robots.car.pursuit import PursuitConfig, action_for, follow
from sandlot.robots.car.racing_line import Grip, Line, racing_line
from sandlot.sim.car_envs import CAR_HALF_M, make, room

log = logging.getLogger(__name__)

TASKS = ("car_hall", "car_yard")
LATERAL_MPS2 = (4.0, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0)
ALONG_MPS2 = (2.5, 3.5)
MARGINS_M = (CAR_HALF_M, CAR_HALF_M + 0.08, CAR_HALF_M + 0.16)
AHEAD_S = (0.2, 0.25, 0.3)
LAPS = 10


def race(env: CarEnv, line: Line, laps: int, config: PursuitConfig) -> list[float]:
    """The times of so many clean laps in a row, after the first; empty when one was not clean."""
    env.place = None
    env.reset(seed=0)
    while len(env.driven) <= laps:
        reading = env.robot.observe()
        action = action_for(reading.command, follow(line, reading, config), env.robot.limits)
        _, _, terminated, truncated, info = env.step(action)
        if terminated or (info.get("lap") and not info["lap"].clean) or (truncated and "lap" not in info):
            return []
    return [lap.time_s for lap in env.driven[1:]]


def racing_laps(task: str) -> tuple[list[float], str]:
    """The best driver's lap times, and its settings in words."""
    env = make(task)
    best: tuple[list[float], str] = ([], "")
    try:
        track = env.robot.track  # type: ignore[attr-defined]
        for lateral, along, margin, ahead in itertools.product(LATERAL_MPS2, ALONG_MPS2, MARGINS_M, AHEAD_S):
            grip = Grip(
                lateral_mps2=lateral,
                drive_mps2=along,
                brake_mps2=along,
                fastest_mps=env.robot.limits.fastest_mps,
            )
            line = racing_line(track.centre_m, room(track, margin), grip)
            times = race(env, line, 1, config := PursuitConfig(ahead_s=ahead))
            if times and (not best[0] or statistics.median(times) < statistics.median(best[0])):
                times = race(env, line, LAPS, config)
                if times and (not best[0] or statistics.median(times) < statistics.median(best[0])):
                    words = (
                        f"lateral {lateral:g}, along {along:g} m/s2, margin {margin:.2f} m, ahead {ahead:g} s"
                    )
                    best = times, words
                    log.info(
                        "event=racing task=%s median_lap_s=%.2f %s", task, statistics.median(times), words
                    )
    finally:
        env.close()
    return best


def steps_per_s(cameras: tuple[str, ...], seconds: float) -> float:
    """Env steps a second of the scripted driver in the hall."""
    env = make("car_hall", cameras=cameras)
    env.reset(seed=0)
    count, began_s = 0, time.perf_counter()
    while (took_s := time.perf_counter() - began_s) < seconds:
        _, _, terminated, truncated, _ = env.step(env.expert_action())
        count += 1
        if terminated or truncated:
            env.reset()
    env.close()
    return count / took_s


def measure() -> list[dict[str, object]]:
    """One row per figure."""
    rows: list[dict[str, object]] = []
    for cameras in ((), ("bumper",)):
        value = statistics.median(steps_per_s(cameras, 4.0) for _ in range(3))
        what = "one 64x64 camera" if cameras else "state"
        row = {
            "figure": f"car_hall env steps, {what}",
            "value": round(value, 1),
            "unit": "steps/s",
            "runs": 3,
        }
        rows.append({**row, "against": "real time", "against_value": 10.0, "ratio": round(value / 10.0, 1)})
    for task in TASKS:
        times, words = racing_laps(task)
        lap_s = float(np.median(times)) if times else float("nan")
        row = {"figure": f"{task}: lap of the scripted racing driver", "value": round(lap_s, 2), "unit": "s"}
        rows.append({**row, "against": words, "against_value": None, "ratio": None, "runs": len(times)})
    return rows
