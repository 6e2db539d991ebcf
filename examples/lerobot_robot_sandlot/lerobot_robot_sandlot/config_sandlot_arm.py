"""`--robot.type=sandlot_arm`."""

from dataclasses import dataclass, field

from lerobot.robots import RobotConfig


@RobotConfig.register_subclass("sandlot_arm")
@dataclass(kw_only=True)
class SandlotArmConfig(RobotConfig):
    """Which task's observation and action the arm shall have.

    Attributes:
        task: a Sandlot task of the arm.
        namespace: of the robot's topics.
        camera_names: cameras to observe; then the state no longer holds the pose of objects.
        image_px: width and height of their images.
    """

    task: str = "arm_pick"
    namespace: str = "arm"
    camera_names: list[str] = field(default_factory=list)
    image_px: int = 128
