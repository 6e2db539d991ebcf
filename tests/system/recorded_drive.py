"""Drives the arm through ROS while it is recorded: STORE EPISODES [CAMERA...]; its steps go to a run store.

An expert plays; a person "takes over" in the middle of every second episode, so that segments break. Patient
with a busy machine: what is tested is that the bag holds the same steps, not how fast they came.
"""

import pathlib
import sys
import time

import numpy as np

from sandlot.learners.errors import NotReadyError
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch
from sandlot.robots.arm.readings import Freshness
from sandlot.robots.arm.ros_arm import RosArm
from sandlot.robots.arm.tasks import ArmPick
from sandlot.robots.env import RobotEnv

TRIES = 50
AFTER_EPISODE_S = 1.0
"""The recorder may be that far behind."""


def play(env: RobotEnv, recorder: EpisodeRecorder, rng: np.random.Generator, taken_over: bool) -> None:
    obs, _ = env.reset(seed=int(rng.integers(1000)))
    recorder.begin(obs, time.monotonic_ns())
    ended, steps = False, 0
    while not ended:
        wanted = np.clip(env.expert_action() + rng.normal(0, 0.1, 7), -1, 1).astype(np.float32)
        source = Source.HUMAN if taken_over and 3 <= steps < 7 else Source.SCRIPT
        policy = np.zeros(7, np.float32) if source == Source.HUMAN else None
        decision = Decision(wanted, time.monotonic_ns(), time.time(), policy, source, 7)
        try:
            obs, reward, terminated, truncated, info = env.step(wanted)
        except NotReadyError:
            recorder.abort(decision)
            raise
        outcome = Outcome(obs, reward, terminated, truncated, time.monotonic_ns(), info["success"])
        ended = recorder.add(decision._replace(action=info["action"]), outcome) is not None
        steps += 1
    env.robot.pause()


def main() -> None:
    folder, episodes, cameras = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    task = ArmPick(privileged=not cameras)
    patient = Freshness(state_s=3.0, image_s=3.0, frozen_s=5.0)
    robot = RosArm(task.limits, ("cube",), cameras=cameras, freshness=patient)
    env = RobotEnv(robot, task)
    recorder = EpisodeRecorder(env.env_spec, on_step=robot.note)
    rng, done = np.random.default_rng(3), 0
    try:
        for _ in range(TRIES):
            try:
                play(env, recorder, rng, taken_over=done % 2 == 0)
                done += 1
            except NotReadyError as error:
                print(error, flush=True)
                time.sleep(0.2)
            if done == episodes:
                break
        recorder.cut()
        with RunStore.open(folder, env.env_spec) as store:
            store.append([Batch(Stream("driver", "0"), *recorder.take())])
        time.sleep(AFTER_EPISODE_S)
    finally:
        env.close()


if __name__ == "__main__":
    main()
