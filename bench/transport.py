"""Transport between two processes on loopback: steps/s, round trips, weights; beside a pickle + lz4 loop.

Steps carry two 128x128 cameras and travel in batches of 10. `python -m bench.transport` prints the rows.
"""

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.transport_peers import BATCH

RUNS = 3
BATCHES = 300
OUTSTANDING = 4
LIVE_HZ = 5.0
"""Batches a second of a robot at 50 Hz."""
LIVE_BATCHES = 150
VERSIONS = 150
FULL_SPEED = {"hz": 0.0, "outstanding": OUTSTANDING}


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def _start(role: str, address: str, **settings: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.transport_peers", role, address, json.dumps(settings)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _pair(serve: tuple[str, dict[str, Any]], call: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Runs a serving and a calling process; returns what the caller measured."""
    address = _free_address()
    server = _start(serve[0], address, **serve[1])
    caller = _start(call[0], address, **call[1])
    try:
        output, _ = caller.communicate(timeout=120)
        server.communicate(timeout=30)
    finally:
        caller.kill()
        server.kill()
    return json.loads(output.splitlines()[-1])


def _steps(folder: Path | None, **settings: Any) -> dict[str, Any]:
    """One run of our actor against our learner; durable at both ends when there is a folder."""
    run, spool = (str(folder / "run"), str(folder / "spool")) if folder else (None, None)
    return _pair(("learner", {"folder": run, "versions": 0}), ("actor", {"spool": spool, **settings}))


def _durable(**settings: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:  # a disk, where /tmp may be memory
        return _steps(Path(folder), **settings)


def _row(figure: str, values: list[float], unit: str, against: str, other: float) -> dict[str, Any]:
    value = float(np.median(values))
    return {
        "figure": figure,
        "value": value,
        "unit": unit,
        "against": against,
        "against_value": other,
        "ratio": value / other,
        "runs": len(values),
    }


def _rates() -> list[dict[str, Any]]:
    """Steps/s, the three loops taking turns so that whatever else the machine does disturbs all alike."""
    rates: dict[str, list[float]] = {"durable": [], "memory": [], "pickle": []}
    trips_ms, calls_ms = list[float](), list[float]()
    for _ in range(RUNS):
        result = _durable(batches=BATCHES, **FULL_SPEED)
        rates["durable"].append(BATCHES * BATCH / result["seconds"])
        trips_ms += result["trips_ms"]
        calls_ms += result["calls_ms"]
        rates["memory"].append(BATCHES * BATCH / _steps(None, batches=BATCHES, **FULL_SPEED)["seconds"])
        peer = _pair(("pickle_server", {"batches": BATCHES}), ("pickle_client", {"batches": BATCHES}))
        rates["pickle"].append(BATCHES * BATCH / peer["seconds"])
    other = float(np.median(rates["pickle"]))
    loop, p99 = "pickle+lz4 REQ/REP with next_obs", float(np.percentile(trips_ms, 99))
    return [
        _row("transport_durable", rates["durable"], "steps/s", "bar", 1000.0),
        _row("transport_durable_vs_pickle", rates["durable"], "steps/s", f"{loop}, not durable", other),
        _row("transport_memory", rates["memory"], "steps/s", loop, other),
        _row(f"transport_batch_p99_full_speed_{OUTSTANDING}_outstanding", [p99], "ms", "bar when live", 10.0),
        _row("transport_send_call_p99", [float(np.percentile(calls_ms, 99))], "ms", "bar", 1.0),
    ]


def measure() -> list[dict[str, Any]]:
    """All rows; about two and a half minutes."""
    rows = _rates()
    live = [_durable(batches=LIVE_BATCHES, hz=LIVE_HZ, outstanding=1)["trips_ms"] for _ in range(RUNS)]
    p99 = [float(np.percentile(trips_ms, 99)) for trips_ms in live]
    rows.append(_row("transport_batch_p99_live_50hz", p99, "ms", "bar", 10.0))
    weights = [
        _pair(("learner", {"folder": None, "versions": VERSIONS}), ("receiver", {"versions": VERSIONS}))[
            "ages_ms"
        ]
        for _ in range(RUNS)
    ]
    p99 = [float(np.percentile(ages_ms, 99)) for ages_ms in weights]
    rows.append(_row("transport_weights_1mb_p99", p99, "ms", "bar", 4.0))
    return rows


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
