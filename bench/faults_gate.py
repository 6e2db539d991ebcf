"""Faults at the arm's gate; `make faults` finds every `fault_*` here.

An injection costs 0.6 s over DDS, 2 to 4 s where a process starts, 0.2 ms in process.
"""

import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.faults_gate_stops import (
    DETECT_MS,
    fault_3_gate,
    fault_16_gate,
    fault_22_commanders,
    fault_29_button,
    fault_29_estop,
    fault_29_lost,
    fault_29_service,
    note_wrong,
    silence,
)
from bench.gate_rig import LATE_S, GateRig, gate_rig
from bench.transport_rig import row
from sandlot.robots import gate, rotation
from sandlot.robots.arm.gate_limits import ArmCommand, offered
from sandlot.robots.arm.gate_node import LIMITS, wish_from
from sandlot.robots.arm.spec import MAX_WIDTH_M, Pose
from sandlot.robots.gate import GateConfig, GateState, Mode

__all__ = [
    "fault_3_gate",
    "fault_4_gate",
    "fault_16_gate",
    "fault_16_numbers",
    "fault_20_gate",
    "fault_22_commanders",
    "fault_22_gate",
    "fault_27_gate",
    "fault_29_button",
    "fault_29_estop",
    "fault_29_lost",
    "fault_29_service",
]

Row = dict[str, Any]
REFUSE_S = 2.0
HOUR_S = 3600.0
BAD = (np.nan, np.inf, -np.inf, 1e20, -1e20, 1e308, 5e-324)


def fault_4_gate(injections: int = 100, seed: int = 0) -> Row:
    """The gate is killed and started again: it is disarmed, and nothing leaves until it is armed."""
    rng, violations, back_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    with gate_rig() as rig:
        for _ in range(injections):
            rig.go()
            time.sleep(rng.uniform(0.0, 0.3))
            rig.kill()
            time.sleep(0.05)  # what it had sent has arrived
            count = len(rig.commands)
            rig.process = rig.start_gate()
            back_ms.append(1e3 * rig.until(lambda: rig.report.cause == "started", "is back"))
            rig.until(lambda: int(rig.report.values.get("rejected_not_armed", 0)) > 1, "hears actions")
            violations += rig.report.mode is not Mode.DISARMED or len(rig.commands) != count
    return row("4 gate killed, restarted disarmed", injections, violations, back_ms, "ms until it is back")


def fault_16_numbers(injections: int = 1_000_000, seed: int = 0) -> Row:
    """Numbers of all kinds through all that the gate decides, in process: none outside the limits leaves."""
    rng, violations, spent_us = np.random.default_rng(seed), 0, np.zeros(injections)
    cfg, limits = GateConfig(), LIMITS["arm_pick"]
    tool = Pose(limits.middle().position_m, limits.centre.copy())
    usual = np.array([*tool.position_m, 1.0, 0.0, 0.0, 0.0, 0.04])
    state: GateState[ArmCommand] = gate.arm(GateState(), 0.0, cfg).state
    for k in range(injections):
        now_s = 0.02 * k
        values = usual + rng.normal(0.0, 0.3, 8)
        values[3:7] /= np.linalg.norm(values[3:7])
        spoilt = rng.random(8) < (0.0, 0.3)[k % 2]
        values[spoilt] = rng.choice(BAD, int(spoilt.sum()))
        began_s = time.perf_counter()
        wish = wish_from(_message(values), b"a", 0.001, float(values[7]))
        action = offered(wish, state.command, now_s - state.action_s, tool, limits)
        decision = gate.offer(state, action, now_s, cfg)
        spent_us[k] = 1e6 * (time.perf_counter() - began_s)
        finite = bool(np.isfinite(values).all() and np.abs(values).max() < 10.0)
        if decision.command is not None:
            violations += not (finite and _allowed(decision.command, tool))
        state = gate.tick(decision.state, now_s, cfg).state
        if state.mode is Mode.STOPPED:
            state = gate.arm(state, now_s, cfg).state
    return row("16 bad numbers, in process", injections, violations, spent_us.tolist(), "us a decision")


def _message(values: np.ndarray) -> Any:
    """What has the fields of a PoseStamped."""
    x, y, z, qw, qx, qy, qz = map(float, values[:7])
    position, orientation = SimpleNamespace(x=x, y=y, z=z), SimpleNamespace(x=qx, y=qy, z=qz, w=qw)
    header = SimpleNamespace(frame_id="base", stamp=SimpleNamespace(sec=1, nanosec=0))
    return SimpleNamespace(header=header, pose=SimpleNamespace(position=position, orientation=orientation))


