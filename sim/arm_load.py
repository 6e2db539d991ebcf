"""Any other arm from an MJCF file (a Menagerie folder, say): what must be known of it is guessed or given.

The tool site is the one whose name says so; the joints are the hinges between it and the base; the
gripper is the actuator that moves anything beyond the tool's body; open is the end of its range that
spreads the fingers. The file's own actuators on the arm's joints are taken out, since the impedance
controller writes joint torques itself.
"""

import logging
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.sim.arm_model import READY_RAD, ArmModel

log = logging.getLogger(__name__)

PREFIX = "arm/"
SITE_WORDS = ("tcp", "pinch", "grasp", "tool", "grip", "end_effector", "ee", "attachment", "flange")
"""Parts of site names that mean the tool, the most telling first."""
DEFAULT_TORQUE_NM = 80.0  # for joints whose file states no limit
SETTLE_TICKS = 1000


def load_arm(path: str, *, site: str = "", gripper: str = "", home_rad: tuple[float, ...] = ()) -> ArmModel:
    """An arm from an MJCF file.

    Args:
        path: of the file; its arm stands at the origin, x forward, z up.
        site: name of the tool site, between the fingertips, z along the fingers; guessed when "".
        gripper: name of the gripper's actuator; guessed when "".
        home_rad: a comfortable posture; when empty the first keyframe's, or found by search.

    Raises:
        ConfigError: the file cannot be read, or something is not in it; one line with file and cause.
    """
    child = _read(path)
    model = _compile(child, path)
    tool = _find_site(model, site, path)
    body = int(model.site_bodyid[tool])
    joints = _hinges_to(model, body)
    if not 6 <= len(joints) <= 8:
        raise ConfigError(
            f"arm file '{path}': {len(joints)} hinge joints lead to site '{model.site(tool).name}', but "
            "6 to 8 are needed to reach a pose; name another site with mjcf_site"
        )
    actuator = _find_gripper(model, joints, gripper, path)
    closed, opened = _directions(model, actuator, joints) if actuator >= 0 else (0.0, 0.0)
    found = ArmModel(
        spec=_attach(child, model, joints),
        joints=tuple(PREFIX + model.joint(j).name for j in joints),
        torque_nm=tuple(_torque_limit(model, j) for j in joints),
        site=PREFIX + model.site(tool).name,
        gripper=PREFIX + model.actuator(actuator).name if actuator >= 0 else "",
        open_ctrl=opened,
        closed_ctrl=closed,
        home_rad=tuple(home_rad) or _home(model, joints),
    )
    log.info(
        "event=arm_loaded file=%s site=%s gripper=%s joints=%d",
        path,
        found.site,
        found.gripper or "none",
        len(joints),
    )
    return found


def _read(path: str) -> Any:
    if not Path(path).is_file():
        raise ConfigError(f"arm file '{path}' does not exist; give the path of an MJCF file (.xml)")
    try:
        return mujoco.MjSpec.from_file(path)
    except ValueError as err:
        raise ConfigError(f"arm file '{path}' is not readable MJCF: {_one_line(err)}") from err


def _compile(spec: Any, path: str) -> Any:
    try:
        return spec.compile()
    except ValueError as err:
        raise ConfigError(f"arm file '{path}' does not compile: {_one_line(err)}") from err


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())


def _find_site(model: Any, name: str, path: str) -> int:
    """Id of the tool site."""
    names = [model.site(i).name for i in range(model.nsite)]
    if name in names and name:
        return names.index(name)
    for word in SITE_WORDS if not name else ():
        for i, candidate in enumerate(names):
            if word in candidate.lower():
                return i
    what = f"no site '{name}'" if name else "no site whose name suggests the tool"
    have = ", ".join(filter(None, names)) or "none"
    raise ConfigError(
        f"arm file '{path}' has {what}; it has {have}: add a site between the fingertips, z along them, "
        "and name it with mjcf_site"
    )


def _hinges_to(model: Any, body: int) -> list[int]:
    """Ids of the hinge joints between the world and a body, base first."""
    joints: list[int] = []
    while body:
        first, count = model.body_jntadr[body], model.body_jntnum[body]
        here = [j for j in range(first, first + count) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE]
        joints = here + joints
        body = model.body_parentid[body]
    return joints


