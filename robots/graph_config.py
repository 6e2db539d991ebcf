"""What is asked of a robot's graph: the flags of `sandlot up`, which are the arguments of `ros2 launch`."""

import dataclasses
import pathlib
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import tyro

from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.turns import TurnConfig
from sandlot.robots import kinds
from sandlot.robots.kinds import DEVICES, KINDS

if TYPE_CHECKING:
    Kind: TypeAlias = str
    Device: TypeAlias = str
else:  # choices, for command line and launch
    Kind, Device = Literal[tuple(KINDS)], Literal[DEVICES]
Teleop = Literal["none", "keyboard", "gamepad", "spacemouse", "scripted", "page"]
HANDS = ("keyboard", "gamepad", "spacemouse", "scripted")
"""Of these, those that somebody has to be heard through."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpConfig:
    """A robot with everything that drives it.

    Attributes:
        kind: which robot.
        robot: what stands behind the driver: `sim` (MuJoCo in real time), or the device of a real one.
        task: what it practises, by default the robot's simplest; the gate keeps this task's limits.
        learner: learn: start a learner, and an actor that steps the task. Without, only the robot is up, for
            `sandlot actor`, `sandlot demos` or your own nodes.
        demos_file: demonstrations (a run store, from `sandlot demos`) that a new run starts with; without,
            the scripted expert records some in simulation, for `robot sim` only.
        connect: HOST:PORT of a learner on another machine; then only the actor is started here.
        keys: folder made by `sandlot keys`, for a learner on another machine.
        teleop: what a person takes over with; the gate then stops the robot when that device falls silent.
            `scripted`: a scripted person who knows the task's expert; `page`: nobody takes over, and only
            `sandlot console` says how an episode ended.
        record: write every topic to a bag in the run folder.
        in_turn: where the task has a reverse (`arm_relocate`), practise both in turn, with no reset between;
            the run of the other one is called after this one, with `_back`.
        back_demos_file: demonstrations of the reverse task, as `demos_file`.
        back_connect: HOST:PORT of the reverse task's learner on another machine.
        tries: failures in a row before the other direction, and then the reset controllers, have a go.
        call_after: trials in a row without a success before a person is called; 0 means never.
        autoreset: let the task's reset controllers set up every trial of one task but the first.
        camera: cameras of the robot to observe with, e.g. `wrist side`.
        camera_file: what those cameras are (`sandlot cameras`): on a real robot each gets a process of its
            own that publishes it; in simulation their crops are used.
        course: file of the course that a car drives (`sandlot course`).
        image_px: width and height of the frames that are learned from; 0 means the task's default of 128.
        classifier: a trained reward classifier (`sandlot classifier`), whose word is then the reward.
        back_classifier: one of the reverse task.
        run: name of the folder under `runs/`, or a path; `up-KIND-TASK`, or `up-KIND` without a
            learner, when empty.
        seed: of everything random.
        params: your own ROS 2 parameter file, over the package's `config/KIND.yaml` and
            `config/KIND_ROBOT.yaml`.
    """

    kind: tyro.conf.Positional[Kind]
    robot: Device = "sim"
    task: str = ""
    learner: bool = True
    demos_file: str = ""
    connect: str = ""
    keys: str = ""
    teleop: Teleop = "none"
    record: bool = False
    in_turn: bool = True
    back_demos_file: str = ""
    back_connect: str = ""
    tries: int = 3
    call_after: int = 50
    autoreset: bool = False
    camera: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    camera_file: str = ""
    course: str = ""
    image_px: int = 0
    classifier: str = ""
    back_classifier: str = ""
    run: str = ""
    seed: int = 0
    params: str = ""

    def __post_init__(self) -> None:
        kinds.check(self.kind, self.robot, self.teleop)
        if not self.task:
            object.__setattr__(self, "task", KINDS[self.kind].task)
        if self.keys and not self.connect:
            raise ConfigError("--keys is for a learner on another machine; name it with --connect HOST:PORT")
        if len(set(self.camera)) < len(self.camera):
            raise ConfigError(f"--camera names one twice: {', '.join(self.camera)}")
        if self.camera_file and not self.camera:
            raise ConfigError("--camera-file says what cameras are; name those to use, e.g. --camera wrist")
        for name in ("image_px", "classifier", "back_classifier"):
            if getattr(self, name) and not self.camera:
                raise ConfigError(f"--{_flag(name)} is about cameras; name those to use, e.g. --camera wrist")
        if self.autoreset and not self.learner:
            raise ConfigError("--autoreset is for trials of a learner; leave it out with --no-learner")
        self._check_turns()
        self.env.kwargs()  # refuses what no env takes

    def _check_turns(self) -> None:
        """Raises ConfigError for flags of two tasks in turn that say nothing here."""
        TurnConfig(self.tries, self.call_after).check()
        if self.back_connect and not self.connect:
            raise ConfigError(
                "--back-connect is the second of two learners elsewhere; name the first one with --connect"
            )
        for name in ("back_connect", "back_demos_file", "back_classifier"):
            both = self.learns_here or self.back_connect
            if getattr(self, name) and not (self.in_turn and both):
                raise ConfigError(f"--{_flag(name)} is for two tasks that are learned in turn; leave it out")

    @property
    def env(self) -> EnvConfig:
        """How the actor sees the robot."""
        return EnvConfig(
            robot="ros",
            cameras=self.camera,
            image_px=self.image_px,
            course=self.course,
            classifier=self.classifier,
            teleop="joy" if self.teleop != "none" else "none",
        )

    @property
    def learns_here(self) -> bool:
        """Whether the learner is one of our processes."""
        return self.learner and not self.connect

    @property
    def namespace(self) -> str:
        """Where the robot's topics and nodes are."""
        return f"/{self.kind}"

    @property
    def run_name(self) -> str:
        """The run's name or path."""
        return self.run or (f"up-{self.kind}-{self.task}" if self.learns_here else f"up-{self.kind}")

    @property
    def params_files(self) -> tuple[pathlib.Path, ...]:
        """Every node's parameter files; a later one goes before an earlier one."""
        ours = config_folder() / f"{self.kind}.yaml"
        return (ours, pathlib.Path(self.params).absolute()) if self.params else (ours,)

    @property
    def device_file(self) -> pathlib.Path:
        """The driver's parameter file for its device."""
        return config_folder() / f"{self.kind}_{self.robot}.yaml"


def _flag(name: str) -> str:
    """A field's flag, without the dashes in front."""
    return name.replace("_", "-")


def config_folder() -> pathlib.Path:
    """Where parameter files lie, in the source tree or installed."""
    return pathlib.Path(str(resources.files("sandlot") / "config"))
