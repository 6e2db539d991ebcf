"""A task of your own: define it, train it, see its success.

    python examples/own_task.py

A task is a Gymnasium env with a bounded Box action and Box or Dict observations. Two things are worth adding:
`info["success"]`, which every figure of a run is made of, and `expert_action()`, from which demonstrations
are recorded. `sandlot` finds the env by the module that registers it: `gymnasium:MODULE:ID`.
"""

import argparse
import os
import pathlib
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np

STEP_M, DOCKED_M = 0.15, 0.1
SETTINGS = (
    "--demos 20 --update-ratio 8 --agent.utd 8 --agent.actor-every 2 --agent.batch-size 64 "
    "--agent.n-critics 2 --agent.actor-hidden 64 64 --agent.critic-hidden 64 64 --agent.actor-lr 1e-3 "
    "--agent.critic-lr 1e-3 --agent.gamma 0.9 --agent.init-temperature 0.05 --agent.no-entropy-backup"
)
"""A trial is short, hence gamma. The reward is rare and would drown in a large entropy bonus."""


class Dock(gym.Env[np.ndarray, np.ndarray]):
    """A cart in the plane has to reach a dock anywhere within 1 m; the reward is 1 when it is there, else 0.

    Observation: from the cart to the dock, m [2]. Action: velocity [2], 1 is 0.15 m a step.
    """

    metadata = {"render_modes": [], "render_fps": 10}

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-4.0, 4.0, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._to_dock_m = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Puts the dock somewhere else; all chance comes from `np_random`, so a seed means one episode."""
        super().reset(seed=seed)
        self._to_dock_m = self.np_random.uniform(-1.0, 1.0, 2)
        return self._to_dock_m.astype(np.float32), {}

    def step(self, action: np.ndarray) -> Any:
        """Moves; the time limit is the registered `max_episode_steps`."""
        self._to_dock_m = self._to_dock_m - STEP_M * np.asarray(action, np.float64)
        docked = bool(np.linalg.norm(self._to_dock_m) < DOCKED_M)
        return self._to_dock_m.astype(np.float32), float(docked), docked, False, {"success": docked}

    def expert_action(self, noise: float = 0.0) -> np.ndarray:
        """Straight to the dock."""
        action = self._to_dock_m / STEP_M + self.np_random.normal(0.0, 1.0, 2) * noise
        return np.clip(action, -1.0, 1.0).astype(np.float32)


gym.register(id="Dock-v0", entry_point=Dock, max_episode_steps=20)


def main() -> int:
    """Trains the task with the `sandlot` command, which ends with its success over 20 fresh episodes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", default="dock", help="name or path of the run")
    parser.add_argument("--steps", type=int, default=1000, help="env steps to practise for")
    args, flags = parser.parse_known_args()  # further flags go to `sandlot train`
    here = str(pathlib.Path(__file__).resolve().parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "sandlot", "train", "gymnasium:own_task:Dock-v0"]
    command += ["--run", args.run, "--steps", str(args.steps), *SETTINGS.split(), *flags]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