def _allowed(command: ArmCommand, tool: Pose) -> bool:
    """Whether a command lies in all limits of its task; the tool is in the middle of them."""
    limits, position = LIMITS["arm_pick"], command.pose.position_m
    in_box = bool(np.all(position >= limits.low_m) and np.all(position <= limits.high_m))
    near = float(np.linalg.norm(position - tool.position_m)) <= limits.lead_m + 1e-9
    tilt_rad = rotation.length(rotation.between(limits.centre, command.pose.rotation))
    grips = command.width_m is not None and 0.0 <= command.width_m <= MAX_WIDTH_M
    return in_box and near and tilt_rad <= min(limits.tilt_rad, limits.lead_rad) + 1e-6 and grips


def fault_20_gate(injections: int = 100, seed: int = 0) -> Row:
    """Everybody's wall clock jumps by an hour: no stop. Then silence and one more jump: no missed stop."""
    rng, violations, detected_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        clock = pathlib.Path(folder) / "clock"
        clock.write_bytes(np.float64(0.0).tobytes())
        with gate_rig(script=("-m", "bench.gate_with_clock", str(clock))) as rig:
            while len(detected_ms) < injections:
                rig.go()
                began_s = time.monotonic()
                for _ in range(3):
                    jump(rig, clock, rng.choice((-HOUR_S, 0.0, HOUR_S)))
                    time.sleep(rng.uniform(0.1, 0.4))
                if any(at_s > began_s for at_s, _ in rig.holds):
                    violations += rig.gap_s(began_s) < LATE_S
                    note_wrong(rig, [rig.report.cause], f"none, actions every {rig.gap_s(began_s):.3f} s")
                    continue
                silent_s = silence(rig)
                jump(rig, clock, rng.choice((-HOUR_S, 0.0, HOUR_S)))
                held_s, cause = rig.hold_after(silent_s)
                detected_ms.append(1e3 * (held_s - silent_s))
                violations += detected_ms[-1] > DETECT_MS or cause != gate.NO_ACTION
                note_wrong(rig, [cause], gate.NO_ACTION)
    return row("20 clock jumps by an hour", injections, violations, detected_ms, "ms to hold")


def jump(rig: GateRig, clock: pathlib.Path, ahead_s: float) -> None:
    """Sets the wall clock of the gate and of those around it."""
    with clock.open("r+b") as file:
        file.write(np.float64(ahead_s).tobytes())
    rig.wall_ahead_s = ahead_s


def fault_22_gate(injections: int = 100, seed: int = 0) -> Row:
    """A second gate for the same robot is refused, while the first goes on."""
    del seed  # nothing is random here
    violations, refused_ms = 0, list[float]()
    with gate_rig() as rig:
        for _ in range(injections):
            rig.go()
            moved_s = time.monotonic()
            second = subprocess.run(rig.argv, check=False, env=rig.env, capture_output=True, text=True)
            took_s = time.monotonic() - moved_s
            refused_ms.append(1e3 * took_s)
            one_line = "already runs" in second.stderr and second.stderr.count("\n") == 1
            violations += second.returncode != 2 or not one_line or took_s > REFUSE_S
            disturbed = any(at_s > moved_s for at_s, _ in rig.holds)
            violations += disturbed and rig.gap_s(moved_s) < LATE_S
    return row("22 second gate", injections, violations, refused_ms, "ms to refuse, its imports too")


def fault_27_gate(injections: int = 100, seed: int = 0) -> Row:
    """Two busy processes a core: the gate's period keeps p99.9 <= 1.5 x 20 ms, or the robot is stopped.

    An injection is a second under load; its value is the longest gap between two commands.
    """
    del seed
    gaps_ms, period_ms, stopped = list[float](), 0.0, 0
    busy = [sys.executable, "-c", "while True: sum(range(10**5))"]
    with gate_rig() as rig:
        rig.go()
        load = [subprocess.Popen(busy) for _ in range(2 * (os.cpu_count() or 1))]
        try:
            for _ in range(injections):
                if rig.report.mode is not Mode.ACTIVE:
                    rig.go()
                began, stops = len(rig.commands), int(rig.report.values["stops"])
                time.sleep(1.0)
                heard_s = np.array([c.heard_s for c in rig.commands[began:]])
                gaps_ms.append(1e3 * float(np.diff(heard_s).max()) if len(heard_s) > 1 else 1e3)
                period_ms = float(rig.report.values["period_p999_ms"])
                stopped += int(rig.report.values["stops"]) - stops
        finally:
            for process in load:
                process.kill()
                process.wait()
    name = f"27 starved: period p99.9 {period_ms:.1f} ms, {stopped} stops"
    violations = int(period_ms > 1.5 * 20.0 and not stopped)
    return row(name, injections, violations, gaps_ms, "ms between commands, longest in 1 s")
