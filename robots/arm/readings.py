"""From the arm's topics to a reading: which sources there are and what they mean together.

The same code reads live and recorded messages; nothing here knows a node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandlot.perception.cameras.view import fit
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.spec import ArmReading, Command, Pose
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_check, frame_of
from sandlot.robots.observer import Observer, Source
from sandlot.robots.protocol import Camera

TOGETHER = tuple(t.name for t in topics.STATE)
"""What the driver stamps with one instant."""


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old what is acted on may be.

    A cycle of the robot finds a fault at its next observation, one control period (0.1 s) later at most: with
    these limits a silent source is found within 0.25 s and a frozen one within 0.45 s.

    Attributes:
        state_s: of what the driver and trackers publish.
        image_s: of frames.
        frozen_s: the content of joints and frames must change at least this often: no encoder and no camera
            gives the same bits twice for so long.
    """

    state_s: float = 0.15
    image_s: float = 0.15
    frozen_s: float = 0.35


def observer(
    objects: Sequence[str],
    cameras: Mapping[str, Camera],
    limits: Freshness,
    latency_s: Mapping[str, float],
) -> Observer:
    """What watches the arm's topics.

    Args:
        objects: tracked objects that the task needs.
        cameras: cameras that are observed and their size in an observation.
        limits: how old each may be.
        latency_s: a topic's declared latency; 0 for those not named.
    """

    def source(topic: str, limit_s: float, **also: Any) -> Source:
        return Source(topic=topic, limit_s=limit_s, latency_s=latency_s.get(topic, 0.0), **also)

    joints = topics.JOINT_STATES.name
    state = [source(joints, limits.state_s, frozen_s=limits.frozen_s)]
    state += [source(t.name, limits.state_s) for t in topics.STATE if t.name != joints]
    tracked = [source(topics.object_pose(o).name, limits.state_s, check=_pose_check) for o in objects]
    frames = [
        source(
            topics.image(name).name,
            limits.image_s,
            frozen_s=limits.frozen_s,
            check=frame_check(shape[:2]),
        )
        for name, shape in cameras.items()
    ]
    return Observer([*state, *tracked, *frames], together=TOGETHER)


def _pose_check(message: Any) -> str:
    fault = ros_messages.pose_fault(message)
    return f"the pose cannot be used: {fault.replace('_', ' ')}; it must be in frame 'base'" if fault else ""


def content(message: Any) -> Any:
    """What a message says, without its stamp: compared to find a frozen source."""
    if hasattr(message, "data"):
        return message.data
    return (tuple(message.position), tuple(message.velocity), tuple(message.effort))


def reading(values: Mapping[str, Any], command: Command, known: Mapping[str, Pose]) -> ArmReading:
    """What the arm knows at one instant.

    Args:
        values: newest message by topic.
        command: the command in force.
        known: objects that no topic tells of.

    Raises:
        SensorError: a number is missing or not finite.
    """
    joints_rad, _, width_m = ros_messages.joints_from(values[topics.JOINT_STATES.name])
    velocity, angular = ros_messages.twist_from(values[topics.TOOL_TWIST.name])
    force, torque = ros_messages.wrench_from(values[topics.WRENCH.name])
    prefix = topics.object_pose("").name
    tracked = {n.removeprefix(prefix): _pose(n, m) for n, m in values.items() if n.startswith(prefix)}
    for name, numbers in (("tool_twist", (*velocity, *angular)), ("joint_states", joints_rad)):
        if not np.isfinite(numbers).all():
            raise SensorError(f"{name}: {numbers} holds a number that is not finite; check the driver")
    return ArmReading(
        tool=_pose(topics.TOOL_POSE.name, values[topics.TOOL_POSE.name]),
        velocity_mps=velocity,
        angular_radps=angular,
        joints_rad=joints_rad,
        width_m=width_m if np.isfinite(width_m) else 0.0,  # an arm without a gripper
        force_n=_sensed(force),
        torque_nm=_sensed(torque),
        command=command,
        objects={**tracked, **known},
    )


def images(values: Mapping[str, Any], cameras: Mapping[str, Camera]) -> dict[str, np.ndarray]:
    """The newest frame of each camera in its size, fresh arrays."""
    return {name: fit(frame_of(values[topics.image(name).name]), s) for name, s in cameras.items()}


def pose_numbers(pose: Pose) -> tuple[float, ...]:
    """Position and matrix, row by row: 12 numbers that bring back every bit, which a quaternion does not."""
    return (*map(float, pose.position_m), *map(float, pose.rotation.ravel()))


def pose_of(numbers: Sequence[float]) -> Pose:
    """The inverse of `pose_numbers`."""
    return Pose(np.array(numbers[:3], float), np.array(numbers[3:12], float).reshape(3, 3))


def _pose(topic: str, message: Any) -> Pose:
    fault = ros_messages.pose_fault(message)
    if fault:
        raise SensorError(f"{topic}: the pose cannot be used: {fault.replace('_', ' ')}; check the driver")
    return ros_messages.pose_from(message)


def _sensed(vector: np.ndarray) -> np.ndarray:
    """Zeros for an arm that does not sense forces, as simulation has them in free space."""
    return vector if np.isfinite(vector).all() else np.zeros(3)
