"""Where the car is, out of wheels, inertial sensor and GPS: `odom`, for whom nothing better publishes it.

    python -m sandlot.robots.car.estimator_node --ros-args -r __ns:=/car -p origin_deg:="[47.37, 8.54]"

What is known is decided by `estimator`. While the car must not drive by it (no fix yet, GPS lost, the heading
unknown), nothing is published, so that whoever drives by it stops; why is on `/diagnostics` and in the log.
"""

import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node, ros_params
from sandlot.robots.car import estimator, ros_messages, topics
from sandlot.robots.car.estimator import EstimatorConfig, Fix, State
from sandlot.robots.car.geodetic import local_m
from sandlot.robots.ros_diagnostics import OK, WARN, diagnostics
from sandlot.robots.stamps import StampClock, read_clocks
from sandlot.robots.topics import DIAGNOSTICS

log = logging.getLogger(__name__)

NAME = "estimator"
LEAST_M = 0.02
"""No receiver is better."""


@dataclass(frozen=True, kw_only=True)
class EstimatorNodeConfig:
    """Where the course's frame begins.

    Attributes:
        origin_deg: latitude and longitude of the course's origin; its x axis points east, y north.
        deviation_m: of a fix whose receiver does not say it.
        rate_hz: of `odom`.
    """

    origin_deg: tuple[float, ...] = ()
    deviation_m: float = 1.0
    rate_hz: float = 50.0

    def __post_init__(self) -> None:
        if len(self.origin_deg) != 2 or not all(map(math.isfinite, self.origin_deg)):
            raise ConfigError(
                f"parameter 'origin_deg' is {list(self.origin_deg)}: it must be latitude and longitude of "
                "the course's origin, such as [47.37, 8.54]"
            )
        if not (self.deviation_m > 0 and 1.0 <= self.rate_hz <= 200.0):
            raise ConfigError(
                f"parameters 'deviation_m' ({self.deviation_m}) and 'rate_hz' ({self.rate_hz}) must be more "
                "than 0, and lie in [1, 200]"
            )


class EstimatorNode(Node):
    """Converts messages; `estimator` decides."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._config = ros_params.declare(self, EstimatorNodeConfig)
        self._trust = ros_params.declare(self, EstimatorConfig)
        ros_params.refuse_unknown(self)
        self._state, self._stamps = State(), StampClock()
        self._gyro_radps = math.nan
        self._cause = ""
        self._odom = ros_node.publisher(self, topics.ODOM)
        self._diagnostics = ros_node.publisher(self, DIAGNOSTICS)
        ros_node.subscription(self, topics.IMU, self._on_imu)
        ros_node.subscription(self, topics.WHEELS, self._on_wheels)
        ros_node.subscription(self, topics.FIX, self._on_fix)
        ros_node.timer(self, 1.0 / self._config.rate_hz, self._on_tick)
        ros_node.timer(self, 1.0, self._diagnose)

    def _steady_s(self, message: Any) -> float:
        return self._stamps.steady_s(ros_messages.stamp_s(message), read_clocks())

    def _on_imu(self, message: Any) -> None:
        self._gyro_radps = float(message.angular_velocity.z)

    def _on_wheels(self, message: Any) -> None:
        speed_mps = ros_messages.wheels_from(message).get("speed", math.nan)
        at_s = self._steady_s(message)
        self._state = estimator.moved(self._state, speed_mps, self._gyro_radps, at_s, self._trust)

    def _on_fix(self, message: Any) -> None:
        origin = (self._config.origin_deg[0], self._config.origin_deg[1])
        try:
            position_m = local_m(message.latitude, message.longitude, origin)
        except ValueError as error:
            log.warning("event=fix_refused cause=%r", str(error))
            return
        variance = max(message.position_covariance[0], message.position_covariance[4])
        known = message.position_covariance_type != 0 and variance > 0
        deviation_m = max(LEAST_M, math.sqrt(variance)) if known else self._config.deviation_m
        fix = Fix(self._steady_s(message), np.asarray(position_m), deviation_m)
        self._state = estimator.fixed(self._state, fix, self._trust)

    def _on_tick(self) -> None:
        clocks = read_clocks()
        verdict = estimator.judge(self._state, clocks.steady_s, self._trust)
        if verdict.cause.partition(" for ")[0] != self._cause.partition(" for ")[0]:
            log.warning("event=position cause=%r", verdict.cause or "known")
        self._cause = verdict.cause
        if verdict.odometry is not None and not verdict.cause:
            stamp_ns = round(clocks.wall_of(verdict.odometry.stamp_s) * ros_messages.NS)
            self._odom.publish(ros_messages.odometry_message(verdict.odometry, stamp_ns))

    def _diagnose(self) -> None:
        verdict = estimator.judge(self._state, time.monotonic(), self._trust)
        values = {"deviation_m": verdict.deviation_m, "heading_deviation_rad": verdict.heading_deviation_rad}
        text, level = verdict.cause or "position known", WARN if verdict.cause else OK
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics(name, level, text, values, "wheels, gyroscope, GPS"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the estimator."""
    return ros_node.run_node(NAME, EstimatorNode, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
