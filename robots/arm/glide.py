"""From one pose to the next at constant speed, for controllers that jump to any target they get."""

from dataclasses import dataclass

from sandlot.robots import rotation
from sandlot.robots.arm.spec import Pose


@dataclass(frozen=True)
class Glide:
    """A straight way, turning evenly; `at` any time from before its start to after its end."""

    start: Pose
    goal: Pose
    began_s: float
    lasts_s: float

    def at(self, now_s: float) -> Pose:
        """Where to be now."""
        share = min(1.0, max(0.0, (now_s - self.began_s) / self.lasts_s))
        position = self.start.position_m + share * (self.goal.position_m - self.start.position_m)
        return Pose(position, rotation.slerp(self.start.rotation, self.goal.rotation, share))


def staying(pose: Pose) -> Glide:
    """No way at all."""
    return Glide(pose, pose, 0.0, 1.0)
