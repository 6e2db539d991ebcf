"""Runs with hand-made steps, for tests."""

import numpy as np

from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch

SPEC = EnvSpec(
    task="arm_pick",
    state=(Entry("position", 3, "m"), Entry("width", 1, "m")),
    images={"front": (16, 24, 3)},
    action=(Entry("delta", 2), Entry("gripper", 1)),
    control_hz=10.0,
    max_episode_steps=50,
)
STREAM = Stream("actor-0", "0123456789abcdef")


def obs(rng: np.random.Generator, spec: EnvSpec = SPEC) -> dict:
    images = {k: rng.integers(0, 256, shape, np.uint8) for k, shape in spec.images.items()}
    return {"state": rng.normal(size=spec.state_size).astype(np.float32), "images": images}


def write_run(
    folder, spec: EnvSpec = SPEC, *, episodes: int = 4, seed: int = 0, stream: Stream = STREAM
) -> None:
    """Episodes of 6, 7, ... steps that end in every way; a person takes over steps 2 and 3."""
    rng = np.random.default_rng(seed)
    recorder = EpisodeRecorder(spec)
    for number in range(episodes):
        recorder.begin(obs(rng, spec), int(rng.integers(2**60)))
        for step in range(6 + number):
            wanted = rng.uniform(-1, 1, spec.action_size).astype(np.float32)
            action = rng.uniform(-1, 1, spec.action_size).astype(np.float32)
            source = Source.HUMAN if step in (2, 3) else Source.POLICY
            policy = wanted if source == Source.HUMAN else None
            decision = Decision(
                action, int(rng.integers(2**60)), rng.uniform(1e9, 2e9), policy, source, number
            )
            last = step == 5 + number
            if last and number % 4 == 2:
                recorder.abort(decision)
                break
            terminated, truncated = last and number % 4 != 1, last and number % 4 == 1
            reward, t_ns = float(rng.normal()), int(rng.integers(2**60))
            success = terminated and number % 4 == 0
            recorder.add(decision, Outcome(obs(rng, spec), reward, terminated, truncated, t_ns, success))
    with RunStore.open(folder, spec) as store:
        store.append([Batch(stream, *recorder.take())])
