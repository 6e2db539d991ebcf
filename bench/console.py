"""The operator's page beside a robot: first picture, rate, and the actor's rhythm with the page and without.

A simulated arm over ROS 2 with two cameras of 640x480 at 30 Hz is stepped at 10 Hz: without `sandlot
console`, with it while nobody looks, and with a viewer that looks at everything, as a phone would from
outside. Spans take turns, so that whatever else the machine does is in all. `python -m bench.console` prints
the rows.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from tests.robots.console.rig import Server, write_run
from websockets.sync.client import connect

from bench.cameras import CAMERAS, _start
from bench.ros_arm_rig import ROOT, RosArmRig
from sandlot.learners import envs
from sandlot.learners.errors import NotReadyError

SPAN_S, TURNS = 15.0, 4
OPEN, CLOSED, NONE = "open", "closed", "none"
PERIOD_S = 0.1
POLLS_S = {"": 1.0, "/newest": 1.0, "/waiting": 3.0, "/curves": 5.0, "/episodes": 5.0}
"""What the page asks of the shown run, and how often."""
RESET_S = 3.0
WITHIN_S = 60.0


def measure() -> list[dict[str, Any]]:
    """All rows; about four minutes."""
    periods: dict[str, list[float]] = {OPEN: [], CLOSED: [], NONE: []}
    seen: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rig = stack.enter_context(RosArmRig(folder))
        write_run(folder / "runs" / "first")
        for name in CAMERAS:
            camera = stack.enter_context(_start(rig, name))
            stack.callback(camera.terminate)
        env = envs.make(rig.task, robot="ros", cameras=CAMERAS)
        stack.callback(env.close)
        rig.reset(env, 0)
        for _ in range(TURNS):
            periods[NONE] += _periods(rig, env)
            with Server(folder, ros=True, env=rig.env) as server:
                server.login()
                server.until("/runs", bool)
                periods[CLOSED] += _periods(rig, env)
                with _viewer(server, seen):
                    periods[OPEN] += _periods(rig, env)
    first_s, hz = max(v["first_s"] for v in seen), min(v["hz"] for v in seen)
    rows = [
        _row("console_first_picture", (first_s, "s"), ("bar", 2.0), len(seen)),
        _row("console_rate", (hz, "Hz"), ("bar", 10.0), sum(v["pictures"] for v in seen)),
    ]
    for share in (50, 99):
        alone_ms = _jitter_ms(periods[NONE], share)
        for name in (OPEN, CLOSED):
            value = _jitter_ms(periods[name], share), "ms"
            figure = f"console_actor_jitter_p{share}_page_{name}"
            rows.append(_row(figure, value, ("no console", alone_ms), len(periods[name])))
    return rows


def _periods(rig: RosArmRig, env: envs.Env) -> list[float]:
    """Times between two steps over a span; a reset between two episodes is not a period."""
    still = np.zeros(env.action_space.shape or (), np.float32)
    rig.reset(env, 0)
    until_s, last_s, found = time.monotonic() + SPAN_S, 0.0, []
    while time.monotonic() < until_s:
        try:
            _, _, terminated, truncated, _ = env.step(still)
        except NotReadyError:  # a machine that is too busy stops the robot, as it must
            terminated = True
        now_s = time.monotonic()
        if last_s:
            found.append(now_s - last_s)
        last_s = now_s
        if terminated or truncated:
            rig.reset(env, 0)
            last_s = 0.0
    return found


def _jitter_ms(periods: list[float], share: float) -> float:
    return float(np.percentile(np.abs(np.array(periods) - PERIOD_S), share) * 1e3)


@contextlib.contextmanager
def _viewer(server: Server, seen: list[dict[str, Any]]) -> Iterator[None]:
    """A viewer in a process of its own; notes what it saw."""
    told = json.dumps([server.site, server.cookie])
    argv = [sys.executable, "-m", "bench.console", "viewer", told]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as viewer:
        try:
            yield
        finally:
            out, _ = viewer.communicate(timeout=WITHIN_S)
    seen.append(json.loads(out))


def look(site: str, cookie: str) -> dict[str, Any]:
    """Opens the page and looks at every camera and at a run, for one span and the reset before it."""
    import http.client

    host = site.partition("//")[2]
    connection = http.client.HTTPConnection(host, timeout=WITHIN_S)

    def ask(path: str) -> None:
        connection.request("GET", path, headers={"Cookie": cookie})
        connection.getresponse().read()

    began_s = time.monotonic()
    ask("/")
    times: dict[str, list[float]] = {}
    due_s = dict.fromkeys(POLLS_S, began_s)
    headers = {"Origin": site, "Cookie": cookie}
    with connect(f"ws://{host}/live", additional_headers=headers, open_timeout=WITHIN_S) as live:
        while (now_s := time.monotonic()) < began_s + SPAN_S + RESET_S:
            for path, when_s in due_s.items():
                if times and now_s >= when_s:
                    due_s[path] = now_s + POLLS_S[path]
                    ask(f"/runs/first{path}")
            with contextlib.suppress(TimeoutError):
                said = live.recv(0.2)
                if isinstance(said, str):
                    if not times:
                        live.send(json.dumps({"watch": json.loads(said)["cameras"]}))
                else:
                    name = said[1 : 1 + said[0]].decode()
                    times.setdefault(name, []).append(time.monotonic())
                    live.send(json.dumps({"saw": name}))
    return {
        "first_s": max(t[0] for t in times.values()) - began_s,
        "hz": min((len(t) - 1) / (t[-1] - t[0]) for t in times.values()),
        "pictures": sum(map(len, times.values())),
    }


def _row(figure: str, value: tuple[float, str], against: tuple[str, float], runs: int) -> dict[str, Any]:
    """One line of `bench/latest.json`."""
    return {
        "figure": figure,
        "value": value[0],
        "unit": value[1],
        "against": against[0],
        "against_value": against[1],
        "ratio": value[0] / max(against[1], 1e-9),
        "runs": runs,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["viewer"]:
        sys.stdout.write(json.dumps(look(*json.loads(sys.argv[2]))))
    else:
        for line in measure():
            sys.stdout.write(json.dumps(line) + "\n")
