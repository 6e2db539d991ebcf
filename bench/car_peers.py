"""Who takes part in the car's stops, each a process: `python -m bench.car_peers vesc` and `... driver PORT`.

The VESC is emulated and says when it begins to brake, by the clock that processes share. The driver is the
device behind the gate's and the deadman's rules in one loop, as a node has them. Both obey words on stdin.
"""

import itertools
import json
import math
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from sandlot.learners import process
from sandlot.robots import gate
from sandlot.robots.car import deadman
from sandlot.robots.car.deadman import DeadmanConfig
from sandlot.robots.car.device_vesc import Config, VescCar, make
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.errors import DeviceError
from sandlot.robots.gate import GateConfig, Mode, Offer
from sandlot.robots.vesc import protocol
from sandlot.robots.vesc.emulator import Emulator
from sandlot.robots.vesc.motor import ERPM_PER_MPS, MotorConfig
from sandlot.robots.vesc.protocol import Command

FAST_MPS = 3.0
TIMEOUT_S, TIMEOUT_BRAKE_A = 0.08, 20.0
"""What the device's documentation asks for."""
GATE = GateConfig(deadline_s=0.25, fresh_s=0.1, operator_timeout_s=0.06)
PERIOD_S, ACTION_S = 0.02, 0.1
BUTTONS = {"go": (1,), "release": (0,)}
DEADMAN = DeadmanConfig(button=0)


class Witness(Emulator):
    """A VESC that prints what its motor is told, and how fast it is, whenever that changes."""

    def __init__(self) -> None:
        super().__init__(MotorConfig(timeout_s=TIMEOUT_S, timeout_brake_a=TIMEOUT_BRAKE_A))
        self._deaf = False
        self._said: tuple[str, str] = ("", "")
        self._driven_s = 0.0

    def hear(self, data: bytes, now_s: float) -> Iterable[bytes]:
        """Answers, and notes when it was last told to drive; with its cable out it hears nothing."""
        if self._deaf:
            return []
        before = self.heard[Command.SET_RPM]
        answers = list(super().hear(data, now_s))
        if self.heard[Command.SET_RPM] > before:
            self._driven_s = now_s
        self._say(now_s)
        return answers

    def advance(self, now_s: float) -> None:
        """Moves on and says what is new."""
        super().advance(now_s)
        self._say(now_s)

    def _say(self, now_s: float) -> None:
        command, value = self.motor.command
        told = "brake" if command == Command.SET_BRAKE and value > 0.0 else "free"
        told = "drive" if command == Command.SET_RPM else told
        fast = abs(self.motor.erpm) > 0.97 * FAST_MPS * ERPM_PER_MPS
        pace = "stands" if self.motor.erpm == 0.0 else "fast" if fast else "slow"
        if (told, pace) != self._said:
            self._said = told, pace
            event = {"at_s": now_s, "told": told, "pace": pace, "driven_s": self._driven_s}
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()

    def obey(self, words: Iterable[str]) -> None:
        """`fault N`, `deaf`, `hears`."""
        for line in words:
            word, *number = line.split()
            with self.lock:
                if word == "fault":
                    self.motor.fault = int(number[0])
                self._deaf = word == "deaf"


def serve_vesc() -> int:
    """Serves the VESC until it is ended."""
    process.take_precedence(2)
    vesc = Witness()
    threading.Thread(target=vesc.obey, args=(sys.stdin,), daemon=True).start()
    return vesc.serve()


class Driver:
    """Commands the car at 50 Hz through the gate, with an action every 100 ms; a word makes it go wrong."""

    def __init__(self, car: VescCar) -> None:
        self._car, self._gate = car, gate.GateState[CarCommand]()
        self._word, self._action_s = "", -math.inf

    def step(self, word: str) -> None:
        """One period after this word."""
        now_s = time.monotonic()
        if word:
            self._word = word
            self._begin(word, now_s)
        if self._word == "reads only":
            pass
        elif self._word == "servo only":
            with self._car._wake:
                self._car._opened().send(protocol.set_servo(0.6))
        elif self._word:
            self._tick(now_s)
        try:
            fault = self._car.read(now_s).fault
        except DeviceError as error:
            fault = str(error)
        if fault:
            self._do(gate.stop(self._gate, fault, now_s), now_s)

    def _begin(self, word: str, now_s: float) -> None:
        if word == "go":
            self._gate = gate.hear_operator(self._gate, now_s, GATE).state
            self._gate = gate.arm(self._gate, now_s, GATE).state
        elif word == "hold":
            self._do(gate.stop(self._gate, "asked to", now_s), now_s)
        elif word == "not a number":
            try:
                self._car.command(CarCommand(math.nan, 0.0), now_s)
            except DeviceError as error:
                self._do(gate.stop(self._gate, str(error), now_s), now_s)

    def _tick(self, now_s: float) -> None:
        """Joystick, action, gate, device."""
        if self._word in BUTTONS:
            heard = deadman.hear(self._gate, BUTTONS[self._word], now_s, GATE, DEADMAN)
            self._do(heard, now_s)
        if now_s - self._action_s >= ACTION_S:
            self._action_s = now_s
            offer = Offer(b"actor", 0.0, CarCommand(FAST_MPS, 0.1))
            self._gate = gate.offer(self._gate, offer, now_s, GATE).state
        self._do(gate.tick(self._gate, now_s, GATE), now_s)

    def _do(self, decision: gate.Decision[CarCommand], now_s: float) -> None:
        self._gate = decision.state
        try:
            if decision.hold or self._gate.mode is Mode.STOPPED:
                self._car.hold(now_s)
            elif decision.command is not None:
                self._car.command(decision.command, now_s)
        except DeviceError as error:
            self._gate = gate.stop(self._gate, str(error), now_s).state


def words() -> Iterator[str]:
    """A line of stdin every period, "" where none came."""
    next_s = time.monotonic()
    for _ in itertools.count():
        next_s = max(next_s + PERIOD_S, time.monotonic())
        if select.select([sys.stdin], [], [], max(0.0, next_s - time.monotonic()))[0]:
            line = sys.stdin.readline()
            if not line:
                return
            yield line.strip()
        else:
            yield ""


def drive(port: str) -> int:
    """Drives until stdin ends."""
    process.take_precedence()
    car = make(Config(port=port))
    car.connect()
    driver = Driver(car)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    for word in words():
        driver.step(word)
    car.close()
    return 0


def main(argv: list[str]) -> Any:
    """Plays one part."""
    return serve_vesc() if argv[0] == "vesc" else drive(argv[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
