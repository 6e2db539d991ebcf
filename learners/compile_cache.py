"""Compiled updates are kept on this machine, so that a learner that starts again trains within seconds.

Compiling takes most of a learner's start (11 of 12 s of processor time for `arm_pick`). JAX's own cache does
the work; an entry that cannot be read costs a warning and a compilation. `JAX_COMPILATION_CACHE_DIR` names
another folder, and an empty one turns the cache off.
"""

import hashlib
import os
import pathlib
import platform
import re

import jax

from sandlot.learners.cache import cache_folder

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_CPU = re.compile(r"^(?:model name|flags|Features)\s*:.*$", re.MULTILINE)


def enable() -> None:
    """Turns the cache on, unless the environment has decided."""
    if VARIABLE not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(default_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def default_folder() -> pathlib.Path:
    """The user's cache folder for code compiled for this kind of processor: another might not run it."""
    return cache_folder(f"compiled-{processor_digest()}")


def processor_digest() -> str:
    """Twelve hex digits that differ when the processor or its instructions do."""
    try:
        cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        cpuinfo = ""
    lines = sorted(set(_CPU.findall(cpuinfo))) or [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *lines]).encode()).hexdigest()[:12]
