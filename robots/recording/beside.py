"""A folder that is there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandlot.learners.errors import StoreError


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder`, synced, when all went well, and is removed when not.

    Raises:
        StoreError: `folder` exists; nothing is written over.
    """
    if folder.exists():
        raise StoreError(f"'{folder}' exists; name another folder, nothing is written over")
    made = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    made.mkdir(parents=True)
    try:
        yield made
        for path in made.rglob("*"):
            _sync(path)
        os.rename(made, folder)
        _sync(folder.absolute().parent)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
