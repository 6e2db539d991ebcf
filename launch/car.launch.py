"""The car: driver, gate, and as asked for learner and actor, teleoperation, recording.

    ros2 launch sandlot car.launch.py robot:=vesc learner:=true teleop:=gamepad record:=true

`ros2 launch sandlot car.launch.py --show-args` explains every argument.
"""

import pathlib

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description() -> LaunchDescription:
    """The launch file that all robots share, for the car."""
    shared = str(pathlib.Path(__file__).resolve().with_name("robot.launch.py"))
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(shared), launch_arguments={"kind": "car"}.items()
    )
    return LaunchDescription([include])
