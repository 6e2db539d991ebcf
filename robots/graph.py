"""What runs when a robot is up: the one description of its processes, for `sandlot up` and for `ros2 launch`.

    driver <- gate <- actor <- learner,  and when asked for: joy (a person's hands), hands, recorder

Two tasks in turn have a learner each and share the actor.

Nothing here imports ROS or starts anything.
"""

import dataclasses
import pathlib
import sys
from typing import Any, NamedTuple

import yaml

from sandlot.learners.command_lines import env_argv, run_flag
from sandlot.learners.errors import ConfigError
from sandlot.learners.transport.address import check_address
from sandlot.perception.cameras import registry
from sandlot.robots.graph_config import HANDS, Kind, UpConfig
from sandlot.robots.kinds import KINDS, reverse_of

OPERATOR_TIMEOUT_S = 0.15
"""With teleoperation somebody watches: the gate stops when their device has been silent for this long."""
LEARNER_NICE = 5
BAGS = "bags"


class Back(NamedTuple):
    """The reverse task, where two are learned in turn: its run, and the port of its learner."""

    task: str
    folder: pathlib.Path
    port: int


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


def nodes(
    config: UpConfig, folder: pathlib.Path, port: int, back: Back | None = None
) -> tuple[NodeSpec, ...]:
    """Every process, in the order of their start; they are ended in the reverse one.

    Args:
        config: what was asked for.
        folder: of the run.
        port: where the learner listens, when there is one.
        back: what is practised in turn with the task.
    """
    specs = [driver(config), gate(config), *cameras(config)]
    if config.teleop in HANDS:
        specs.append(joy(config))
        specs += [hands(config)] if KINDS[config.kind].hands else []
    if config.record:
        specs.append(recorder(config, folder))
    if config.robot == "sim":
        keeps = ("gate", "arm", "--keep", "--robot", config.kind)
        specs.append(NodeSpec(name="arming", module="sandlot", arguments=keeps))
    if config.learns_here:
        specs.append(learner("learner", config.task, folder, port))
    if back:
        specs.append(learner("learner_back", *back))
    if config.learner:
        back_address = f"127.0.0.1:{back.port}" if back else config.back_connect
        specs.append(actor(config, folder, config.connect or f"127.0.0.1:{port}", back_address))
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
        operator_timeout_s=OPERATOR_TIMEOUT_S if config.teleop in HANDS else 0.0,
        **dict(KINDS[config.kind].sim_gate if config.robot == "sim" else ()),
    )


def joy(config: UpConfig) -> NodeSpec:
    """A person's hands; a scripted one knows the task's expert."""
    if config.teleop == "scripted":
        return _node(config, "joy", f"sandlot.robots.{config.kind}.person_node", task=config.task)
    return _node(config, "joy", "sandlot.robots.teleop.joy_node", device=config.teleop)


def hands(config: UpConfig) -> NodeSpec:
    """What those hands command, where that is not the actor's business."""
    return _node(config, "hands", f"sandlot.robots.{config.kind}.hands_node")


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
        kind=config.kind,
        folder=str((folder / BAGS).absolute()),
        task=config.task,
        cameras=config.camera,
        image_px=config.image_px,
    )


def learner(name: str, task: str, folder: pathlib.Path, port: int) -> NodeSpec:
    """Learns from what the actor sends; everything else is in the run's config."""
    arguments = ("learner", task, "--run", run_flag(folder), "--port", str(port))
    return NodeSpec(name=name, module="sandlot", arguments=arguments, nice=LEARNER_NICE)


def actor(config: UpConfig, folder: pathlib.Path, address: str, back_address: str = "") -> NodeSpec:
    """Steps the task on the robot; with a second address its reverse in turn."""
    flags = {
        "learner": address,
        "pace": "realtime",
        "seed": str(config.seed),
        "spool": str(folder / "spool" / "actor-0"),
        "keys": config.keys,
    }
    if back_address:
        flags |= {"back-learner": back_address, "back-classifier": config.back_classifier}
        flags |= {"tries": str(config.tries), "call-after": str(config.call_after)}
    arguments = ("actor", config.task, *(word for k, v in flags.items() if v for word in (f"--{k}", v)))
    arguments += (*env_argv(config.env), *(("--autoreset",) if config.autoreset else ()))
    return NodeSpec(name="actor", module="sandlot", arguments=arguments)


def check_parameters(config: UpConfig) -> None:
    """Refuses what a process would refuse once it runs: files, cameras in them, addresses.

    Of a parameter file that is also what ROS would silently ignore.
    """
    for file in (config.device_file, *config.params_files):
        _check_file(file, parameter_nodes(config.kind))
    if config.camera_file and config.robot == "sim":
        reverse = reverse_of(config.kind, config.task)
        registry.pick_simulated(config.camera_file, [t for t in (config.task, reverse) if t], config.camera)
    elif config.camera_file:
        registry.pick_all(config.camera_file, config.camera)
    for address in filter(None, (config.connect, config.back_connect)):
        check_address(f"tcp://{address}", config.keys or None)


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
