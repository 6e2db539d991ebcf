"""The checks of `sandlot doctor`: each is a function that returns one `Check` and raises nothing.

What may crash a process (JAX, OpenGL) is tried in a process of its own.
"""

import enum
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import numpy as np
import psutil
import zmq

from sandlot.learners import machine

LEAST_PYTHON = (3, 11)
LEAST_CORES, LEAST_MEMORY_GIB, LEAST_DISK_GB = 2, 4.0, 5.0
MOST_JITTER_MS = 5.0
TRY_S = 120.0

JAX_TRY = """
import jax
assert float(jax.jit(lambda x: (x @ x).sum())(jax.numpy.ones((8, 8)))) == 512.0
print(f"{jax.devices()[0].platform}, {len(jax.devices())} device(s)")
"""
RENDER_TRY = """
import time
from sandlot.learners import envs
env = envs.make(next(iter(envs.tasks())), render=True)
env.reset(seed=0)
env.render()
start_s = time.perf_counter()
frame = env.render()
print(f"{frame.shape[1]} x {frame.shape[0]} pixels in {1e3 * (time.perf_counter() - start_s):.0f} ms")
"""


class Grade(enum.StrEnum):
    """How a check went; only MISSING makes the doctor fail."""

    OK = "ok"
    NOTE = "note"  # works, but not as well as it could; or an option that is not installed
    MISSING = "missing"


class Check(NamedTuple):
    """One finding; `fix` is the command or the step that mends it, empty when nothing is to do."""

    name: str
    grade: Grade
    found: str
    fix: str = ""


def python() -> Check:
    """The interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= LEAST_PYTHON:
        return Check("python", Grade.OK, version)
    least = ".".join(map(str, LEAST_PYTHON))
    return Check(
        "python", Grade.MISSING, f"{version}, needs {least} or newer", f"apt-get install python{least}-venv"
    )


def packages() -> Check:
    """Every dependency of the base install, in a version that is new enough."""
    try:
        wanted = importlib.metadata.requires("sandlot") or []
    except importlib.metadata.PackageNotFoundError:
        return Check("packages", Grade.MISSING, "sandlot is not installed in this Python", "pip install -e .")
    base = [_requirement(text) for text in wanted if "extra ==" not in text]
    lacking = [name for name, least in base if _release(machine.version_of(name)) < _release(least)]
    if lacking:
        found = ", ".join(f"{name} {machine.version_of(name) or 'is not there'}" for name in lacking)
        return Check("packages", Grade.MISSING, found, "pip install -e .")
    some = ", ".join(f"{name} {machine.version_of(name)}" for name in ("jax", "mujoco", "numpy"))
    return Check("packages", Grade.OK, f"all {len(base)}: {some}, ...")


def jax_works() -> Check:
    """Whether JAX compiles and computes."""
    good, said = attempt(JAX_TRY)
    if good:
        return Check("jax", Grade.OK, said)
    return Check(
        "jax", Grade.MISSING, f"does not compute: {said}", "pip install --force-reinstall jax jaxlib"
    )


def disk(folder: pathlib.Path) -> Check:
    """Free space where runs are written."""
    free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
    found = f"{free_gb:.0f} GB free for {folder}/"
    if free_gb >= LEAST_DISK_GB:
        return Check("disk", Grade.OK, found)
    return Check(
        "disk", Grade.NOTE, found, f"free some space: a run with cameras needs {LEAST_DISK_GB:.0f} GB or more"
    )


def durable_write(folder: pathlib.Path) -> Check:
    """Whether runs can be written, and how long the disk takes to make a write durable."""
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            times_ms = [_synced_write_ms(file.fileno()) for _ in range(20)]
    except OSError as err:
        return Check(
            "run folder", Grade.MISSING, f"{place}/ cannot be written: {err.strerror}", f"chmod u+w {place}"
        )
    return Check(
        "run folder", Grade.OK, f"{place}/ is writable; a durable write takes {np.median(times_ms):.1f} ms"
    )


def curve() -> Check:
    """Whether ZeroMQ can encrypt links to other machines."""
    if zmq.has("curve"):
        return Check("encryption", Grade.OK, f"ZeroMQ {zmq.zmq_version()} with CURVE")
    found = "ZeroMQ has no CURVE: links beyond this machine will be refused"
    return Check("encryption", Grade.NOTE, found, "pip install --force-reinstall --no-cache-dir pyzmq")


def clock() -> Check:
    """Whether the clock of the control loop is steady, and how late this machine wakes up."""
    late_ms = []
    for _ in range(50):
        start_s = time.monotonic()
        time.sleep(0.001)
        late_ms.append(1e3 * (time.monotonic() - start_s) - 1.0)
    p99_ms = float(np.percentile(late_ms, 99))
    if min(late_ms) < -1.0 or not time.get_clock_info("monotonic").monotonic:
        return Check(
            "clock",
            Grade.MISSING,
            "the monotonic clock runs backwards",
            "update the kernel or the hypervisor",
        )
    if p99_ms > MOST_JITTER_MS:
        fix = "stop other programs, or set `cpupower frequency-set -g performance`"
        return Check("clock", Grade.NOTE, f"steady, but wakes up to {p99_ms:.1f} ms late", fix)
    return Check("clock", Grade.OK, f"steady; wakes up {p99_ms:.2f} ms late (p99)")


def cores() -> Check:
    """Processor cores this process may use."""
    usable = len(os.sched_getaffinity(0))
    found = f"{usable} of {machine.cpu_model()}"
    if usable >= LEAST_CORES:
        return Check("cores", Grade.OK, found)
    return Check(
        "cores", Grade.NOTE, found, f"{LEAST_CORES} let the actor run beside the learner; training is slower"
    )


def memory() -> Check:
    """Memory that is free for the replay."""
    free_gib = psutil.virtual_memory().available / 2**30
    found = f"{free_gib:.1f} GiB available"
    if free_gib >= LEAST_MEMORY_GIB:
        return Check("memory", Grade.OK, found)
    return Check("memory", Grade.NOTE, found, "stop other programs, or lower --capacity")


def port_free(port: int) -> Check:
    """Whether the learner's port can be taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            fix = f"find who has it: ss -ltnp 'sport = :{port}'; or choose another with --port"
            return Check("port", Grade.NOTE, f"{port} is in use", fix)
    return Check("port", Grade.OK, f"{port} is free")


