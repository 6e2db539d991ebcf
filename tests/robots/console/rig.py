"""What the page's tests stand on: a small run with pictures, and the real server in a process of its own."""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import numpy as np

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.learners.progress import write_status
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch

ROOT = pathlib.Path(__file__).parents[3]
SPEC = EnvSpec(
    task="rig",
    state=(Entry("q", 2),),
    images={"wrist": (48, 64, 3), "side": (32, 32, 3)},
    action=(Entry("u", 2),),
    control_hz=10.0,
    max_episode_steps=20,
)
LENGTH = 5
WITHIN_S = 60.0


def episodes(first: int, outcomes: list[bool], *, human: int = 0) -> Batch:
    """Episodes of five steps; a person takes the last `human` steps of each."""
    count = LENGTH * len(outcomes)
    steps = np.zeros(count, step_dtype(SPEC))
    numbers = first + np.arange(count)
    steps["step"], steps["episode"], steps["discount"] = numbers, numbers // LENGTH, 1.0
    within = numbers % LENGTH
    by_person = within >= LENGTH - human
    steps["segment"] = 2 * (numbers // LENGTH) + by_person
    steps["source"] = np.where(by_person, Source.HUMAN, Source.POLICY)
    steps["action"] = np.sin(numbers)[:, None]
    steps["image.wrist"] = (40 * within)[:, None, None, None]
    steps["image.wrist"][:, :, :24] = (200, 60, 20)
    steps["image.side"] = 90
    last = steps[LENGTH - 1 :: LENGTH]
    last["flags"] = [
        Flag.END | (Flag.TERMINATED | Flag.SUCCESS if won else Flag.TRUNCATED) for won in outcomes
    ]
    last["reward"] = outcomes
    last["discount"] = [0.0 if won else 1.0 for won in outcomes]
    if human:
        steps["flags"][within == LENGTH - human - 1] = Flag.END  # the person takes over
    ended = steps[steps["flags"] & Flag.END != 0]
    finals = np.zeros(len(ended), obs_dtype(SPEC))
    finals["step"] = ended["step"]
    return Batch(Stream("actor-0", "life"), steps, finals)


def write_run(folder: pathlib.Path, *, state: str = "learning") -> pathlib.Path:
    """A run of six episodes, four of them successes, two with a person's help, whose learner just spoke."""
    with RunStore.open(folder, SPEC) as store:
        store.append([episodes(0, [False, False, True, True])])
        store.append([episodes(20, [True, True], human=2)])
        store.add_metrics(30, {"ratio_wanted": 4.0, "ratio_reached": 3.9, "elapsed_s": 12.0})
        store.add_event("resumed", "<b>after a crash</b>")
        store.flush()
    status = {
        "run": folder.name, "task": "rig", "state": state, "env_steps": 30, "total_steps": 100, "episodes": 6,
        "success_50": 4 / 6, "updates_per_s": 12.0, "alarms": ["the disk is full"],
        "actors": {"actor-0": {"heard_s": 0.1, "steps": 30.0, "policy_age_s": 0.5, "spool_full": 0.0}},
    }  # fmt: skip
    write_status(folder / "status.json", status)
    return folder


class Server:
    """`sandlot console` as a person starts it, at a free port.

    Args:
        folder: where it runs; its runs are in `folder/runs`.
        ros: let it find ROS 2.
        flags: more of its command line.
        env: environment beyond this one's.
    """

    def __init__(
        self, folder: pathlib.Path, *flags: str, ros: bool = False, env: dict[str, str] | None = None
    ) -> None:
        paths = [str(ROOT / "src")]
        if not ros:
            without = folder / "without_ros"
            without.mkdir(exist_ok=True)
            (without / "rclpy.py").write_text("raise ImportError('librcl.so is missing')\n")
            paths.insert(0, str(without))
        environment = {**os.environ, **(env or {}), PARENT_VARIABLE: str(os.getpid())}
        self.log = folder / "console.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandlot", "console", "--port", "0", *flags],
                cwd=folder,
                env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.url = self.process.stdout.readline().strip() if self.process.stdout else ""
        if not self.url:
            self.close()
            raise RuntimeError(self.log.read_text())
        self.site, _, self.token = self.url.partition("/#")
        self.host = self.site.partition("//")[2]
        self.cookie = self.csrf = ""

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, as SIGTERM does."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=15.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        **headers: str | None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a request as a browser of our session sends it; None leaves one out."""
        sent: dict[str, str | None] = {"Host": self.host}
        if method != "GET":
            sent |= {"Origin": self.site, "X-CSRF-Token": self.csrf or None}
        if self.cookie:
            sent["Cookie"] = self.cookie
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = http.client.HTTPConnection(self.host, timeout=WITHIN_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, *args: Any, **headers: str | None) -> tuple[int, Any]:
        """Status and value."""
        status, _, body = self.ask(method, path, *args, **headers)
        return status, json.loads(body)

    def login(self) -> None:
        """Opens a session with the printed token."""
        status, headers, _ = self.ask("POST", "/login", {"token": self.token})
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]
        _, _, page = self.ask("GET", "/")
        self.csrf = page.decode().partition('name="csrf" content="')[2].partition('"')[0]

    def until(self, path: str, true: Any) -> Any:
        """The first answer to GET `path` of which `true` holds; its process may still be starting."""
        until_s = time.monotonic() + WITHIN_S
        while True:
            status, value = self.json("GET", path)
            if status == 200 and true(value):
                return value
            assert time.monotonic() < until_s, (status, value)
            time.sleep(0.02)
