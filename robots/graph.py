"""What runs when a robot is up: the one description of its processes, for `sandlot up` and for `ros2 launch`.

    driver <- gate <- actor <- learner,  and when asked for: joy (a person's hands), recorder

Nothing here imports ROS or starts anything.
"""

import dataclasses
import pathlib
import sys
from importlib import resources
from typing import Annotated, Any, Literal

import tyro
import yaml

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import registry

Kind = Literal["arm"]
Device = Literal["sim", "franka", "topics", "dynamixel"]
Teleop = Literal["none", "keyboard", "gamepad", "spacemouse", "page"]
DEVICES = ("keyboard", "gamepad", "spacemouse")
"""Of these, those that a joy node reads."""

OPERATOR_TIMEOUT_S = 0.15
"""With teleoperation somebody watches: the gate stops when their device has been silent for this long."""
LEARNER_NICE = 5
BAGS = "bags"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpConfig:
    """A robot with everything that drives it.

    Attributes:
        kind: which robot.
        robot: what stands behind the driver: `sim` (MuJoCo in real time), or the device of a real one.
        task: what it practises; the gate keeps this task's limits.
        learner: learn: start a learner, and an actor that steps the task. Without, only the robot is up, for
            `sandlot actor`, `sandlot demos` or your own nodes.
        demos_file: demonstrations (a run store, from `sandlot demos`) that a new run starts with; without,
            the scripted expert records some in simulation, for `robot sim` only.
        connect: HOST:PORT of a learner on another machine; then only the actor is started here.
        keys: folder made by `sandlot keys`, for a learner on another machine.
        teleop: what a person takes over with; the gate then stops the robot when that device falls silent.
            `page`: nobody takes over, and only `sandlot console` says how an episode ended.
        record: write every topic to a bag in the run folder.
        camera: cameras of the robot to observe with, e.g. `wrist side`.
        camera_file: what those cameras are (`sandlot cameras`): on a real robot each gets a process of its
            own that publishes it; in simulation their crops are used.
        run: name of the folder under `runs/`, or a path; `up-KIND-TASK`, or `up-KIND` without a
            learner, when empty.
        seed: of everything random.
        params: your own ROS 2 parameter file, over the package's `config/KIND.yaml` and
            `config/KIND_ROBOT.yaml`.
    """

    kind: tyro.conf.Positional[Kind]
    robot: Device = "sim"
    task: str = "arm_pick"
    learner: bool = True
    demos_file: str = ""
    connect: str = ""
    keys: str = ""
    teleop: Teleop = "none"
    record: bool = False
    camera: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    camera_file: str = ""
    run: str = ""
    seed: int = 0
    params: str = ""

    def __post_init__(self) -> None:
        if self.keys and not self.connect:
            raise ConfigError("--keys is for a learner on another machine; name it with --connect HOST:PORT")
        if len(set(self.camera)) < len(self.camera):
            raise ConfigError(f"--camera names one twice: {', '.join(self.camera)}")
        if self.camera_file and not self.camera:
            raise ConfigError("--camera-file says what cameras are; name those to use, e.g. --camera wrist")

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One process of the graph.

    Attributes:
        name: unique; its log file has this name.
        module: what Python runs, `sandlot` for a command of ours.
        arguments: of the module, without what only ROS reads.
        node: full ROS name, empty when the process is no node of ours.
        params_files: where the node's ROS parameters are.
        parameters: ROS parameters that go before those.
        lifecycle: whether the node has states to ask for.
        nice: added to its nice value.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    node: str = ""
    params_files: tuple[pathlib.Path, ...] = ()
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    lifecycle: bool = False
    nice: int = 0

    @property
    def python(self) -> tuple[str, ...]:
        """How its module is run."""
        return (sys.executable, "-m", self.module)

    def argv(self) -> list[str]:
        """The whole command line, as a supervisor starts it."""
        argv = ["nice", "-n", str(self.nice)] if self.nice else []
        argv += [*self.python, *self.arguments]
        if not self.node:
            return argv
        namespace, _, name = self.node.rpartition("/")
        argv += ["--ros-args", "-r", f"__ns:={namespace}", "-r", f"__node:={name}"]
        for file in self.params_files:
            argv += ["--params-file", str(file)]
        for key, value in self.parameters.items():
            argv += ["-p", f"{key}:={_yaml_word(value)}"]
        return argv


def nodes(config: UpConfig, folder: pathlib.Path, port: int) -> tuple[NodeSpec, ...]:
    """Every process, in the order of their start; they are ended in the reverse one.

    Args:
        config: what was asked for.
        folder: of the run.
        port: where the learner listens, when there is one.
    """
    specs = [driver(config), gate(config), *cameras(config)]
    if config.teleop in DEVICES:
        specs.append(_node(config, "joy", "sandlot.robots.teleop.joy_node", device=config.teleop))
    if config.record:
        specs.append(recorder(config, folder))
    if config.robot == "sim":
        keeps = ("gate", "arm", "--keep", "--robot", config.kind)
        specs.append(NodeSpec(name="arming", module="sandlot", arguments=keeps))
    if config.learns_here:
        specs.append(learner(config, folder, port))
    if config.learner:
        specs.append(actor(config, folder, config.connect or f"127.0.0.1:{port}"))
    return tuple(specs)


