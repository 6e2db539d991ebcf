"""What may differ between simulation and world, as declared ranges; one switch, `randomize=True`.

Everything is drawn at reset from the env's own generator, so a seed still means one episode, bit for bit.
Off by default: then every factor is 1 and every noise 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.sim import appearance

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Randomization:
    """Ranges (low, high), drawn uniformly once per episode.

    Attributes:
        mass: factor on the mass and inertia of free objects.
        friction: factor on sliding friction of all contacts.
        joint_damping: factor on the damping of all joints.
        payload_kg: weight on the hand that the gravity compensation does not know.
        stiffness: factor on the controller's stiffness (damping follows with its square root).
        action_delay_s: from the decision to the moment the reference begins to move.
        sensor_delay_s: age of a reading when it is observed.
        pose_bias_m: constant error of each tracked object's position, per axis.
        pose_noise_m: standard deviation of an object's position from reading to reading.
        tool_noise_m: the same of the measured tool position.
        velocity_noise_mps: the same of the measured tool velocity (rad/s for the angular one).
        force_bias_n: constant error of the force, per axis; a tenth of it, in Nm, of the torque.
        force_noise_n: standard deviation of the force; a tenth of it, in Nm, of the torque.
        width_noise_m: standard deviation of the gripper's width.
        light: factor on the brightness of all lights.
        camera_m: shift of each camera, per axis.
        camera_rad: turn of each camera, per axis.
        light_rad: turn of each light's direction, per axis.
        tint: factor on red, green and blue of everything, as a camera's white balance would have it.
        shade: factor on the colour of each surface.
        contrast: of the pattern on table and mat; 0 for none.
        pattern: which pattern that is.
    """

    mass: Range = (0.7, 1.5)
    friction: Range = (0.7, 1.3)
    joint_damping: Range = (0.7, 1.4)
    payload_kg: Range = (-0.05, 0.1)
    stiffness: Range = (0.8, 1.2)
    action_delay_s: Range = (0.0, 0.03)
    sensor_delay_s: Range = (0.0, 0.03)
    pose_bias_m: Range = (-0.0003, 0.0003)
    pose_noise_m: Range = (0.0, 0.0005)
    tool_noise_m: Range = (0.0, 0.0002)
    velocity_noise_mps: Range = (0.0, 0.005)
    force_bias_n: Range = (-1.0, 1.0)
    force_noise_n: Range = (0.0, 0.5)
    width_noise_m: Range = (0.0, 0.0005)
    light: Range = (0.6, 1.3)
    camera_m: Range = (-0.01, 0.01)
    camera_rad: Range = (-0.02, 0.02)
    light_rad: Range = (-0.3, 0.3)
    tint: Range = (0.85, 1.15)
    shade: Range = (0.8, 1.2)
    contrast: Range = (0.0, 0.4)
    pattern: Range = (0.0, 1.0)

    @classmethod
    def look(cls) -> "Randomization":
        """Only what cameras see varies; dynamics and sensors are nominal."""
        nominal = {f.name: float(np.ravel(getattr(Draw(), f.name))[0]) for f in fields(cls)}
        return cls(**{name: (value, value) for name, value in nominal.items() if name not in LOOK})

    def __post_init__(self) -> None:
        for f in fields(self):
            low, high = getattr(self, f.name)
            if not (np.isfinite(low) and np.isfinite(high) and low <= high):
                raise ConfigError(
                    f"randomization '{f.name}' is ({low}, {high}): it must be finite, low <= high"
                )

    def draw(self, rng: np.random.Generator) -> "Draw":
        """One episode's values."""
        values: dict[str, Any] = {}
        for f in fields(self):
            low, high = getattr(self, f.name)
            values[f.name] = rng.uniform(low, high, SIZES.get(f.name))
        return Draw(**values)


PER_AXIS = ("pose_bias_m", "force_bias_n", "camera_m", "camera_rad", "light_rad", "tint")
SURFACES = 64
SIZES: dict[str, int] = dict.fromkeys(PER_AXIS, 3) | {"shade": SURFACES}
"""How many numbers are drawn, if not one."""
LOOK = ("light", "camera_m", "camera_rad", "light_rad", "tint", "shade", "contrast", "pattern")
"""What only cameras see."""


@dataclass(frozen=True)
class Draw:
    """One episode's values; the defaults are the nominal world. Meanings and units as in `Randomization`."""

    mass: float = 1.0
    friction: float = 1.0
    joint_damping: float = 1.0
    payload_kg: float = 0.0
    stiffness: float = 1.0
    action_delay_s: float = 0.0
    sensor_delay_s: float = 0.0
    pose_bias_m: np.ndarray = field(default_factory=lambda: np.zeros(3))
    pose_noise_m: float = 0.0
    tool_noise_m: float = 0.0
    velocity_noise_mps: float = 0.0
    force_bias_n: np.ndarray = field(default_factory=lambda: np.zeros(3))
    force_noise_n: float = 0.0
    width_noise_m: float = 0.0
    light: float = 1.0
    camera_m: np.ndarray = field(default_factory=lambda: np.zeros(3))
    camera_rad: np.ndarray = field(default_factory=lambda: np.zeros(3))
    light_rad: np.ndarray = field(default_factory=lambda: np.zeros(3))
    tint: np.ndarray = field(default_factory=lambda: np.ones(3))
    shade: np.ndarray = field(default_factory=lambda: np.ones(SURFACES))
    contrast: float = 0.0
    pattern: float = 0.0


class Nominal:
    """Remembers a compiled model's own numbers, and writes an episode's variation of them into it."""

    def __init__(self, model: Any, free_bodies: Sequence[int]) -> None:
        self._model = model
        self._free = list(free_bodies)
        self._scratch = mujoco.MjData(model)
        self._saved = {name: getattr(model, name).copy() for name in NUMBERS}

    def apply(self, draw: Draw) -> None:
        """Sets the model to its own numbers, varied by `draw`."""
        model = self._model
        for name, value in self._saved.items():
            getattr(model, name)[:] = value
        model.body_mass[self._free] *= draw.mass
        model.body_inertia[self._free] *= draw.mass
        model.geom_friction[:, 0] *= draw.friction
        model.dof_damping[:] *= draw.joint_damping
        appearance.vary(model, draw)
        # The contact solver's weights follow from the masses; left as they were, a heavier cube is shot away.
        mujoco.mj_setConst(model, self._scratch)


NUMBERS = ("body_mass", "body_inertia", "geom_friction", "dof_damping", *appearance.NUMBERS)
