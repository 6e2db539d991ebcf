"""What an actor is told of its env and its pace. It imports no JAX, so an actor need not either."""

import dataclasses
from typing import Annotated, Any, Literal

import tyro

from sandlot.learners.errors import ConfigError

Pace = Literal["learner", "realtime", "free"]
Stale = Literal["continue", "stop"]
Robot = Literal["sim", "ros"]
Teleop = Literal["none", "joy", "scripted"]

IMAGE_PX = 16, 1024
"""The least and the most that may be asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """Which env an actor steps.

    Attributes:
        cameras: cameras to observe with, e.g. `wrist side`; none means state only.
        image_px: width and height of their frames; 0 means the task's default of 128.
        camera_file: the file with the crops of simulated cameras (see `sandlot cameras`); a real camera is
            cropped where it is published.
        randomize: draw dynamics, latency, sensor noise and look anew at every reset.
        mjcf: an MJCF file of another arm instead of the built-in one.
        course: the file with a car's course (see `sandlot course`); without one, a simulated car's scripted
            driver drives one slow lap for it.
        practice: settings of a car's practice machine, e.g. `collision_mps2=15 recovery=false`.
        robot: `sim`: in this process; `ros`: the one whose nodes run, as `sandlot up ROBOT` starts them.
        teleop: who may take over: `joy`, a person whose hands a joy node publishes, only with `--robot ros`;
            `scripted`, a scripted person who knows the task's expert, only with `--robot sim`.
        person: settings of the scripted person, e.g. `patience_steps=4 correction_steps=4`.
        classifier: a trained reward classifier (see `sandlot classifier`), whose word on the cameras' frames
            is then the reward, and ends a trial.
        encoder: a trained encoder (see `sandlot pretrain`), frozen: its features of the cameras' frames are
            then observed and stored in place of the frames.
    """

    cameras: tuple[str, ...] = ()
    image_px: int = 0
    camera_file: str = ""
    randomize: bool = False
    mjcf: str = ""
    course: str = ""
    practice: tuple[str, ...] = ()
    robot: Robot = "sim"
    teleop: Teleop = "none"
    person: tuple[str, ...] = ()
    classifier: str = ""
    encoder: str = ""

    def __post_init__(self) -> None:
        for name in ("randomize", "mjcf", "camera_file"):
            if self.robot == "ros" and getattr(self, name):
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is for simulated robots; leave it out with --robot ros")
        if self.teleop == "joy" and self.robot != "ros":
            raise ConfigError(
                f"--teleop joy needs --robot ros; this is --robot {self.robot}: choose --teleop scripted"
            )
        if self.teleop == "scripted" and self.robot == "ros":
            raise ConfigError(
                "--teleop scripted is for --robot sim; on ROS a scripted person is a device of its own: "
                "`sandlot up ROBOT --teleop scripted`, and --teleop joy here"
            )
        if self.person and self.teleop != "scripted":
            raise ConfigError("--person is about the scripted person; ask for one with --teleop scripted")
        if len(set(self.cameras)) < len(self.cameras):
            raise ConfigError(f"--cameras names one twice: {', '.join(self.cameras)}")
        if self.image_px and not IMAGE_PX[0] <= self.image_px <= IMAGE_PX[1]:
            raise ConfigError(
                f"--image-px is {self.image_px}: it must lie in {list(IMAGE_PX)}, or be 0, the task's default"
            )
        for name in ("image_px", "camera_file", "classifier", "encoder"):
            if getattr(self, name) and not self.cameras:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is about cameras; name them, e.g. --cameras wrist side")

    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments for `sandlot.learners.envs.make`, only those that were set."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v and v not in ("sim", "none")}

    def alone(self) -> "EnvConfig":
        """The same without anybody who takes over: for evaluation and for scripted demonstrations."""
        return dataclasses.replace(self, teleop="none", person=())


EnvArgs = Annotated[EnvConfig, tyro.conf.arg(name="")]
"""An EnvConfig whose flags have no prefix: `--cameras`, not `--env.cameras`."""
