"""Compiling a loop with numba, and keeping the machine code between processes.

numba's own cache looks only at the file of the function it compiled. Ours is kept per content of every source
file that may be inlined, so an edited rotation formula is never run in its old form.
"""

import contextlib
import hashlib
import pathlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numba

from sandlot.learners.cache import cache_folder

Decorator = Callable[[Callable[..., Any]], Any]


def compiled(*sources: ModuleType, reorder: bool = False) -> Decorator:
    """A decorator: `njit` without the GIL, cached per content of `sources` and of the function's own file.

    With `reorder`, sums may be taken in any order, so that they use vectors; what is not finite stays so.
    """
    freedom = {"reassoc", "contract", "arcp", "nsz"} if reorder else False

    def compile_(function: Callable[..., Any]) -> Any:
        with _kept(sources):
            return numba.njit(cache=True, nogil=True, fastmath=freedom)(function)

    return compile_


def callback(signature: Any, *sources: ModuleType) -> Decorator:
    """The same for a function that C code calls by its address; it is compiled at once."""

    def compile_(function: Callable[..., Any]) -> Any:
        with _kept(sources):
            return numba.cfunc(signature, cache=True)(function)

    return compile_


@contextlib.contextmanager
def _kept(sources: tuple[ModuleType, ...]) -> Iterator[None]:
    """Has numba keep what it compiles in a folder of these sources."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(pathlib.Path(str(source.__file__)).read_bytes())
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(pathlib.Path(before or cache_folder("numba")) / digest.hexdigest()[:16])
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
