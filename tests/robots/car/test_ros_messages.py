import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sandlot.robots.car import readings, ros_messages, topics  # noqa: E402
from sandlot.robots.car.device import CarState, Inertial, Odometry  # noqa: E402
from sandlot.robots.car.spec import CarCommand  # noqa: E402
from sandlot.robots.errors import SensorError  # noqa: E402

NS = 1_500_000_000
STATE = CarState(stamp_s=1.5, wheel_mps=2.0, steering_rad=-0.1, battery_v=11.5, motor_a=4.0, jolt_mps2=7.0)
ODOMETRY = Odometry(1.5, np.array([1.0, -2.0]), 2.5, np.array([1.9, 0.1]), -0.7)
INERTIAL = Inertial(1.5, np.array([0.5, -3.0, 9.8]), np.array([0.0, 0.1, -0.7]))


def values():
    return {
        topics.ODOM.name: ros_messages.odometry_message(ODOMETRY, NS),
        topics.IMU.name: ros_messages.imu_message(INERTIAL, NS),
        topics.WHEELS.name: ros_messages.wheels_message(STATE, NS),
        topics.BATTERY.name: ros_messages.battery_message(STATE, NS),
    }


def test_a_command_comes_back_from_its_message():
    message = ros_messages.command_message(CarCommand(1.25, -0.3), NS)
    assert ros_messages.command_from(message) == CarCommand(1.25, -0.3)
    assert ros_messages.stamp_ns(message) == NS
    assert not ros_messages.command_fault(CarCommand(1.25, -0.3))
    assert ros_messages.command_fault(CarCommand(math.nan, 0.0)) == "not_finite"


def test_an_ackermann_command_is_read_by_its_own_fields():
    class Drive:
        speed, steering_angle = 2.0, 0.2

    class Message:
        drive = Drive()

    assert ros_messages.command_from(Message()) == CarCommand(2.0, 0.2)


@pytest.mark.parametrize("heading", [-3.0, -0.5, 0.0, 1.0, 3.1])
def test_odometry_comes_back_from_its_message(heading):
    there = ros_messages.odometry_from(
        ros_messages.odometry_message(dataclasses.replace(ODOMETRY, heading_rad=heading), NS)
    )
    assert there.heading_rad == pytest.approx(heading)
    np.testing.assert_allclose(there.position_m, [1.0, -2.0])
    np.testing.assert_allclose(there.velocity_mps, [1.9, 0.1])
    assert (there.yaw_rate_radps, there.stamp_s) == (pytest.approx(-0.7), pytest.approx(1.5))


def test_a_reading_is_made_of_all_topics():
    found = readings.reading(values(), CarCommand(2.1, 0.0), 21.0)
    np.testing.assert_allclose(found.accel_mps2, [0.5, -3.0, 9.8])
    assert (found.wheel_mps, found.battery_v, found.jolt_mps2) == (2.0, pytest.approx(11.5), 21.0)
    assert found.command == CarCommand(2.1, 0.0)
    assert ros_messages.wheels_from(values()[topics.WHEELS.name])["jolt"] == 7.0


@pytest.mark.parametrize("topic", [topics.ODOM, topics.IMU, topics.WHEELS, topics.BATTERY])
def test_what_is_no_number_is_named_by_its_topic(topic):
    broken = values()
    message = broken[topic.name]
    if topic is topics.ODOM:
        message.pose.pose.position.x = math.nan
    elif topic is topics.IMU:
        message.linear_acceleration.z = math.inf
    elif topic is topics.BATTERY:
        message.voltage = math.nan
    else:
        message.position[0] = math.nan
    with pytest.raises(SensorError, match=f"^{topic.name}: "):
        readings.reading(broken, CarCommand(), 0.0)


def test_a_frozen_inertial_sensor_is_told_from_a_quiet_one():
    watch = readings.observer({}, readings.Freshness(), {})

    def say(at_s, accel):
        felt = dataclasses.replace(INERTIAL, accel_mps2=np.array([accel, 0.0, 9.8]))
        for name, message in values().items():
            said = ros_messages.imu_message(felt, 0) if name == topics.IMU.name else message
            content = readings.content(said) if watch.watches_content(name) else None
            watch.offer(name, said, int(at_s * 1e9), at_s, at_s, content=content)

    for k in range(60):
        say(0.01 * k, 0.001 * k)
    assert not watch.problem(0.6)
    for k in range(60, 120):
        say(0.01 * k, 0.5)
    assert "imu: values keep coming but have said the same" in watch.problem(1.2)
