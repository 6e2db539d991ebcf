"""What must stop the robot at its gate, and how soon: a real gate process, real DDS."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from bench.gate_rig import GateRig, Peer, gate_rig
from bench.transport_rig import row
from sandlot.robots import gate, ros_node
from sandlot.robots.arm import topics
from sandlot.robots.gate import Mode
from sandlot.robots.teleop.mapping import Button
from sandlot.robots.topics import ESTOP

from std_msgs.msg import Bool  # isort: skip

log = logging.getLogger(__name__)

Row = dict[str, Any]
Inject = Callable[[GateRig], float]
"""Injects a fault; returns the moment that its delay counts from."""

DETECT_MS = 150.0
OPERATOR_MS = 20.0
UNDER_WAY_S = 0.02
OPERATOR_TIMEOUT_S = 0.3


def stops(
    rig: GateRig,
    inject: Inject,
    injections: int,
    seed: int,
    *,
    name: str,
    cause: str,
    limit_ms: float,
) -> Row:
    """The robot moves, the fault comes at a random moment: hold in time, for this cause, and latched."""
    rng, violations, held_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    while len(held_ms) < injections:
        rig.down = frozenset()
        rig.go()
        time.sleep(rng.uniform(0.0, 0.3))
        if rig.report.mode is not Mode.ACTIVE:
            continue  # this machine made the commander late: nothing to stop
        began_s = inject(rig)
        held_s, said = rig.hold_after(began_s)
        if said != cause and rig.stopped_itself(said):
            continue
        held_ms.append(1e3 * (held_s - began_s))
        violations += said != cause or held_ms[-1] > limit_ms
        violations += moved_after(rig, held_s)
        note_wrong(rig, [said], cause)
        rig.commands.clear()
    return row(name, injections, violations, held_ms, "ms to hold")


def note_wrong(rig: GateRig, causes: list[str], expected: str) -> None:
    """Tells why the gate stopped when it was for another reason than the injected one."""
    for cause in causes:
        if cause != expected:
            log.warning("event=wrong_stop cause=%r expected=%r state=%s", cause, expected, rig.report)


def moved_after(rig: GateRig, held_s: float) -> bool:
    """Whether a command left the gate after it said hold, although actions go on."""
    rig.commanding = True
    time.sleep(0.25)
    return any(c.heard_s > held_s + UNDER_WAY_S for c in rig.commands)


def silence(rig: GateRig) -> float:
    """The commander falls silent; returns when it last spoke."""
    rig.commanding = False
    time.sleep(0.002)
    return rig.acted_s


def fault_3_gate(injections: int = 100, seed: int = 0) -> Row:
    """The commander falls silent."""
    with gate_rig() as rig:
        return stops(
            rig,
            silence,
            injections,
            seed,
            name="3 commander silent",
            cause=gate.NO_ACTION,
            limit_ms=DETECT_MS,
        )


def fault_16_gate(injections: int = 100, seed: int = 0) -> Row:
    """The commander sends nothing but bad numbers."""
    kinds: list[dict[str, float]] = [{"x": float("nan")}, {"qw": float("inf")}, {"z": 1e20}, {"y": -1e308}]

    def spoil(rig: GateRig) -> float:
        last_s = silence(rig)
        while not any(at_s >= last_s for at_s, _ in rig.holds) and time.monotonic() < last_s + 2.0:
            rig.act(**random.choice(kinds))  # noqa: S311
            time.sleep(0.02)
        if any(abs(x) > 1.0 for c in rig.commands for x in c.position_m):
            raise RuntimeError(f"a bad number left the gate: {rig.commands}")
        return last_s

    with gate_rig() as rig:
        return stops(
            rig,
            spoil,
            injections,
            seed,
            name="16 bad numbers, over DDS",
            cause=gate.NO_ACTION,
            limit_ms=DETECT_MS,
        )


def fault_22_commanders(injections: int = 100, seed: int = 0) -> Row:
    """A second commander sends one action."""
    with gate_rig() as rig, rig.stranger("intruder") as intruder:
        poses = ros_node.publisher(intruder.node, topics.ACTION_POSE)
        rig.until(lambda: poses.get_subscription_count() > 0, "is connected")

        def meddle(rig: GateRig) -> float:
            rig.act(by=poses)
            return rig.acted_s

        name = "22 two commanders"
        return stops(rig, meddle, injections, seed, name=name, cause=gate.TWO_COMMANDERS, limit_ms=DETECT_MS)


def fault_29_service(injections: int = 100, seed: int = 0) -> Row:
    """`~/stop` is called."""

    def call(rig: GateRig) -> float:
        began_s = time.monotonic()
        rig.call("stop")
        return began_s

    with gate_rig() as rig:
        return stops(
            rig, call, injections, seed, name="29 stop service", cause="stop service", limit_ms=OPERATOR_MS
        )


def fault_29_button(injections: int = 100, seed: int = 0) -> Row:
    """The stop button of the person's device."""

    def press(rig: GateRig) -> float:
        rig.down = frozenset({Button.STOP})
        rig.send_joy()
        return rig.joy_s

    with gate_rig() as rig:
        return stops(
            rig, press, injections, seed, name="29 stop button", cause="stop button", limit_ms=OPERATOR_MS
        )


def fault_29_estop(injections: int = 100, seed: int = 0) -> Row:
    """The emergency stop; while it is pressed nobody can arm."""
    with gate_rig() as rig, rig.stranger("panel") as panel:
        press = _button(rig, panel)
        return stops(
            rig, press, injections, seed, name="29 e-stop", cause=gate.ESTOP_PRESSED, limit_ms=OPERATOR_MS
        )


def _button(rig: GateRig, panel: Peer) -> Inject:
    button = ros_node.publisher(panel.node, ESTOP)
    rig.until(lambda: button.get_subscription_count() == 2, "is wired")

    def press(rig: GateRig) -> float:
        began_s = time.monotonic()
        button.publish(Bool(data=True))
        rig.hold_after(began_s)
        if rig.call("arm")[0]:
            raise RuntimeError("it was armed while the e-stop was pressed")
        button.publish(Bool(data=False))
        return began_s

    return press


def fault_29_lost(injections: int = 100, seed: int = 0) -> Row:
    """The person's device falls silent: within 20 ms of its time-out."""

    def unplug(rig: GateRig) -> float:
        rig.present = False
        time.sleep(0.002)
        silent_s = rig.joy_s
        rig.hold_after(silent_s)
        rig.present = True
        return silent_s

    limit_ms = 1e3 * OPERATOR_TIMEOUT_S + OPERATOR_MS
    name = f"29 device unplugged, time-out {OPERATOR_TIMEOUT_S:g} s"
    with gate_rig(operator_timeout_s=OPERATOR_TIMEOUT_S) as rig:
        rig.present = True
        return stops(rig, unplug, injections, seed, name=name, cause=gate.OPERATOR_LOST, limit_ms=limit_ms)
