"""How fast the simulated arm is: env steps a second in one process, from state and with two cameras."""

import logging
import statistics
import time
from collections.abc import Sequence

import numpy as np

from sandlot.robots.env import RobotEnv
from sandlot.sim.arm_envs import make

log = logging.getLogger(__name__)

CAMERAS = ("front", "wrist")
# Published or measured elsewhere on two cores of this kind; see the references of the README.
GYM_HIL = {"state": 141.0, "cameras": 2.4}
RUNS = 5


def steps_per_s(cameras: Sequence[str], seconds: float) -> float:
    """Env steps a second of `arm_pick`, random actions, resets included; 10 Hz actions, 500 Hz physics."""
    env = make("arm_pick", cameras=cameras)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    _step(env, rng)  # whatever is loaded or compiled at first use
    count, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        _step(env, rng)
        count += 1
    env.close()
    return count / took


def _step(env: RobotEnv, rng: np.random.Generator) -> None:  # type: ignore[type-arg]
    """One random step; starts the next episode when one ends."""
    *_, terminated, truncated, _ = env.step(rng.uniform(-1, 1, 7).astype(np.float32))
    if terminated or truncated:
        env.reset()


def measure() -> list[dict[str, object]]:
    """One row per figure; the value is the median of several runs."""
    rows: list[dict[str, object]] = []
    for name, cameras in (("state", ()), ("cameras", CAMERAS)):
        runs = [steps_per_s(cameras, 2.0) for _ in range(RUNS)]
        value = statistics.median(runs)
        against = GYM_HIL[name]
        rows.append(
            {
                "figure": f"arm_pick env steps, {'state' if not cameras else 'two 128x128 cameras'}",
                "value": round(value, 1),
                "unit": "steps/s",
                "against": "gym-hil 0.1.14, same physics rate, measured elsewhere",
                "against_value": against,
                "ratio": round(value / against, 2),
                "runs": RUNS,
            }
        )
    return rows


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for row in measure():
        log.info(" ".join(f"{key}={value}" for key, value in row.items()))
