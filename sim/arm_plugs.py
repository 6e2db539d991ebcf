"""Worlds in which what the hand holds goes into a hole: a peg, and a connector with pins."""

from typing import Any

from sandlot.robots.arm.tasks_plug import (
    HOLE_DEPTH_M,
    PEG_HALF_M,
    PEG_LENGTH_M,
    PIN_HALF_M,
    PIN_LENGTH_M,
    PIN_PITCH_M,
    PINS,
    SOCKET_DEPTH_M,
    SOCKET_TOP_M,
)
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.arm_world import Tracked, World, aim
from sandlot.sim.shapes import BLUE, BOARD, DARK, GOLD, GREEN, GREY, HOLE, PEG, WHITE, box, cylinder

PEG_KG = 0.08
CLEARANCE_M = 0.001  # hole side minus peg side
HOLE_BLOCK_HALF_M = 0.04
CONNECTOR_KG = 0.03
PIN_CLEARANCE_M = 0.0005
CONNECTOR_HALF_M = (0.021, 0.011, 0.014)
SOCKET_HALF_M = (0.022, 0.012)
BOARD_HALF_M = (0.05, 0.035, 0.001)


def peg(arm: ArmModel) -> World:
    """A square peg, held by the gripper without play, and a block with a square hole.

    The tool is the peg's tip: compliance is centred there, which is what lets a peg find its way.
    """
    spec = arm.spec
    site = spec.site(arm.site)
    hand = site.parent
    peg = hand.add_body(name="peg", pos=site.pos, quat=site.quat)
    middle = PEG_LENGTH_M / 2 - 0.015
    box(peg, (0, 0, middle), (PEG_HALF_M, PEG_HALF_M, PEG_LENGTH_M / 2), BLUE, mass=PEG_KG, **PEG)
    tip = middle + PEG_LENGTH_M / 2
    peg.add_site(name="peg_tip", pos=(0, 0, tip), group=4)
    _add_hole(spec)
    return World((Tracked("hole", False),), "peg_tip", grip_m=2 * PEG_HALF_M)


def _add_hole(spec: Any) -> None:
    """Four walls around the hole; the body's origin is the middle of the opening."""
    body = spec.worldbody.add_body(name="hole", pos=(0.5, 0, HOLE_DEPTH_M))
    inner, outer = PEG_HALF_M + CLEARANCE_M / 2, HOLE_BLOCK_HALF_M
    middle, half = (outer + inner) / 2, (outer - inner) / 2
    z, deep = -HOLE_DEPTH_M / 2, HOLE_DEPTH_M / 2
    for sign in (1.0, -1.0):
        box(body, (sign * middle, 0, z), (half, outer, deep), GREEN, **HOLE)
        box(body, (0, sign * middle, z), (inner, half, deep), GREEN, **HOLE)
    cylinder(body, (0.034, 0, 0), (0.034, 0, 0.0005), 0.003, DARK)  # shows which way it points


def connector(arm: ArmModel) -> World:
    """A connector held by the gripper without play, and its socket. The tool is between the pins' ends.

    Only the four pins at the corners are in contact: where a rigid grid of pins would touch, sideways or
    turned, its corners touch first.
    """
    spec = arm.spec
    site = spec.site(arm.site)
    hand = site.parent
    plug = hand.add_body(name="connector", pos=site.pos, quat=site.quat)
    middle = 0.004
    bottom = middle + CONNECTOR_HALF_M[2]
    box(plug, (0, 0, middle), CONNECTOR_HALF_M, WHITE, mass=CONNECTOR_KG, **PEG)
    box(plug, (0, 0, bottom - 0.003), (CONNECTOR_HALF_M[0] + 2e-4, CONNECTOR_HALF_M[1] + 2e-4, 0.002), BLUE)
    for x, y in _grid():
        corner = abs(x) == _grid_end(0) and abs(y) == _grid_end(1)
        half = (PIN_HALF_M, PIN_HALF_M, PIN_LENGTH_M / 2)
        box(plug, (x, y, bottom + PIN_LENGTH_M / 2), half, GOLD, **(PEG if corner else {}))
    plug.add_site(name="pin_tips", pos=(0, 0, bottom + PIN_LENGTH_M), group=4)
    _add_board(spec)
    aim(spec, "side", (0.5, -0.38, 0.13), (0.5, 0, 0.042), 25.0)
    return World((Tracked("socket", False),), "pin_tips", grip_m=2 * CONNECTOR_HALF_M[1])


def _grid_end(axis: int) -> float:
    """Where the outermost pin is."""
    return (PINS[axis] - 1) / 2 * PIN_PITCH_M


def _grid() -> list[tuple[float, float]]:
    """Where the pins are, from the connector's axis."""
    xs, ys = ([i * PIN_PITCH_M - _grid_end(axis) for i in range(PINS[axis])] for axis in (0, 1))
    return [(x, y) for x in xs for y in ys]


def _add_board(spec: Any) -> None:
    """A circuit board with a socket: bars that cross, with a hole between them for every pin."""
    body = spec.worldbody.add_body(name="socket", pos=(0.5, 0, SOCKET_TOP_M))
    half = PIN_HALF_M + PIN_CLEARANCE_M / 2
    z, deep = -SOCKET_DEPTH_M / 2, SOCKET_DEPTH_M / 2
    for axis in (0, 1):
        edges = [-SOCKET_HALF_M[axis]]
        for i in range(PINS[axis]):
            middle = i * PIN_PITCH_M - _grid_end(axis)
            edges += [middle - half, middle + half]
        edges.append(SOCKET_HALF_M[axis])
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            across, along = (low + high) / 2, SOCKET_HALF_M[1 - axis]
            pos = (across, 0, z) if axis == 0 else (0, across, z)
            size = ((high - low) / 2, along, deep) if axis == 0 else (along, (high - low) / 2, deep)
            box(body, pos, size, DARK, **HOLE)
    board_z = -SOCKET_DEPTH_M - BOARD_HALF_M[2]
    box(body, (0, 0, board_z), BOARD_HALF_M, BOARD, **HOLE)
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        foot = (x * (BOARD_HALF_M[0] - 0.005), y * (BOARD_HALF_M[1] - 0.005))
        cylinder(body, (*foot, board_z), (*foot, -SOCKET_TOP_M), 0.003, GREY)
        cylinder(body, (*foot, board_z), (*foot, board_z + 0.0015), 0.004, GOLD)
    box(body, (0.036, 0.01, board_z + 0.003), (0.006, 0.009, 0.003), DARK)  # shows which way it points
