"""The car's topics: what its driver publishes, what asks it to drive, what the gate lets through.

    actor, your nodes --drive--> gate --command/drive--> driver --odom, imu, battery, cameras--> actor
    a person's node --teleop--> gate

Names and priorities are those of F1TENTH and ackermann_mux. `drive` and `teleop` are
ackermann_msgs/AckermannDriveStamped where that package is installed. It is not on PyPI; without it they are
geometry_msgs/TwistStamped: `linear.x` is the speed, m/s, and `angular.z` the STEERING ANGLE, rad, not a rate.
"""

import importlib.util
from collections.abc import Sequence

from sandlot.robots.topics import Topic, image

ACKERMANN = importlib.util.find_spec("ackermann_msgs") is not None
DRIVE_TYPE = "ackermann_msgs/msg/AckermannDriveStamped" if ACKERMANN else "geometry_msgs/msg/TwistStamped"
STATE_HZ, DRIVE_HZ = 100.0, 50.0
BASE_FRAME, MAP_FRAME = "base_link", "map"

TASKS = {"car_hall": None, "car_yard": None}
"""What a car practises on topics; none of it has a reverse."""

ODOM = Topic("odom", "nav_msgs/msg/Odometry", "sensor", STATE_HZ)
"""Where the car is in the course's frame, and its speed in the body frame."""
IMU = Topic("imu", "sensor_msgs/msg/Imu", "sensor", STATE_HZ)
"""What its inertial sensor feels, with gravity."""
WHEELS = Topic("wheels", "sensor_msgs/msg/JointState", "sensor", STATE_HZ)
"""name ["speed", "steering", "jolt", "fault"], position [m/s, rad, m/s^2, 0 or 1].

By the wheels; as told; and the strongest horizontal acceleration since the message before, where the device
samples faster than it is read, else 0. `fault`: 1 while the drive has a fault, and for a second after it, and
when wheels or steering do not do what their settings say: the gate stops, and somebody has to arm it.
"""
FIX = Topic("fix", "sensor_msgs/msg/NavSatFix", "sensor", 5.0)
"""What a GPS receiver says, where the car has one: `estimator_node` makes `odom` of it."""
BATTERY = Topic("battery", "sensor_msgs/msg/BatteryState", "sensor", STATE_HZ)

DRIVE = Topic("drive", DRIVE_TYPE, "command", DRIVE_HZ)
"""What a policy wants: priority 10, valid for 0.1 s."""
TELEOP = Topic("teleop", DRIVE_TYPE, "command", DRIVE_HZ)
"""What a person wants: priority 100, valid for 0.2 s."""
PAUSE = Topic("drive/pause", "std_msgs/msg/Empty", "event")
"""The commander stops commanding on purpose: brake, and stay armed."""

COMMAND = Topic("command/drive", DRIVE_TYPE, "command", DRIVE_HZ)
"""What the driver obeys; stamp of the command it came from, repeated at this rate while it is in force."""
HOLD = Topic("command/hold", "std_msgs/msg/String", "event")
"""Brake now; the text says why."""

STATE = (ODOM, IMU, WHEELS, BATTERY)


def observed(cameras: Sequence[str]) -> tuple[Topic, ...]:
    """Everything that an observation is made of."""
    return (*STATE, *(image(camera) for camera in cameras))


def recorded(_: Sequence[str], cameras: Sequence[str]) -> tuple[Topic, ...]:
    """Everything that moves between actor, person, gate and driver, and what an estimator is fed with."""
    return (*observed(cameras), FIX, DRIVE, TELEOP, PAUSE, COMMAND, HOLD)