def rendering() -> Check:
    """Whether pictures can be rendered without a display; training from state needs none."""
    good, said = attempt(RENDER_TRY)
    if good:
        return Check("rendering", Grade.OK, said)
    return Check("rendering", Grade.NOTE, f"no pictures: {said}", "apt-get install libegl1 libgl1 libosmesa6")


def option(module: str, package: str, install: str, purpose: str) -> Check:
    """A package that is not required."""
    if importlib.util.find_spec(module):
        return Check(module, Grade.OK, machine.version_of(package) or "installed")
    return Check(module, Grade.NOTE, f"not installed; optional, {purpose}", install)


def ros() -> Check:
    """Whether ROS 2 is there; only hardware over topics needs it."""
    if importlib.util.find_spec("rclpy"):
        return Check("ROS 2", Grade.OK, os.environ.get("ROS_DISTRO") or "rclpy is installed")
    places = sorted(pathlib.Path("/opt/ros").glob("*/setup.bash"))
    fix = f"source {places[-1]}" if places else "pip install 'sandlot[ros]'"
    return Check("ROS 2", Grade.NOTE, "not found; optional, for `sandlot up` and real robots", fix)


def gpu() -> Check:
    """Whether there is a GPU that JAX can use; everything works without."""
    if not shutil.which("nvidia-smi"):
        return Check("GPU", Grade.OK, "none; a processor is enough")
    name = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if machine.version_of("jax-cuda12-plugin") or machine.version_of("jax-cuda13-plugin"):
        return Check("GPU", Grade.OK, name)
    return Check(
        "GPU", Grade.NOTE, f"{name or 'found'}, but JAX does not use it", "pip install 'jax[cuda12]'"
    )


def attempt(code: str, timeout_s: float = TRY_S) -> tuple[bool, str]:
    """Runs Python code in a process of its own: whether it ended well, and the last line it wrote."""
    import sandlot  # noqa: PLC0415  (the package itself, for its path)

    root = str(pathlib.Path(sandlot.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {timeout_s:.0f} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    said = lines[-1] if lines else f"it ended with code {done.returncode}"
    return done.returncode == 0, re.sub(r"^[\w.]+(Error|Exception): ", "", said)


def _requirement(text: str) -> tuple[str, str]:
    """Name and least version of a dependency such as `mujoco<4,>=3.5`; "0" when it asks for none."""
    name = re.match(r"[A-Za-z0-9._-]+", text)
    least = re.search(r">=\s*([0-9.]+)", text)
    return (name.group() if name else text), (least.group(1) if least else "0")


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, comparable; empty, and so less than any, when there is none."""
    return tuple(int(n) for n in re.findall(r"\d+", version.partition("+")[0])[:3])


def _existing(folder: pathlib.Path) -> pathlib.Path:
    """The folder itself, or the nearest parent that exists."""
    folder = folder.resolve()
    return folder if folder.is_dir() else _existing(folder.parent)


def _synced_write_ms(descriptor: int) -> float:
    start_s = time.perf_counter()
    os.write(descriptor, bytes(4096))
    os.fsync(descriptor)
    return 1e3 * (time.perf_counter() - start_s)
