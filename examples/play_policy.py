"""Play a trained policy: numpy alone, without a learner and without JAX.

    sandlot export demo --out pick.safetensors
    python examples/play_policy.py pick.safetensors

The file says which task it is for, what it observes and what its actions mean.
"""

import argparse
import sys

import sandlot
from sandlot.learners import envs


def main() -> int:
    """Plays seeded episodes and prints how many succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", help="what `sandlot export RUN` wrote, or a run's policy.safetensors")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="episode k is reset with seed + k")
    args = parser.parse_args()

    policy = sandlot.load_policy(args.policy)
    for entry in policy.spec.state:
        print(f"observes {entry.name}[{entry.size}]  1 is {entry.unit or '1'}  {entry.frame}")
    env = envs.make(policy.spec.task)
    successes = 0
    for episode in range(args.episodes):
        obs, _ = env.reset(seed=args.seed + episode)
        total, ended = 0.0, False
        while not ended:
            obs, reward, terminated, truncated, info = env.step(policy.act(obs))
            total, ended = total + float(reward), terminated or truncated
        successes += bool(info.get("success", False))
        print(f"episode {episode}: return {total:.2f}, success {bool(info.get('success', False))}")
    env.close()
    print(f"{policy.spec.task}: {successes} of {args.episodes} succeeded (policy version {policy.version})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
