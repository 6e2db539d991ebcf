"""A 1/10 car with four driven wheels on springs, as MJCF; its figures are those of an F1TENTH car.

Body frame: origin in the middle of the rear axle on the ground, x forward, y left, z up. Tyres are ellipsoids
that grip the ground by Coulomb friction; walls are slippery to them, so that no wheel climbs one.
"""

import math
from typing import Any

import mujoco
import numpy as np

from sandlot.robots.car.spec import CAMERA
from sandlot.sim.shapes import DARK, GREY, GROUP_LOOK, Rgba, Vec, box

WHEELBASE_M, TRACK_M, WHEEL_M = 0.33, 0.25, 0.05
"""Between the axles; between left and right wheels; radius of a wheel."""
ROLLING_M = 0.0477
"""Radius that a wheel rolls with under the car's weight: measured, as one measures a real car's."""
WHEELS = ("front_left", "front_right", "rear_left", "rear_right")
WHEEL_AT_M = np.array([[x, y] for x in (WHEELBASE_M, 0.0) for y in (TRACK_M / 2, -TRACK_M / 2)])
CHASSIS_KG, WHEEL_KG, HUB_KG = 3.1, 0.1, 0.05
MASS_KG = CHASSIS_KG + 4 * (WHEEL_KG + HUB_KG)
CENTRE_M = (0.16, 0.0, 0.073)
"""Centre of mass of the chassis; with the wheels it is 0.07 m high."""
SPRING_N_PER_M, DAMPING_NS_PER_M, TRAVEL_M = 1200.0, 45.0, 0.02
MOST_ACCEL_MPS2 = 8.0
"""What the motor can do when all its torque goes into speed."""
WHEEL_NM = MOST_ACCEL_MPS2 * MASS_KG * WHEEL_M / 4
GRIP = 1.0
CAMERA_M, CAMERA_DOWN_RAD, CAMERA_FOVY_DEG = (0.43, 0.0, 0.12), 0.16, 90.0

# A tyre is soft. Together with `car_scene.IMPRATIO` that keeps sliding wheels on the ground: as hard as
# MuJoCo's default they hop, and a third of hard driving feels like a collision (measured: 28 m/s^2, not 16).

# Who touches whom, as (contype, conaffinity): ground 1, walls 2. Priority: a wall's friction wins over a
# tyre's, a tyre's over the ground's. A wall gives way a little, as a board or a tube does.
TYRE: dict[str, Any] = {"contype": 0, "conaffinity": 3, "condim": 3, "priority": 1, "solref": (0.06, 1.0)}
BODY: dict[str, Any] = {"contype": 0, "conaffinity": 3, "condim": 3, "friction": (0.3, 0.005, 0.0001)}
GROUND: dict[str, Any] = {"contype": 1, "conaffinity": 0, "condim": 3}
WALL: dict[str, Any] = {
    "contype": 2, "conaffinity": 0, "condim": 3, "priority": 2,
    "friction": (0.3, 0.005, 0.0001), "solref": (0.012, 0.5),
}  # fmt: skip

RUBBER: Rgba = (0.06, 0.06, 0.07, 1.0)


def add_car(spec: Any, rgba: Rgba) -> None:
    """Puts a car called "car" into a world, standing on z = 0."""
    car = spec.worldbody.add_body(name="car")
    car.add_freejoint(name="car")
    _add_chassis(car, rgba)
    for index, name in enumerate(WHEELS):
        _add_wheel(spec, car, name, WHEEL_AT_M[index], steered=index < 2)
    site = car.add_site(name="imu", pos=CENTRE_M)
    for name, kind in (
        ("accel", mujoco.mjtSensor.mjSENS_ACCELEROMETER),
        ("gyro", mujoco.mjtSensor.mjSENS_GYRO),
    ):
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name)
    down = CAMERA_DOWN_RAD
    # A camera looks along its -z, with y up: x right, y up, z back, then pitched.
    back, right = np.array([-math.cos(down), 0.0, math.sin(down)]), np.array([0.0, -1.0, 0.0])
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([right, np.cross(back, right), back]).ravel())
    car.add_camera(name=CAMERA, pos=CAMERA_M, quat=quat, fovy=CAMERA_FOVY_DEG)


