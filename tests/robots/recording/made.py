"""Bags made without ROS, for tests."""

import numpy as np
from rosbags.typesys import Stores, get_typestore

from sandlot.robots.recording.bag import BagWriter
from sandlot.robots.recording.bag_metadata import Recorded

STORE = get_typestore(Stores.ROS2_KILTED)
JOINTS = Recorded("/arm/joint_states", "sensor_msgs/msg/JointState", "sensor")
ESTOP = Recorded("/estop", "std_msgs/msg/Bool", "latched")


def of(kind: str, **fields):
    return STORE.types[kind](**fields)


def header(stamp_ns: int, frame: str = "base"):
    stamp = of("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return of("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def packed(message) -> bytes:
    return bytes(STORE.serialize_cdr(message, message.__msgtype__))


def joints(number: int) -> bytes:
    empty = np.zeros(0)
    fields = {"name": ["a"], "position": np.array([float(number)]), "velocity": empty, "effort": empty}
    return packed(of("sensor_msgs/msg/JointState", header=header(number), **fields))


def write_bag(folder, count: int = 300, flush_every: int = 20, **settings) -> None:
    """Joint states 0, 1, ... at log times 1000, 1001, ..."""
    writer = BagWriter(folder, [JOINTS, ESTOP], custom={"task": "arm_pick"}, **settings)
    for i in range(count):
        writer.write(JOINTS.name, 1000 + i, joints(i))
        if i % flush_every == flush_every - 1:
            writer.flush()
    writer.close()
