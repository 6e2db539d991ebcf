"""Training steps of a drive by hand: a bag is played to the env that practises, as a robot that only repeats.

    write_lap_steps(Bag(folder), course, Path("demos/lap"))

Whoever drove published no steps. But what the car sensed is in the bag, and what it was told is too: the
action of a step is the change of the command in its control period. Goals, rewards, laps and collisions come
from the code that judges practice.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sandlot.learners import envs, plugins
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Source, Stream
from sandlot.robots.car import readings, ros_messages, topics
from sandlot.robots.car.course import Course
from sandlot.robots.car.env import CarEnv, Place
from sandlot.robots.car.errors import CourseError
from sandlot.robots.car.practice import PracticeConfig
from sandlot.robots.car.spec import CONTROL_HZ, IMAGE_PX, CarCommand, CarLimits, CarReading, CarScene
from sandlot.robots.errors import RobotStoppedError, SensorError
from sandlot.robots.protocol import Camera
from sandlot.robots.recording.bag import Bag, decoder
from sandlot.robots.recording.episodes import grouped, write_episodes
from sandlot.robots.recording.mcap_read import Message
from sandlot.robots.topics import image

NS = 1_000_000_000
PERIOD_NS = round(NS / CONTROL_HZ)
MOVES_MPS = 0.1
"""The drive begins when the wheels are this fast."""
SILENT_S = 0.3
"""A sensor that was silent for so long leaves a gap, and no step leads over it."""
JUDGE = PracticeConfig(recovery=False, stuck_s=3600.0)
"""A person may stand as long as they like, and backs off by themselves."""


class DriveEndedError(Exception):
    """The bag is played."""


class RecordedCar:
    """A drive in a bag, as a car: it does what it did, whatever it is told.

    Args:
        bag: with the car's topics.
        cameras: to be seen, as [H, W, 3] by name.

    Raises:
        CourseError: a topic is missing, or it never moves.
        DriveEndedError: later, when there is no more.
    """

    taken_over = False

    def __init__(self, bag: Bag, cameras: dict[str, Camera]) -> None:
        self.limits, self.cameras, self.control_hz = CarLimits(), cameras, CONTROL_HZ
        self._decode = decoder()
        robot, needed = bag.custom.get("robot", "car"), (*topics.observed(tuple(cameras)), topics.COMMAND)
        counts = bag.info().counts
        lacking = [topic.name for topic in needed if not counts.get(topic.full_name(robot))]
        if lacking:
            raise CourseError(
                f"bag '{bag.folder}' has no messages of {', '.join(lacking)}, which steps are made of; drive "
                "with `sandlot up car --record`"
            )
        self._names = {topic.full_name(robot): topic.name for topic in (*needed, topics.HOLD)}
        self._messages = bag.messages(set(self._names))
        self._next = next(self._messages)
        self._newest: dict[str, Message] = {}
        self._held, self._jolt_mps2, self.now_ns = True, 0.0, self._next.log_ns
        try:
            while not {topic.name for topic in needed} <= set(self._newest) or not self._moves():
                self._pass(self._next.log_ns)
        except DriveEndedError:
            raise CourseError(f"bag '{bag.folder}': the wheels never turned; record a drive") from None

    @property
    def time_s(self) -> float:
        """Of the recorder, when this was."""
        return self.now_ns / NS

    def reset(self, scene: CarScene, rng: np.random.Generator) -> None:
        """It is where it is."""

    def settle(self) -> None:
        """It is where it is."""

    def act(self, action: np.ndarray) -> np.ndarray:
        """One control period goes by; the action [2] that explains what was commanded in it."""
        before = self._command()
        self.drive(CarCommand())
        after = self._command()
        changes = (after.speed_mps - before.speed_mps, after.steering_rad - before.steering_rad)
        steps = (self.limits.speed_step_mps, self.limits.steering_step_rad)
        return np.clip(np.divide(changes, steps), -1.0, 1.0).astype(np.float32)

    def drive(self, command: CarCommand) -> None:
        """One control period goes by."""
        self._jolt_mps2 = 0.0
        self._pass(self.now_ns + PERIOD_NS)

    def observe(self) -> CarReading:
        """What was known at this time; SensorError in a gap."""
        for topic in topics.observed(tuple(self.cameras)):
            silent_s = (self.now_ns - self._newest[topic.name].log_ns) / NS
            if silent_s > SILENT_S:
                raise SensorError(f"{topic.name} was silent for {silent_s:.1f} s")
        values = {topic.name: self._decode(self._newest[topic.name]) for topic in topics.STATE}
        return readings.reading(values, self._command(), self._jolt_mps2)

    def images(self) -> dict[str, np.ndarray]:
        """The frames that had come at this time."""
        values = {(name := image(c).name): self._decode(self._newest[name]) for c in self.cameras}
        return readings.images(values, self.cameras)

    def render(self) -> np.ndarray:
        """The frame of the first camera."""
        return next(iter(self.images().values()))

    def close(self) -> None:
        """Nothing is held."""

    def _moves(self) -> bool:
        try:
            return abs(self.observe().wheel_mps) >= MOVES_MPS
        except SensorError:
            return False

    def _command(self) -> CarCommand:
        """What the gate let through last; a car that it holds is told to stand."""
        if self._held:
            return CarCommand()
        return ros_messages.command_from(self._decode(self._newest[topics.COMMAND.name]))

    def _pass(self, until_ns: int) -> None:
        """Takes in everything that arrived until then."""
        while self._next.log_ns <= until_ns:
            name = self._names[self._next.topic]
            self._newest[name] = self._next
            self._feel(name, self._next)
            try:
                self._next = next(self._messages)
            except StopIteration:
                raise DriveEndedError from None
        self.now_ns = until_ns

    def _feel(self, name: str, message: Message) -> None:
        """What lasts: the strongest jolt since the last look, and whether the gate holds the car."""
        if name in (topics.COMMAND.name, topics.HOLD.name):
            self._held = name == topics.HOLD.name
        elif name == topics.IMU.name:
            felt = self._decode(message).linear_acceleration
            self._jolt_mps2 = max(self._jolt_mps2, math.hypot(felt.x, felt.y))
        elif name == topics.WHEELS.name:
            felt_mps2 = ros_messages.wheels_from(self._decode(message)).get("jolt", 0.0)
            self._jolt_mps2 = max(self._jolt_mps2, felt_mps2)


@dataclass(frozen=True)
class LapSteps:
    """What became of a drive: steps that were written, and gaps between them where sensors were silent."""

    steps: int
    gaps: int


def write_lap_steps(
    bag: Bag, course: Course, out: Path, *, cameras: Sequence[str] = (), encoder: str = ""
) -> LapSteps:
    """Writes the steps of a drive by hand to a new run store, for `--demos-file`.

    Args:
        bag: of the drive.
        course: that was driven.
        out: folder of the store.
        cameras: to be observed.
        encoder: path of a frozen encoder whose features replace the frames.

    Raises:
        CourseError: nothing can be made of the bag.
        StoreError: `out` exists.
    """
    said = bag.custom
    size = int(said.get("image_px", "0")) or IMAGE_PX
    task = said.get("task") or "car_hall"
    car = RecordedCar(bag, {camera: (size, size, 3) for camera in cameras})
    practised = CarEnv(task, car, lambda _: Place(course, CarScene((0.0, 0.0), 0.0)), config=JUDGE)
    env: envs.Env = plugins.load("env", "encoder")(practised, encoder) if encoder else practised
    stream = Stream("person", f"{zlib.crc32(bag.folder.name.encode()):08x}{car.now_ns & 0xFFFFFFFF:08x}")
    gaps: list[SensorError] = []
    made = ((stream, *batch) for batch in _steps(env, car, gaps))
    steps = write_episodes(out, envs.env_spec(env), grouped(made))
    return LapSteps(steps, len(gaps))


def _steps(
    env: envs.Env, car: RecordedCar, gaps: list[SensorError]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The drive's steps and finals, a part after another; what was in between is added to `gaps`."""
    recorder = EpisodeRecorder(envs.env_spec(env))
    try:
        while True:
            try:
                yield from _episode(env, car, recorder)
            except SensorError as gap:
                recorder.cut()
                gaps.append(gap)
                car.drive(CarCommand())
    except (DriveEndedError, RobotStoppedError):
        recorder.cut()
        yield recorder.take()


def _episode(
    env: envs.Env, car: RecordedCar, recorder: EpisodeRecorder
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    obs, _ = env.reset(seed=0)
    recorder.begin(obs, car.now_ns)
    ended = False
    while not ended:
        at_ns = car.now_ns
        obs, reward, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        decision = Decision(info["action"], at_ns, at_ns / NS, None, Source.HUMAN)
        outcome = Outcome(obs, float(reward), terminated, truncated, car.now_ns, info["success"])
        ended = recorder.add(decision, outcome) is not None
        yield recorder.take()
