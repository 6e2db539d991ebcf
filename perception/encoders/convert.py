"""SERL's ResNet-10 weights as a trunk file. Theirs is a pickle; it is read, never run (see `pickled`)."""

import hashlib
import os
import pathlib
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import StoreError, WeightsError
from sandlot.perception.encoders.pickled import read_arrays
from sandlot.perception.encoders.resnet import ResNet10, save_trunk

WRAPPERS = ("params/", "pretrained_encoder/")
"""Keys that may stand above the network's own."""


class Converted(NamedTuple):
    """What became of a file: its SHA-256, the trunk's digest, and the names of arrays that were left out."""

    sha256: str
    digest: str
    arrays: int
    ignored: list[str]


def convert(
    source: str | os.PathLike[str], target: str, *, sha256: str = "", encoder: ResNet10 | None = None
) -> Converted:
    """Writes the trunk of a pickled ResNet-10 as safetensors.

    Args:
        source: the pickle.
        target: the file to write.
        sha256: what the pickle's SHA-256 must begin with, when it is known.
        encoder: the network it must be of.

    Raises:
        StoreError: it cannot be read.
        WeightsError: it is another file than `sha256` says, holds more than arrays, or is of another network.
    """
    encoder = encoder or ResNet10()
    try:
        data = pathlib.Path(source).read_bytes()
    except OSError as error:
        raise StoreError(f"'{source}' cannot be read: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if not found.startswith(sha256.lower()):
        raise WeightsError(f"'{source}' has SHA-256 {found}, and {sha256} was expected; download it again")
    arrays = {_bare(name): np.ascontiguousarray(array) for name, array in read_arrays(data).items()}
    wanted = encoder.trunk_shapes()
    trunk = {name: arrays[name].astype(np.float32) for name in wanted if name in arrays}
    digest = save_trunk(target, trunk, encoder, f"{pathlib.Path(source).name} sha256={found}")
    return Converted(found, digest, len(trunk), sorted(set(arrays) - set(wanted)))


def _bare(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