def _moved_by(model: Any, actuator: int) -> list[int]:
    """Ids of the joints that an actuator moves, directly or through a tendon."""
    kind, target = model.actuator_trntype[actuator], int(model.actuator_trnid[actuator, 0])
    if kind == mujoco.mjtTrn.mjTRN_JOINT:
        return [target]
    if kind == mujoco.mjtTrn.mjTRN_TENDON:
        first = model.tendon_adr[target]
        wraps = range(first, first + model.tendon_num[target])
        return [int(model.wrap_objid[w]) for w in wraps if model.wrap_type[w] == mujoco.mjtWrap.mjWRAP_JOINT]
    return []


def _find_gripper(model: Any, joints: list[int], name: str, path: str) -> int:
    """Id of the gripper's actuator, -1 when the arm has none."""
    names = [model.actuator(i).name for i in range(model.nu)]
    if name:
        if name not in names:
            raise ConfigError(
                f"arm file '{path}' has no actuator '{name}'; it has {', '.join(names) or 'none'}"
            )
        return names.index(name)
    others = [i for i in range(model.nu) if not set(_moved_by(model, i)) & set(joints)]
    return others[0] if others else -1


def _directions(model: Any, actuator: int, joints: list[int]) -> tuple[float, float]:
    """Control that closes and control that opens: the one that spreads the bodies beyond the arm is open."""
    low, high = (float(v) for v in model.actuator_ctrlrange[actuator])
    spreads = []
    gravity = model.opt.gravity.copy()
    model.opt.gravity[:] = 0.0
    beyond = [b for b in range(model.nbody) if _depends(model, b, joints[-1]) and model.body_jntnum[b]]
    for ctrl in (low, high):
        data = mujoco.MjData(model)
        data.ctrl[actuator] = ctrl
        mujoco.mj_step(model, data, SETTLE_TICKS)
        spreads.append(float(data.xipos[beyond].std(axis=0).sum()))
    model.opt.gravity[:] = gravity
    return (low, high) if spreads[1] > spreads[0] else (high, low)


def _depends(model: Any, body: int, joint: int) -> bool:
    """Whether a body is beyond the body that a joint moves."""
    stop = model.jnt_bodyid[joint]
    body = model.body_parentid[body]
    while body and body != stop:
        body = model.body_parentid[body]
    return bool(body)


def _torque_limit(model: Any, joint: int) -> float:
    """What the file says about a joint's strength."""
    if model.jnt_actfrclimited[joint]:
        return float(model.jnt_actfrcrange[joint, 1])
    for i in range(model.nu):
        if _moved_by(model, i) == [joint]:
            gear = abs(float(model.actuator_gear[i, 0]))
            if model.actuator_forcelimited[i]:
                return gear * float(model.actuator_forcerange[i, 1])
            if model.actuator_ctrllimited[i] and model.actuator_biastype[i] == mujoco.mjtBias.mjBIAS_NONE:
                return gear * float(model.actuator_gainprm[i, 0] * model.actuator_ctrlrange[i, 1])
    return DEFAULT_TORQUE_NM


def _home(model: Any, joints: list[int]) -> tuple[float, ...]:
    """The first keyframe's posture, else the Panda's where it fits, else the middle of all ranges."""
    if model.nkey:
        return tuple(float(model.key_qpos[0, model.jnt_qposadr[j]]) for j in joints)
    low, high = model.jnt_range[joints].T
    ready = np.array(READY_RAD)
    if len(joints) == len(ready) and ((low <= ready) & (ready <= high)).all():
        return READY_RAD
    return tuple(float(v) for v in (low + high) / 2)


def _attach(child: Any, model: Any, joints: list[int]) -> Any:
    """The file's arm in a spec of ours, without its keyframes and without actuators on the arm's joints."""
    arm_only = [model.actuator(i).name for i in range(model.nu) if set(_moved_by(model, i)) & set(joints)]
    for actuator in [a for a in child.actuators if a.name in arm_only]:
        child.delete(actuator)
    for key in list(child.keys):
        child.delete(key)
    spec = mujoco.MjSpec()
    spec.attach(child, prefix=PREFIX, frame=spec.worldbody.add_frame())
    return spec
