"""From the car's topics to a reading: which sources there are and what they mean together.

The same code reads live and recorded messages; nothing here knows a node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandlot.perception.cameras.view import fit
from sandlot.robots.car import ros_messages, topics
from sandlot.robots.car.spec import CarCommand, CarReading
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_check, frame_of
from sandlot.robots.observer import Observer, Source
from sandlot.robots.protocol import Camera
from sandlot.robots.topics import image


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old what is acted on may be.

    Attributes:
        state_s: of odometry, inertial sensor, wheels and battery.
        image_s: of frames.
        frozen_s: the content of inertial sensor and frames must change at least this often.
    """

    state_s: float = 0.2
    image_s: float = 0.2
    frozen_s: float = 0.35


def observer(cameras: Mapping[str, Camera], limits: Freshness, latency_s: Mapping[str, float]) -> Observer:
    """What watches the car's topics; `latency_s` declares a topic's latency, 0 for those not named."""

    def source(topic: str, limit_s: float, **also: Any) -> Source:
        return Source(topic=topic, limit_s=limit_s, latency_s=latency_s.get(topic, 0.0), **also)

    state = [source(t.name, limits.state_s) for t in topics.STATE if t is not topics.IMU]
    state.append(source(topics.IMU.name, limits.state_s, frozen_s=limits.frozen_s))
    frames = [
        source(image(name).name, limits.image_s, frozen_s=limits.frozen_s, check=frame_check(shape[:2]))
        for name, shape in cameras.items()
    ]
    return Observer([*state, *frames])


def content(message: Any) -> Any:
    """What a message says, without its stamp: compared to find a frozen source."""
    if hasattr(message, "data"):
        return message.data
    a, w = message.linear_acceleration, message.angular_velocity
    return (a.x, a.y, a.z, w.x, w.y, w.z)


def reading(values: Mapping[str, Any], command: CarCommand, jolt_mps2: float) -> CarReading:
    """What the car knows at one instant.

    Args:
        values: newest message by topic.
        command: what it was told last.
        jolt_mps2: the strongest horizontal acceleration since the reading before.

    Raises:
        SensorError: a number is missing or not finite.
    """
    odometry = ros_messages.odometry_from(values[topics.ODOM.name])
    inertial = ros_messages.imu_from(values[topics.IMU.name])
    wheels = ros_messages.wheels_from(values[topics.WHEELS.name])
    said = {
        topics.ODOM.name: [*odometry.position_m, odometry.heading_rad, *odometry.velocity_mps],
        topics.IMU.name: [*inertial.accel_mps2, *inertial.gyro_radps],
        topics.WHEELS.name: [wheels.get("speed", np.nan)],
        topics.BATTERY.name: [values[topics.BATTERY.name].voltage],
    }
    for topic, numbers in said.items():
        if not np.isfinite(numbers).all():
            raise SensorError(
                f"{topic}: {np.round(numbers, 3).tolist()} must be numbers; is its sensor there?"
            )
    return CarReading(
        stamp_s=odometry.stamp_s,
        position_m=odometry.position_m,
        heading_rad=odometry.heading_rad,
        velocity_mps=odometry.velocity_mps,
        yaw_rate_radps=odometry.yaw_rate_radps,
        accel_mps2=inertial.accel_mps2,
        jolt_mps2=jolt_mps2,
        wheel_mps=wheels["speed"],
        battery_v=float(values[topics.BATTERY.name].voltage),
        command=command,
    )


def images(values: Mapping[str, Any], cameras: Mapping[str, Camera]) -> dict[str, np.ndarray]:
    """The frames of an observation, uint8 [H, W, 3]."""
    return {name: fit(frame_of(values[image(name).name]), shape) for name, shape in cameras.items()}
