"""A bag to training steps, through the code that made the observations when the robot moved.

`actor/step` says of every step what was done, and which message of every topic its observations were made of.
Those are looked up and observed again (`robots/KIND/replayed.py`), and a recorder as the actor's numbers and
flags them. A step that cannot be made, because a message was not recorded, ends its segment and is counted.
"""

import json
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.real_time import StepNote
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import EnvSpec, Flag, Stream
from sandlot.robots import kinds, step_message
from sandlot.robots.errors import SensorError
from sandlot.robots.recording.bag import Bag, decoder
from sandlot.robots.recording.episodes import EpisodeSteps, grouped
from sandlot.robots.recording.errors import BagError
from sandlot.robots.recording.mcap_read import Message
from sandlot.robots.topics import STEP

NS = 1_000_000_000
LATE_NS = NS // 2
"""A message may be recorded this much later than the step that used it."""
KEPT_NS = 3 * NS
"""A step uses messages of the last fraction of a second; so much is kept."""

Noted = tuple[StepNote, step_message.View, step_message.View | None, int]
"""A step, the observations before and after it, and the stamp of its action."""


class Replayed(Protocol):
    """What a robot's observations are, and how they are made of its recorded messages.

    Attributes:
        spec: of the env that was practised.
        topics: what an observation is made of.
    """

    spec: EnvSpec
    topics: tuple[str, ...]

    def observe(self, values: Mapping[str, Any], extra: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        """The observation of these messages, and of what `step_message.View` has besides."""
        ...


@dataclass
class Missing:
    """Why steps could not be made: how many, and the first reason."""

    steps: int = 0
    reason: str = ""

    def add(self, reason: str) -> None:
        """Notes one more."""
        self.steps += 1
        self.reason = self.reason or reason


@dataclass
class BagSteps:
    """The steps of a bag.

    Attributes:
        bag: what was recorded.
        task: what was practised; by default what the bag says, and so for `cameras` and `namespace`. Of tasks
            in turn, the one whose steps are wanted.
        cameras: those that were observed.
        namespace: of the robot's topics.
        missing: what could not be made, after `episodes` ran through.
    """

    bag: Bag
    task: str = ""
    cameras: tuple[str, ...] = ()
    namespace: str = ""
    missing: Missing = field(default_factory=Missing)

    def __post_init__(self) -> None:
        said = self.bag.custom
        self.task = self.task or said.get("task", "")
        self.cameras = self.cameras or tuple(json.loads(said.get("cameras", "[]")))
        self.namespace = self.namespace or said.get("robot", "arm")
        if not self.task:
            self.bag.info()  # a damaged bag is told first
            raise ConfigError(f"bag '{self.bag.folder}' does not say what was practised; name it with --task")
        replayed = kinds.part(kinds.of_task(self.task), "replayed").Replayed
        robot: Replayed = replayed(self.task, self.cameras, int(said.get("image_px", "0")))
        self.spec = robot.spec
        self._observer = _Observations(robot)

    def episodes(self) -> Iterator[EpisodeSteps]:
        """Every episode, in order. After it ran through, `missing` says what could not be made."""
        return grouped(self._batches())

    def _batches(self) -> Iterator[tuple[Stream, np.ndarray, np.ndarray]]:
        replay = None
        for note, obs, following, stamp in self._notes():
            if note.task not in ("", self.task):
                continue  # another task's, practised in turn with this one
            if replay is None or note.step <= replay.step:  # a new life of the actor counts from 0
                if replay:
                    yield replay.end()
                replay = _Replay(self.spec, _stream(self.bag, stamp))
            try:
                before = self._observer.observe(obs)
                after = self._observer.observe(following) if following else None
            except (SensorError, KeyError) as error:
                self.missing.add(str(error))
                replay.interrupt()
                continue
            yield replay.add(note, before, after)
        if replay:
            yield replay.end()

    def _notes(self) -> Iterator[Noted]:
        """The steps in order, each when everything that it needs was offered to the observer."""
        prefix = f"/{self.namespace.strip('/')}/"
        observed = {prefix + name for name in self._observer.topics}
        step_topic, decode = STEP.full_name(self.namespace), decoder()
        waiting: deque[Message] = deque()
        for message in self.bag.messages({*observed, step_topic}):
            while waiting and message.log_ns - waiting[0].log_ns > LATE_NS:
                yield self._note(decode(waiting.popleft()))
            if message.topic == step_topic:
                waiting.append(message)
            else:
                self._observer.offer(message.topic.removeprefix(prefix), message)
        while waiting:
            yield self._note(decode(waiting.popleft()))

    def _note(self, message: Any) -> Noted:
        stamp = message.header.stamp.sec * NS + message.header.stamp.nanosec
        numbers = dict(zip(message.name, map(float, message.position), strict=False))
        try:
            return *step_message.from_numbers(numbers, stamp), stamp
        except (KeyError, ValueError) as error:
            raise BagError(
                f"bag '{self.bag.folder}': topic '{STEP.name}' at {stamp} ns: {error} is missing or makes no "
                "sense; it was recorded by another version"
            ) from error


class _Observations:
    """Recorded messages by topic and stamp, and the observation that a step made of them."""

    def __init__(self, robot: Replayed) -> None:
        self._robot, self.topics = robot, robot.topics
        self._decode = decoder()
        self._kept: dict[str, dict[int, Message]] = {name: {} for name in self.topics}
        self._order: deque[tuple[int, str, int]] = deque()
        self._last: tuple[step_message.View, dict[str, Any]] | None = None

    def offer(self, topic: str, message: Message) -> None:
        """Keeps a message for some seconds."""
        stamp = stamp_of(message)
        self._kept[topic][stamp] = message
        self._order.append((message.log_ns, topic, stamp))
        while self._order and message.log_ns - self._order[0][0] > KEPT_NS:
            _, old_topic, old_stamp = self._order.popleft()
            self._kept[old_topic].pop(old_stamp, None)

    def observe(self, view: step_message.View) -> dict[str, Any]:
        """The observation. The one after a step is mostly the one before the next: it is made once."""
        if self._last and self._last[0] == view:
            return self._last[1]
        values = {topic: self._message(topic, stamp) for topic, stamp in view.stamps_ns.items()}
        obs = self._robot.observe(values, view.extra)
        self._last = view, obs
        return obs

    def _message(self, topic: str, stamp: int) -> Any:
        found = self._kept.get(topic, {}).get(stamp)
        if found is None:
            raise SensorError(f"{topic}: the message of {stamp} ns was not recorded")
        return self._decode(found)


class _Replay:
    """One life of an actor: its recorder, fed with what the bag says."""

    def __init__(self, spec: EnvSpec, stream: Stream) -> None:
        self._recorder, self.stream = EpisodeRecorder(spec), stream
        self._t_obs_ns: list[int] = []
        self.step = -1
        self._episode: int | None = None

    def add(
        self, note: StepNote, before: dict[str, Any], after: dict[str, Any] | None
    ) -> tuple[Stream, np.ndarray, np.ndarray]:
        """Records a step; returns what is complete."""
        if self._episode != note.episode or note.step != self.step + 1:
            self._recorder.begin(before, note.t_obs_ns)
        self._t_obs_ns.append(note.t_obs_ns)
        decision = Decision(
            note.action, note.t_act_ns, note.wall_s, note.policy_action, note.source, note.policy_version
        )
        self.step, self._episode = note.step, note.episode
        if after is None or note.flags & Flag.ABORTED:
            self._recorder.abort(decision)
            self._episode = None
        else:
            terminated, truncated = (bool(note.flags & f) for f in (Flag.TERMINATED, Flag.TRUNCATED))
            success = bool(note.flags & Flag.SUCCESS)
            outcome = Outcome(after, note.reward, terminated, truncated, note.t_obs_ns, success)
            if self._recorder.add(decision, outcome) is not None:
                self._episode = None
        return self._take()

    def interrupt(self) -> None:
        """Something is missing here: what follows is another episode's."""
        self._recorder.cut()
        self._episode = None

    def end(self) -> tuple[Stream, np.ndarray, np.ndarray]:
        """What is left."""
        self._recorder.cut()
        return self._take()

    def _take(self) -> tuple[Stream, np.ndarray, np.ndarray]:
        steps, finals = self._recorder.take()
        steps["t_obs_ns"] = self._t_obs_ns[: len(steps)]
        del self._t_obs_ns[: len(steps)]
        return self.stream, steps, finals


def stamp_of(message: Message) -> int:
    """The header stamp in a message's bytes, ns: its first field, behind four bytes of encapsulation."""
    order: Literal["little", "big"] = "little" if message.data[1] & 1 else "big"
    sec = int.from_bytes(message.data[4:8], order, signed=True)
    return sec * NS + int.from_bytes(message.data[8:12], order)


def _stream(bag: Bag, stamp: int) -> Stream:
    return Stream("bag", f"{zlib.crc32(bag.folder.name.encode()):08x}{stamp & 0xFFFFFFFF:08x}")
