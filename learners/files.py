"""Writing a file so that a reader sees the old one or the whole new one."""

import contextlib
import os
import pathlib

from sandlot.learners.errors import StoreError


def write_whole(path: pathlib.Path, data: bytes, *, sync: bool = True) -> None:
    """Writes beside, then renames; with `sync` it also survives a power cut.

    Raises:
        StoreError: there is no room, or no right to write there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # its folder may be what cannot be written
            beside.unlink(missing_ok=True)
        raise StoreError(f"'{path}' cannot be written: {error}; free the disk or name another") from error
