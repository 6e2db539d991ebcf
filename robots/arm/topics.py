"""The arm's topics: what its driver publishes, what an actor asks for, what the gate lets through.

    actor --action/*--> gate --command/*--> driver --state, objects, cameras--> actor

All poses are in the frame `base` of `arm.spec`; stamps of everything a driver read at one instant are equal.
"""

from collections.abc import Sequence

from sandlot.robots.topics import Topic, image

BASE_FRAME = "base"
STATE_HZ = 100.0
COMMAND_HZ = 50.0

JOINT_STATES = Topic("joint_states", "sensor_msgs/msg/JointState", "sensor", STATE_HZ)
"""Joint positions, rad, and velocities, rad/s; the last name is `gripper`: opening, m."""
TOOL_POSE = Topic("tool_pose", "geometry_msgs/msg/PoseStamped", "sensor", STATE_HZ)
TOOL_TWIST = Topic("tool_twist", "geometry_msgs/msg/TwistStamped", "sensor", STATE_HZ)
WRENCH = Topic("wrench", "geometry_msgs/msg/WrenchStamped", "sensor", STATE_HZ)
"""What the world exerts on the tool, base axes, without gravity."""

ACTION_POSE = Topic("action/pose", "geometry_msgs/msg/PoseStamped", "command", 10.0)
"""Where the tool shall be after one control period; its arrival is what the gate takes for a sign of life."""
ACTION_GRIPPER = Topic("action/gripper", "sensor_msgs/msg/JointState", "command", 10.0)
"""name ["gripper"], position [opening, m]; published before the pose it goes with."""
ACTION_PAUSE = Topic("action/pause", "std_msgs/msg/Empty", "event")
"""The commander stops commanding on purpose: hold, and stay armed."""

COMMAND_POSE = Topic("command/pose", "geometry_msgs/msg/PoseStamped", "command", COMMAND_HZ)
"""What the driver obeys; stamp of the action it came from, repeated at this rate while it is in force."""
COMMAND_GRIPPER = Topic("command/gripper", "sensor_msgs/msg/JointState", "command", COMMAND_HZ)
COMMAND_HOLD = Topic("command/hold", "std_msgs/msg/String", "event")
"""Stop and hold now; the text says why."""

STATE = (JOINT_STATES, TOOL_POSE, TOOL_TWIST, WRENCH)
ACTION = (ACTION_POSE, ACTION_GRIPPER, ACTION_PAUSE)
COMMAND = (COMMAND_POSE, COMMAND_GRIPPER, COMMAND_HOLD)


def object_pose(name: str) -> Topic:
    """Where a tracked object is: a tag detector publishes it, or the simulated device."""
    return Topic(f"objects/{name}", "geometry_msgs/msg/PoseStamped", "sensor", STATE_HZ)


def place(name: str) -> Topic:
    """Put an object here for the next trial; only the simulated device can obey."""
    return Topic(f"place/{name}", "geometry_msgs/msg/PoseStamped", "event")


def observed(objects: Sequence[str], cameras: Sequence[str]) -> tuple[Topic, ...]:
    """Everything that an observation is made of."""
    return (*STATE, *(object_pose(o) for o in objects), *(image(c) for c in cameras))


def recorded(objects: Sequence[str], cameras: Sequence[str]) -> tuple[Topic, ...]:
    """Everything that moves between actor, gate and driver, and where things are put."""
    return (*observed(objects, cameras), *ACTION, *COMMAND, *map(place, objects))