def _add_chassis(car: Any, rgba: Rgba) -> None:
    """A tub between the wheels, a bumper that is as wide as they are, and a shell to look at."""
    length, width, height = 0.44, 0.2, 0.09
    inertia = CHASSIS_KG / 12 * np.array(
        [width**2 + height**2, length**2 + height**2, length**2 + width**2]
    )  # fmt: skip
    car.mass, car.ipos, car.inertia, car.explicitinertial = CHASSIS_KG, CENTRE_M, inertia, True
    box(car, (0.165, 0, 0.075), (0.22, 0.085, 0.04), DARK, name="tub", **BODY)
    box(car, (0.415, 0, 0.06), (0.025, 0.13, 0.03), DARK, name="bumper", **BODY)
    box(car, (-0.075, 0, 0.06), (0.02, 0.13, 0.03), DARK, name="rear_bumper", **BODY)
    box(car, (0.1, 0, 0.135), (0.12, 0.07, 0.025), rgba)
    box(car, (0.29, 0, 0.12), (0.1, 0.08, 0.01), rgba)
    box(car, (-0.06, 0, 0.17), (0.02, 0.11, 0.004), GREY)


def _add_wheel(spec: Any, car: Any, name: str, at_m: np.ndarray, *, steered: bool) -> None:
    """A hub on a spring, with a steering joint in front, and a driven wheel."""
    hinge, slide = mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE
    hub = car.add_body(name=f"{name}_hub", pos=(*at_m, WHEEL_M))
    share = CENTRE_M[0] / WHEELBASE_M if steered else 1.0 - CENTRE_M[0] / WHEELBASE_M
    sprung_n = CHASSIS_KG * 9.81 * share / 2
    hub.add_joint(
        name=f"{name}_spring", type=slide, axis=(0, 0, 1), range=(-TRAVEL_M, TRAVEL_M), limited=True,
        stiffness=[SPRING_N_PER_M, 0, 0], damping=[DAMPING_NS_PER_M, 0, 0],
        springref=-sprung_n / SPRING_N_PER_M,
    )  # fmt: skip
    hub.mass, hub.inertia, hub.explicitinertial = HUB_KG, (3e-5, 3e-5, 3e-5), True
    if steered:
        hub.add_joint(name=f"{name}_steer", type=hinge, axis=(0, 0, 1), damping=[0.05, 0, 0], armature=0.001)
        servo = spec.add_actuator(name=f"{name}_steer", target=f"{name}_steer", trntype=JOINT)
        servo.set_to_position(kp=8.0, kv=0.15)
    wheel = hub.add_body(name=f"{name}_wheel")
    wheel.add_joint(name=f"{name}_spin", type=hinge, axis=(0, 1, 0), damping=[0.0008, 0, 0], armature=0.0003)
    wheel.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_ELLIPSOID, size=(WHEEL_M, 0.022, WHEEL_M), mass=WHEEL_KG,
        rgba=RUBBER, group=GROUP_LOOK, friction=(GRIP, 0.005, 0.0001), **TYRE,
    )  # fmt: skip
    box(wheel, (0, 0, 0), (0.03, 0.0225, 0.006), GREY)
    motor = spec.add_actuator(name=f"{name}_drive", target=f"{name}_spin", trntype=JOINT)
    motor.set_to_velocity(kv=0.15)
    motor.forcelimited, motor.forcerange = True, (-WHEEL_NM, WHEEL_NM)


JOINT = mujoco.mjtTrn.mjTRN_JOINT


def ackermann(speed_mps: float, steering_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the front wheels [2] and speeds of all wheels [4], so that all roll round one centre.

    The centre lies on the line of the rear axle, at `wheelbase / tan(steering)` to the left.
    """
    bend = math.tan(steering_rad) / WHEELBASE_M  # 1/m at the rear axle's middle
    across, along = 1.0 - bend * WHEEL_AT_M[:, 1], bend * WHEEL_AT_M[:, 0]
    return np.arctan2(along[:2], across[:2]), speed_mps * np.hypot(across, along)


def start_pose(position_m: Vec | np.ndarray, heading_rad: float) -> np.ndarray:
    """The free joint's numbers [7] of a car that stands on the ground."""
    half = heading_rad / 2
    return np.array([position_m[0], position_m[1], 0.0, math.cos(half), 0.0, 0.0, math.sin(half)])
