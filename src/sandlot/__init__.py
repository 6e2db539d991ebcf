"""Sandlot: robots that learn by practising in the real world.

`sandlot.learners` learns, stores and transports; `sandlot.perception` sees; `sandlot.robots` knows what each
robot observes and how it may move; `sandlot.sim` is MuJoCo. Importing this package registers the Gymnasium
ids (`sandlot/ArmPick-v0` in simulation, `sandlot_ros/ArmPick-v0` on a robot, ...) by name only: nothing heavy
is loaded before an env is made.
"""

from typing import TYPE_CHECKING

from gymnasium import register

from sandlot.learners import plugins

if TYPE_CHECKING:
    from sandlot.learners.policy import Policy

__version__ = "0.1.0"

# Gymnasium's checker refuses an observation space whose "images" are empty; ours has the key always.
for _name, _task in (
    ("Reach", "arm_reach"),
    ("Pick", "arm_pick"),
    ("Insert", "arm_insert"),
    ("Pcb", "arm_pcb"),
    ("Cable", "arm_cable"),
    ("Relocate", "arm_relocate"),
    ("RelocateBack", "arm_relocate_back"),
):
    for _place, _module in (("sandlot", "sim.arm_envs"), ("sandlot_ros", "robots.arm.ros_envs")):
        register(
            id=f"{_place}/Arm{_name}-v0",
            entry_point=f"sandlot.{_module}:make",
            kwargs={"task": _task},
            disable_env_checker=True,
        )

for _name in ("Hall", "Yard", "Places"):
    for _place, _module in (("sandlot", "sim.car_envs"), ("sandlot_ros", "robots.car.ros_envs")):
        register(
            id=f"{_place}/Car{_name}-v0",
            entry_point=f"sandlot.{_module}:make",
            kwargs={"task": f"car_{_name.lower()}"},
            disable_env_checker=True,
        )
    plugins.register("evaluation", f"car_{_name.lower()}", "sandlot.learners.evaluate_laps:evaluate_laps")

for _name, _place in (
    ("conv", "encoders.conv:Conv"),
    ("resnet10", "encoders.resnet:ResNet10"),
    ("blobs", "encoders.blobs:Blobs"),
):
    plugins.register("encoder", _name, f"sandlot.perception.{_place}")
plugins.register("env", "person", "sandlot.robots.supervised:Supervised")
plugins.register("env", "classifier", "sandlot.perception.reward_env:ClassifierEnv")
plugins.register("env", "encoder", "sandlot.perception.feature_env:FeatureEnv")
plugins.register("reward", "vice", "sandlot.perception.vice_reward:ViceReward")
plugins.register("weights", "encoder", "sandlot.perception.encoders.start:start_weights")


def load_policy(path: str) -> "Policy":
    """The policy that `sandlot export RUN` wrote; it acts with numpy alone."""
    from sandlot.learners.policy import Policy  # noqa: PLC0415  importing sandlot stays light

    return Policy.load(path)
