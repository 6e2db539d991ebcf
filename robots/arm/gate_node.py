"""The arm's gate: `python -m sandlot.robots.arm.gate_node --ros-args -r __ns:=/arm -p task:=arm_pick`.

Starts disarmed. Services `gate/arm` and `gate/stop`; state and causes on `gate/state`.
"""

import sys
from dataclasses import dataclass
from typing import Any

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.gate_limits import ArmCommand, Wish, offered, with_margin
from sandlot.robots.arm.spec import ArmLimits, Pose
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.gate import Mode
from sandlot.robots.gate_node import GateNode, GateParams, commander_of
from sandlot.robots.ros_latest import Latest
from sandlot.robots.stamps import Clocks, is_fresh, read_clocks

PRECEDENCE = 10
"""Before actor and driver, which compute: the gate needs little time, but that at once."""

LIMITS: dict[str, ArmLimits] = {name: task.limits for name, task in TASKS.items()}


@dataclass(frozen=True, kw_only=True)
class ArmGateParams(GateParams):
    """A gate's settings, and whose limits it keeps.

    Attributes:
        task: the task that is practised.
        tool_timeout_s: a measured tool pose older than this is none; three times as old, the driver is dead.
    """

    task: str = "arm_pick"
    tool_timeout_s: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task not in LIMITS:
            raise ConfigError(f"gate setting 'task' is '{self.task}'; there are: {', '.join(LIMITS)}")


class ArmGateNode(GateNode[ArmCommand, ArmGateParams]):
    """Poses and gripper openings through the gate."""

    def __init__(self) -> None:
        super().__init__(ArmGateParams, topics.ACTION_PAUSE, topics.COMMAND_HOLD)
        self.limits = with_margin(LIMITS[self.params.task])
        self._tool = Latest(self, topics.TOOL_POSE)
        self._width_m: float | None = None
        self._sent: ArmCommand | None = None
        self._messages: tuple[Any, Any] = (None, None)
        self._pose_out = ros_node.publisher(self, topics.COMMAND_POSE)
        self._gripper_out = ros_node.publisher(self, topics.COMMAND_GRIPPER)
        ros_node.subscription(self, topics.ACTION_GRIPPER, self._on_gripper)
        ros_node.subscription(self, topics.ACTION_POSE, self._on_pose)

    def send(self, command: ArmCommand) -> None:
        """Gripper first: who hears the pose has both."""
        if command is not self._sent:
            self._sent = command
            gripper = None
            if command.width_m is not None:
                gripper = ros_messages.gripper_message(command.width_m, command.stamp_ns)
            self._messages = (gripper, ros_messages.pose_message(command.pose, command.stamp_ns))
        gripper, pose = self._messages
        if gripper is not None:
            self._gripper_out.publish(gripper)
        self._pose_out.publish(pose)

    def robot_silent(self, clocks: Clocks) -> bool:
        """A driver that died may come back with its device's errors cleared: somebody arms the gate first."""
        message = self._tool.get()
        if message is None:
            return False
        age_s = self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        return not is_fresh(age_s, 3.0 * self.params.tool_timeout_s)

    def forget(self) -> None:
        """The gripper stays as it is until it is asked for anew."""
        self._width_m = None

    def _on_gripper(self, message: Any, info: Any) -> None:
        """Kept for the pose that follows; one that is not a number spoils that pose."""
        clocks = read_clocks()
        self.heard_from(commander_of(info))
        age_s = self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        if self.state.mode in (Mode.DISARMED, Mode.STOPPED) or not is_fresh(age_s, self.params.fresh_s):
            self.counts["ignored_grippers"] += 1
        else:
            self._width_m = ros_messages.gripper_from(message)

    def _on_pose(self, message: Any, info: Any) -> None:
        clocks = read_clocks()
        age_s = self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        wish = wish_from(message, commander_of(info), age_s, self._width_m)
        elapsed_s = clocks.steady_s - self.state.action_s
        action = offered(wish, self.state.command, elapsed_s, self._measured(clocks), self.limits)
        self.offer(action, clocks, info)

    def _measured(self, clocks: Clocks) -> Pose | None:
        """The tool's pose, unless it is old or cannot be used."""
        message = self._tool.get()
        if message is None or ros_messages.pose_fault(message):
            return None
        age_s = self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        return ros_messages.pose_from(message) if is_fresh(age_s, self.params.tool_timeout_s) else None


def wish_from(message: Any, commander: bytes, age_s: float, width_m: float | None) -> Wish:
    """An action as it came: a PoseStamped, and the opening that was asked for before it."""
    fault = ros_messages.pose_fault(message)
    pose = None if fault else ros_messages.pose_from(message)
    return Wish(commander, ros_messages.stamp_ns(message), age_s, fault, pose, width_m)


def main(argv: list[str] | None = None) -> int:
    """Runs the gate."""
    return ros_node.run_node("gate", ArmGateNode, argv=argv, precedence=PRECEDENCE, control=True)


if __name__ == "__main__":
    sys.exit(main())
