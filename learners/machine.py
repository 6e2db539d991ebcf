"""Which machine this is and which versions run on it, for reports, benchmarks and `sandlot doctor`."""

import importlib.metadata
import os
import pathlib
import platform

import psutil

PACKAGES = (
    "sandlot",
    "jax",
    "jaxlib",
    "numpy",
    "mujoco",
    "numba",
    "gymnasium",
    "pyzmq",
    "msgspec",
    "safetensors",
)


def describe() -> dict[str, str]:
    """Name and value of everything that a timing depends on."""
    cores, all_cores = len(os.sched_getaffinity(0)), psutil.cpu_count()
    return {
        "processor": cpu_model(),
        "cores": f"{cores} of {all_cores}" if cores != all_cores else str(cores),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{_system()}, Linux {platform.release()}" if _system() else platform.platform(),
        "python": platform.python_version(),
        **versions(PACKAGES),
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Version of every package that is installed."""
    found = {}
    for name in packages:
        version = version_of(name)
        if version:
            found[name] = version
    return found


def version_of(package: str) -> str:
    """The installed version of a distribution, empty when there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _system() -> str:
    """The distribution's name, empty where it does not say."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
