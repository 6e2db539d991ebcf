"""The car as an MjSpec: a 1/10 racing car from primitive shapes, with suspension, steering and driven wheels.

Sizes and mass are those of F1TENTH and MuSHR cars. The body frame is in the middle of the rear axle, at the
height of the axles; x forward, y left. Tyres are ellipsoids whose grip is MuJoCo's elliptic friction cone.
"""

import math
from typing import Any

import mujoco

from sandlot.robots.car.spec import CAMERA
from sandlot.sim.shapes import DARK, GREY, ORANGE, RED, box, cylinder

WHEELBASE_M, TRACK_M, WHEEL_M, TYRE_M = 0.33, 0.25, 0.05, 0.02
CHASSIS_KG, WHEEL_KG, HUB_KG = 3.2, 0.08, 0.05
STIFFNESS_NPM, DAMPING_NSPM, TRAVEL_M = 400.0, 25.0, 0.02
"""A quarter of the car's weight sinks a wheel's spring by 2.3 cm; `SPRING_M` lifts it again."""
SPRING_M = 0.02
STEERING_RAD = 0.4
WHEEL_NM = 0.45
"""Most torque at a wheel: 9.7 m/s^2 for the whole car."""
GRIP = 1.0
CORNERS = (
    ("front_left", WHEELBASE_M, TRACK_M / 2),
    ("front_right", WHEELBASE_M, -TRACK_M / 2),
    ("rear_left", 0.0, TRACK_M / 2),
    ("rear_right", 0.0, -TRACK_M / 2),
)
"""Wheels, and where they are in the body frame."""
ROUGH: dict[str, Any] = {"contype": 1, "conaffinity": 1, "friction": (GRIP, 0.005, 0.0001)}
BODYWORK: dict[str, Any] = {"contype": 1, "conaffinity": 1, "friction": (0.3, 0.005, 0.0001)}


def add_car(spec: Any) -> None:
    """Adds the car, its actuators and its sensors to a world."""
    car = spec.worldbody.add_body(name="car", pos=(0.0, 0.0, WHEEL_M))
    car.add_freejoint(name="root")
    box(car, (WHEELBASE_M / 2, 0, 0.02), (0.24, 0.10, 0.025), ORANGE, mass=CHASSIS_KG, name="chassis", **BODYWORK)
    box(car, (WHEELBASE_M / 2 - 0.06, 0, 0.065), (0.10, 0.07, 0.02), DARK)
    box(car, (0.04, 0, 0.10), (0.015, 0.09, 0.005), RED)
    car.add_site(name="imu", pos=(WHEELBASE_M / 2, 0.0, 0.03), group=4)
    # looks along x, 12 degrees down; a MuJoCo camera looks along its -z
    car.add_camera(name=CAMERA, pos=(WHEELBASE_M + 0.10, 0.0, 0.09), fovy=90.0, quat=_look_ahead(-0.2))
    for name, kind in (("accel", mujoco.mjtSensor.mjSENS_ACCELEROMETER), ("gyro", mujoco.mjtSensor.mjSENS_GYRO)):
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="imu")
    for name, x, y in CORNERS:
        _add_wheel(spec, car, name, x, y)


def _look_ahead(pitch_rad: float) -> tuple[float, ...]:
    """Quaternion of a camera that looks along x, raised by an angle."""
    half = 0.5 * (math.pi / 2 + pitch_rad)
    tilt = (math.cos(half), math.sin(half), 0.0, 0.0)  # about x: the camera's -z from down to ahead
    turn = (math.cos(-math.pi / 4), 0.0, 0.0, math.sin(-math.pi / 4))  # about z: from y to x
    w1, x1, y1, z1 = turn
    w2, x2, y2, z2 = tilt
    return (
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
    )


def _add_wheel(spec: Any, car: Any, name: str, x: float, y: float) -> None:
    """A sprung, driven wheel; in front one that is steered."""
    hub = car.add_body(name=f"hub_{name}", pos=(x, y, 0.0))
    hub.add_joint(
        name=f"spring_{name}",
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(0, 0, 1),
        stiffness=[STIFFNESS_NPM, 0, 0],
        damping=[DAMPING_NSPM, 0, 0],
        springref=-SPRING_M,
        range=(-TRAVEL_M, TRAVEL_M),
        limited=True,
    )
    box(hub, (0, -0.5 * math.copysign(TYRE_M, y), 0), (0.012, 0.012, 0.012), GREY, mass=HUB_KG)
    if x > 0:
        hub.add_joint(
            name=f"steer_{name}", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 0, 1), damping=[0.05, 0, 0],
            armature=0.001,
        )  # fmt: skip
        steer = spec.add_actuator(
            name=f"steer_{name}", target=f"steer_{name}", trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        steer.set_to_position(kp=5.0, kv=0.1)
    wheel = hub.add_body(name=f"wheel_{name}")
    wheel.add_joint(
        name=f"spin_{name}", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 1, 0), damping=[0.0005, 0, 0],
        armature=0.0005,
    )  # fmt: skip
    wheel.add_geom(
        name=f"tyre_{name}", type=mujoco.mjtGeom.mjGEOM_ELLIPSOID, size=(WHEEL_M, TYRE_M, WHEEL_M), mass=WHEEL_KG,
        rgba=DARK, group=2, condim=3, **ROUGH,
    )  # fmt: skip
    cylinder(wheel, (0, -0.021, 0), (0, 0.021, 0), 0.022, GREY)
    drive = spec.add_actuator(name=f"drive_{name}", target=f"spin_{name}", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    drive.set_to_velocity(kv=0.15)
    drive.forcelimited, drive.forcerange = True, (-WHEEL_NM, WHEEL_NM)


def wheel_targets(speed_mps: float, steering_rad: float) -> tuple[list[float], list[float]]:
    """Angles of the two front wheels and spin of all four, rad and rad/s, for a car that rolls without slip.

    Ackermann: all wheels turn about one point on the rear axle's line.
    """
    bend = math.tan(steering_rad) / WHEELBASE_M
    angles = [math.atan2(bend * WHEELBASE_M, 1.0 - bend * y) for _, x, y in CORNERS if x > 0]
    spins = [speed_mps / WHEEL_M * math.hypot(1.0 - bend * y, bend * x) for _, x, y in CORNERS]
    return angles, spins