def driver(config: UpConfig) -> NodeSpec:
    """The node around the device."""
    spec = _node(
        config,
        "driver",
        f"sandlot.robots.{config.kind}.{config.kind}_node",
        device=config.robot,
        task=config.task,
        cameras=config.camera,
        camera_file=config.camera_file if config.robot == "sim" else "",
    )
    common, *own = config.params_files
    return dataclasses.replace(spec, lifecycle=True, params_files=(common, config.device_file, *own))


def gate(config: UpConfig) -> NodeSpec:
    """The last thing before the driver. On hardware an e-stop has to be wired, and a person arms it."""
    return _node(
        config,
        "gate",
        f"sandlot.robots.{config.kind}.gate_node",
        task=config.task,
        require_estop=config.robot != "sim",
        operator_timeout_s=OPERATOR_TIMEOUT_S if config.teleop in DEVICES else 0.0,
    )


def cameras(config: UpConfig) -> list[NodeSpec]:
    """The robot's cameras, one process each. A simulated robot draws its own."""
    names = config.camera if config.camera_file and config.robot != "sim" else ()
    module = "sandlot.robots.cameras.camera_node"
    return [_node(config, f"camera_{n}", module, file=config.camera_file, camera=n) for n in names]


def recorder(config: UpConfig, folder: pathlib.Path) -> NodeSpec:
    """Writes bags into the run's folder."""
    return _node(
        config,
        "recorder",
        "sandlot.robots.recording.recorder_node",
        folder=str((folder / BAGS).absolute()),
        task=config.task,
        cameras=config.camera,
    )


def learner(config: UpConfig, folder: pathlib.Path, port: int) -> NodeSpec:
    """Learns from what the actor sends; everything else is in the run's config."""
    run = str(folder) if "/" in str(folder) else f"./{folder}"
    arguments = ("learner", config.task, "--run", run, "--port", str(port))
    return NodeSpec(name="learner", module="sandlot", arguments=arguments, nice=LEARNER_NICE)


def actor(config: UpConfig, folder: pathlib.Path, address: str) -> NodeSpec:
    """Steps the task on the robot."""
    flags = {
        "robot": "ros",
        "learner": address,
        "pace": "realtime",
        "seed": str(config.seed),
        "spool": str(folder / "spool" / "actor-0"),
        **({"keys": config.keys} if config.keys else {}),
    }
    arguments = ("actor", config.task, *(word for k, v in flags.items() for word in (f"--{k}", v)))
    arguments += ("--cameras", *config.camera) if config.camera else ()
    arguments += ("--teleop", "joy") if config.teleop != "none" else ()
    return NodeSpec(name="actor", module="sandlot", arguments=arguments)


def config_folder() -> pathlib.Path:
    """Where parameter files lie, in the source tree or installed."""
    return pathlib.Path(str(resources.files("sandlot") / "config"))


def check_parameters(config: UpConfig) -> None:
    """Refuses a parameter file that cannot be read, or that ROS would silently ignore a part of."""
    for file in (config.device_file, *config.params_files):
        _check_file(file, parameter_nodes(config.kind))
    if config.camera_file:
        registry.pick_all(config.camera_file, config.camera)


def _check_file(file: pathlib.Path, known: tuple[str, ...]) -> None:
    try:
        sections = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"parameter file '{file}' cannot be read: {error.strerror}; see --params"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"parameter file '{file}' is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(sections, dict):
        raise ConfigError(
            f"parameter file '{file}' must map node names to parameters, as config/arm.yaml does"
        )
    for name, section in sections.items():
        if name not in (*known, "/**"):
            raise ConfigError(
                f"parameter file '{file}': there is no node '{name}'; there are: {', '.join(known)}"
            )
        if not isinstance(section, dict) or not isinstance(section.get("ros__parameters"), dict):
            raise ConfigError(f"parameter file '{file}': '{name}' lacks its key 'ros__parameters'")


def parameter_nodes(kind: Kind) -> tuple[str, ...]:
    """Every node of ours that a parameter file may name, whether it is started or not."""
    every = UpConfig(kind=kind, teleop="gamepad", record=True)
    return tuple(spec.node for spec in nodes(every, pathlib.Path("runs"), 1) if spec.node)


def _node(config: UpConfig, name: str, module: str, **parameters: Any) -> NodeSpec:
    given = {k: v for k, v in parameters.items() if v not in ((), "")}  # ROS cannot type an empty list
    return NodeSpec(
        name=name,
        module=module,
        node=f"{config.namespace}/{name}",
        params_files=config.params_files,
        parameters=given,
    )


def _yaml_word(value: Any) -> str:
    """A parameter's value as ROS reads it from a command line."""
    shown = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(shown, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
