"""Drives a car a slow lap and more through ROS while it is recorded: STORE [CAMERA...]; STORE gets the steps.

Patient with a busy machine: what is tested is that the bag holds the same steps, not how fast they came.
"""

import pathlib
import sys
import time

import numpy as np

from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch
from sandlot.robots.car.env import CarEnv, Place
from sandlot.robots.car.readings import Freshness
from sandlot.robots.car.ros_car import RosCar
from sandlot.robots.car.spec import CarLimits
from sandlot.sim.car_envs import make

AFTER_S = 1.0
"""The recorder may be that far behind."""
MOST_STEPS = 600
PATIENT = Freshness(state_s=3.0, image_s=3.0, frozen_s=5.0)


def hall() -> Place:
    """The course of the simulated hall, and the line of its slow driver."""
    simulated = make("car_hall")
    simulated.reset(seed=0)
    place = simulated.place
    simulated.close()
    return place


def drive(env: CarEnv, recorder: EpisodeRecorder) -> None:
    """A lap, a little of the next one, and a wall."""
    obs, _ = env.reset(seed=0)
    recorder.begin(obs, time.monotonic_ns())
    for _ in range(MOST_STEPS):
        lost = len(env.driven) > 0  # a lap is driven: straight on, until it hits something
        wanted = np.array([0.2, 0.0], np.float32) if lost else env.expert_action(noise=0.05)
        decision = Decision(wanted, time.monotonic_ns(), time.time(), None, Source.SCRIPT, 3)
        obs, reward, terminated, truncated, info = env.step(wanted)
        outcome = Outcome(obs, reward, terminated, truncated, time.monotonic_ns(), info["success"])
        if recorder.add(decision._replace(action=info["action"]), outcome) is not None:
            if terminated:
                return
            recorder.begin(env.reset()[0], time.monotonic_ns())


def main() -> None:
    folder, cameras = pathlib.Path(sys.argv[1]), sys.argv[2:]
    place = hall()
    robot = RosCar(CarLimits(), cameras=cameras, freshness=PATIENT)
    env = CarEnv("car_hall", robot, lambda _: place)
    recorder = EpisodeRecorder(env.env_spec, on_step=robot.note)
    try:
        drive(env, recorder)
        recorder.cut()
        with RunStore.open(folder, env.env_spec) as store:
            store.append([Batch(Stream("driver", "0"), *recorder.take())])
        time.sleep(AFTER_S)
    finally:
        env.close()


if __name__ == "__main__":
    main()
