"""Frames that stay in their files until rows of them are asked for: a data set may be larger than memory."""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import StoreError
from sandlot.perception.classifier.model import Shape


class Piece(NamedTuple):
    """Some rows of an array uint8 [n, H, W, C] in a safetensors file.

    Attributes:
        path: the file.
        begin: its byte at which the array begins.
        rows: which rows of the array, int64 [m].
    """

    path: pathlib.Path
    begin: int
    rows: np.ndarray


class DiskFrames:
    """An array uint8 [N, H, W, C] of pieces, indexed like one along its first axis; what is read is a copy.

    Attributes:
        shape: (N, H, W, C).
    """

    def __init__(self, shape: Shape, pieces: list[Piece]) -> None:
        """Reads nothing yet."""
        self._pieces, self._bytes = pieces, int(np.prod(shape))
        counts = [len(piece.rows) for piece in pieces]
        self._piece = np.repeat(np.arange(len(pieces)), counts)
        starts = [piece.begin + piece.rows * self._bytes for piece in pieces]
        self._start = np.concatenate([np.zeros(0, np.int64), *starts])
        self.shape = (len(self._start), *shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: "int | slice | np.ndarray") -> np.ndarray:
        """The frames of these rows, uint8 [.., H, W, C].

        Raises:
            IndexError: there is no such row.
            StoreError: a file is gone, or shorter than it was.
        """
        chosen = np.arange(len(self))[rows]
        found = np.empty((chosen.size, *self.shape[1:]), np.uint8)
        flat = chosen.ravel()
        for number in np.unique(self._piece[flat]):
            self._read(self._pieces[number].path, found, flat, np.flatnonzero(self._piece[flat] == number))
        return found.reshape(*chosen.shape, *self.shape[1:])

    def _read(self, path: pathlib.Path, found: np.ndarray, flat: np.ndarray, places: np.ndarray) -> None:
        """Fills in those of `found` that lie in one file."""
        try:
            with path.open("rb", buffering=0) as file:
                for place in places:
                    got = os.preadv(file.fileno(), [found[place]], int(self._start[flat[place]]))
                    if got != self._bytes:
                        raise StoreError(f"'{path}' became shorter; restore it, or collect again")
        except OSError as error:
            raise StoreError(f"'{path}' cannot be read ({error}); restore it, or collect again") from error


def begins(path: pathlib.Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The byte at which each array of a safetensors file begins; the file's header was checked before.

    Raises:
        StoreError: one of these arrays is missing, not uint8, or of another shape.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    for name, shape in shapes.items():
        found = header.get(name, {"dtype": "missing", "shape": []})
        if (found["dtype"], found["shape"]) != ("U8", list(shape)):
            raise StoreError(
                f"'{path}' is damaged or of another data set: array '{name}' is {found['dtype']} "
                f"{found['shape']} and must be U8 {list(shape)}; restore it, or delete it and collect again"
            )
    return {n: 8 + size + about["data_offsets"][0] for n, about in header.items() if n != "__metadata__"}
