"""Checkpoints: one folder each, complete or not there at all.

`000007-step-12000/` holds `arrays.safetensors`, `meta.json` and `SHA256SUMS` (`sha256sum -c` reads it). It is
written as `.12000.partial`, every file synced, then renamed, then the parent synced; old ones go last. The
leading serial is the order of writing: a step reached twice, or again after a roll-back, overwrites nothing.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sandlot.learners.errors import DiskFullError, StoreError

log = logging.getLogger(__name__)

ARRAYS, META, SUMS = "arrays.safetensors", "meta.json", "SHA256SUMS"
NAME = re.compile(r"(\d{6,})-step-(\d+)")
PIECE_BYTES = 1 << 20


class Checkpoint(NamedTuple):
    """What was saved: the learner's step, named arrays, and JSON-able facts."""

    step: int
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    path: Path


class Disk:
    """The calls that change the disk, one method each, so that a test can fail or kill at any of them."""

    def create(self, path: Path) -> int:
        """Opens a new file for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def write(self, file: int, data: memoryview) -> int:
        """Writes some of `data`, returns how much."""
        return os.write(file, data)

    def sync(self, file: int) -> None:
        """Waits until a file or folder is on the disk."""
        os.fsync(file)

    def make_folder(self, path: Path) -> None:
        """Makes a folder and its parents."""
        path.mkdir(parents=True, exist_ok=True)

    def rename(self, old: Path, new: Path) -> None:
        """Renames a folder; `new` must not exist."""
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        """Removes a file."""
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """Removes an empty folder."""
        path.rmdir()


DISK = Disk()


def save(
    folder: Path,
    step: int,
    arrays: Mapping[str, np.ndarray],
    meta: Mapping[str, Any],
    *,
    keep: int = 3,
    disk: Disk = DISK,
) -> Path:
    """Writes a checkpoint and returns its folder once it would survive a power cut; keeps the newest `keep`.

    Raises:
        DiskFullError: there is no room; what was there before is intact, and a later save may succeed.
        StoreError: the folder cannot be written.
    """
    if keep < 1 or step < 0:
        raise StoreError(f"checkpoint: step {step}, keep {keep}; step must be >= 0 and keep >= 1")
    files = {ARRAYS: _encode(arrays), META: json.dumps(dict(meta), indent=1, sort_keys=True).encode()}
    files[SUMS] = _sums(files)
    try:
        disk.make_folder(folder)
        _clean(folder, disk)
        found = listing(folder)
        path = folder / f"{found[0][0] + 1 if found else 1:06d}-step-{step}"
        partial = folder / f".{step}.partial"
        disk.make_folder(partial)
        for name, data in files.items():
            _write(partial / name, data, disk)
        _sync_folder(partial, disk)
        disk.rename(partial, path)
        _sync_folder(folder, disk)
    except OSError as e:
        _give_up(folder, step, sum(map(len, files.values())), e)
    _forget(folder, keep, disk)
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose digests match, None where there is none; logs why newer were refused.

    Raises:
        StoreError: there are checkpoints, and none of them is intact.
    """
    reasons = []
    for _, step, path in listing(folder):
        try:
            return load(path, step)
        except StoreError as e:
            reasons.append(str(e))
            log.error("event=checkpoint_refused reason=%r", str(e))
    if reasons:
        ways = "restore a copy, or move the folder away to begin anew from the run store"
        raise StoreError(f"checkpoints in {folder}: none of {len(reasons)} is intact ({reasons[0]}); {ways}")
    return None


def load(path: Path, step: int) -> Checkpoint:
    """One checkpoint, or StoreError saying what is wrong with it."""
    try:
        files = {name: (path / name).read_bytes() for name in (ARRAYS, META, SUMS)}
        if files[SUMS] != _sums({ARRAYS: files[ARRAYS], META: files[META]}):
            raise StoreError(
                f"checkpoint {path}: its digests do not match {SUMS}; it was damaged, do not use it"
            )
        return Checkpoint(step, load_tensors(files[ARRAYS]), json.loads(files[META]), path)
    except FileNotFoundError as e:
        raise StoreError(
            f"checkpoint {path}: '{Path(e.filename).name}' is missing; it is not complete"
        ) from e
    except (SafetensorError, ValueError) as e:
        raise StoreError(
            f"checkpoint {path}: cannot be decoded ({e}); it was written by another version"
        ) from e


def listing(folder: Path) -> list[tuple[int, int, Path]]:
    """All checkpoints as (serial, step, path), newest first; what is half written is not among them."""
    if not folder.is_dir():
        return []
    named = [(NAME.fullmatch(p.name), p) for p in folder.iterdir()]
    return sorted(((int(m[1]), int(m[2]), p) for m, p in named if m), reverse=True)


def _encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Safetensors bytes; arrays are made contiguous first, because safetensors writes memory as it lies."""
    return bytes(save_tensors({name: np.asarray(a, order="C") for name, a in arrays.items()}))


def _sums(files: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    return "".join(lines).encode()


def _write(path: Path, data: bytes, disk: Disk) -> None:
    file = disk.create(path)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[disk.write(file, rest[:PIECE_BYTES]) :]
        disk.sync(file)
    finally:
        os.close(file)


def _sync_folder(folder: Path, disk: Disk) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.sync(file)
    finally:
        os.close(file)


def _give_up(folder: Path, step: int, size: int, cause: OSError) -> None:
    """Removes what was half written and raises the error that says why."""
    for partial in folder.glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)
    kept = "the checkpoints before it are intact"
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        text = f"checkpoint of step {step} needs {size} bytes, {folder} is full; free some space, {kept}"
        raise DiskFullError(text) from cause
    raise StoreError(f"checkpoint of step {step} in {folder}: {cause.strerror}; {kept}") from cause


def _forget(folder: Path, keep: int, disk: Disk) -> None:
    """Removes all but the newest `keep`. Each is renamed first: it is there as a whole, or not at all."""
    try:
        for serial, _, path in listing(folder)[keep:]:
            disk.rename(path, folder / f".{serial}.old.partial")
        _clean(folder, disk)
    except OSError as e:
        log.warning("event=checkpoint_not_removed folder=%s reason=%r", folder, e.strerror)


def _clean(folder: Path, disk: Disk) -> None:
    """Removes what earlier saves or removals left half done."""
    for partial in folder.glob(".*.partial"):
        for path in partial.iterdir():
            disk.remove(path)
        disk.remove_folder(partial)
