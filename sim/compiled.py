"""Compiling a loop with numba, and keeping the machine code between processes.

numba's own cache looks only at the file of the function it compiled. Ours is kept per content of every source
file that may be inlined, so an edited rotation formula is never run in its old form.
"""

import hashlib
import pathlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba

from sandlot.learners.cache import cache_folder


def compiled(*sources: ModuleType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: `njit` without the GIL, cached per content of `sources` and of the function's own file."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(pathlib.Path(str(source.__file__)).read_bytes())

    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(pathlib.Path(before or cache_folder("numba")) / digest.hexdigest()[:16])
        try:
            return numba.njit(cache=True, nogil=True)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compile_
