"""Starts a robot's graph: the processes of `sandlot up`, from the same description (sandlot.robots.graph).

    ros2 launch sandlot robot.launch.py kind:=arm robot:=sim

Every argument is a field of `UpConfig`; `arm.launch.py` fills in the kind. A process that crashed is started
again (a gate comes back disarmed); one that was refused ends the launch, its last line says why.
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node

from sandlot.learners.process import USAGE_EXIT
from sandlot.robots import graph, ros_env, shared_memory
from sandlot.robots.graph_arguments import arguments, from_texts
from sandlot.robots.graph_config import UpConfig
from sandlot.robots.graph_run import open_runs

RESPAWN_S = 1.0


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the processes they ask for."""
    declared = [
        DeclareLaunchArgument(
            a.name, default_value=a.default, choices=list(a.choices) or None, description=a.description
        )
        for a in arguments()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=processes)])


def processes(context: LaunchContext) -> list[Action]:
    """Every process of the graph, in order."""
    config = from_texts({a.name: context.launch_configurations[a.name] for a in arguments()})
    graph.check_parameters(config)
    shared_memory.clean()
    runs = open_runs(config).absolute()
    environment: dict[str, str] = dict(os.environ)
    ros_env.prepare(environment)
    settings = [SetEnvironmentVariable(n, environment[n]) for n in (ros_env.PROFILE, ros_env.DISCOVERY)]
    specs = graph.nodes(config, *runs)
    refused = RegisterEventHandler(OnProcessExit(on_exit=when_refused))
    return [*settings, refused, *(process(spec, config) for spec in specs)]


def process(spec: graph.NodeSpec, config: UpConfig) -> Action:
    """One process; a node of ours is a launch_ros node, so that an including file can remap its topics."""
    again = {"respawn": True, "respawn_delay": RESPAWN_S, "output": "both"}
    if not spec.node:
        return ExecuteProcess(cmd=spec.argv(), name=spec.name, **again)
    return Node(
        executable=spec.python[0],
        arguments=[*spec.python[1:], *spec.arguments],
        name=spec.name,
        exec_name=spec.name,
        namespace=config.namespace,
        parameters=[*map(str, spec.params_files), spec.parameters],
        **again,
    )


def when_refused(event: ProcessExited, _: LaunchContext) -> Action | None:
    """Ends everything when a process was refused: starting it again would be refused again."""
    if event.returncode != USAGE_EXIT:
        return None
    return EmitEvent(event=Shutdown(reason=f"{event.process_name} was refused, its last line says why"))
