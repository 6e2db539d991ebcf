"""What `sandlot classifier` is asked: the flags of its actions, and which of them cannot be."""

import dataclasses
import math
from typing import Annotated

import tyro

from sandlot.learners.env_config import EnvArgs, EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.perception.classifier.practise import NOISE
from sandlot.perception.classifier.train import LearnConfig

Words = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collect:
    """Label frames and keep them in a data set.

    A task's name plays its scripted expert in simulation, with noise and failures, and the simulator labels.
    A folder is a run or demonstrations, recorded with cameras: the last frames of successes show success.

    Attributes:
        sources: tasks to play, and folders to read.
        episodes: how many to play of each task.
        seed: episode k starts from seed + k.
        noise: the expert's noise, from none up to this; less for tasks of fractions of a millimetre.
        policy: a run whose policy plays a task in the expert's place: what it learned to do to a classifier's
            eyes is then labelled as what it is.
        out: the classifier's folder; `classifiers/TASK` when empty.
        classes: from the start of the task to its success; one flag each, when there are stages.
        label: every frame of the folders is of this class, whatever they say.
        before: frames before the last one of a success that show it as well.
        close: frames before those that count as hard, and are learned from twice as often.
        env: the env's settings, for tasks.
        json: end with one line of JSON.
    """

    sources: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="TASK|FOLDER ...")]
    episodes: int = 40
    seed: int = 0
    noise: float = NOISE
    policy: str = ""
    out: str = ""
    classes: Words = ()
    label: str = ""
    before: int = 0
    close: int = 8
    env: EnvArgs = EnvConfig()
    json: bool = False

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.seed < 0 or not 0 <= self.noise < math.inf:
            raise ConfigError(
                f"--episodes {self.episodes} must be at least 1, --seed {self.seed} and --noise "
                f"{self.noise:g} at least 0"
            )
        if self.env.teleop == "scripted":
            raise ConfigError("--teleop scripted is for training: in collect the expert plays; leave it out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Learn from a classifier's data; goes on from its file when there is one.

    Attributes:
        folder: the classifier's folder, such as `classifiers/arm_pick`.
        fresh: start from new weights although there is a file.
        learn: how to learn.
        json: end with one line of JSON.
    """

    folder: tyro.conf.Positional[str]
    fresh: bool = False
    learn: Annotated[LearnConfig, tyro.conf.arg(name="")] = LearnConfig()
    json: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Measure a classifier on the held-out episodes of its data, or of another's.

    Attributes:
        folder: the classifier's folder.
        data: another data set, cut by the same rule: only its test episodes are looked at.
        json: end with one line of JSON.
    """

    folder: tyro.conf.Positional[str]
    data: str = ""
    json: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relabel:
    """List the frames that a classifier was not sure of; with `--label`, say what they show.

    Attributes:
        folder: the classifier's folder.
        label: the class of the named frames.
        frames: which; the end of a name is enough. One flag each.
        json: end with one line of JSON.
    """

    folder: tyro.conf.Positional[str]
    label: str = ""
    frames: Words = ()
    json: bool = False

    def __post_init__(self) -> None:
        if bool(self.label) != bool(self.frames):
            raise ConfigError(
                f"--label '{self.label}' and --frames '{' '.join(self.frames)}' go together: what the named "
                "frames show; leave both out to list those that wait"
            )
