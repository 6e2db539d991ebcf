import functools
import importlib
import os
import pathlib
import struct
from collections import OrderedDict
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import WeightsError
from sandlot.perception.encoders import pickled as pickled_module
from sandlot.perception.encoders.convert import convert
from sandlot.perception.encoders.pickled import read_arrays
from sandlot.perception.encoders.resnet import ResNet10, load_trunk

# Only to write what is read here; nothing in the project loads a pickle, and a check forbids the import.
pickled = importlib.import_module("pickle").dumps

NESTED = {
    "conv": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4)},
    "norm": {"scale": np.array([1.5, -2.0]), "bias": np.array([3, 4], np.int64)},
    "half": np.array([[1.0]], np.float16),
    "swapped": np.array([1.0, 2.0], ">f4"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "step": np.array(7, np.uint8),
    "long": np.arange(300, dtype=np.int16),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nested_dicts_of_arrays_come_out_as_they_went_in(protocol: int) -> None:
    found = read_arrays(pickled(NESTED, protocol=protocol))
    assert found.keys() == {
        "conv/kernel",
        "norm/scale",
        "norm/bias",
        "half",
        "swapped",
        "columns",
        "step",
        "long",
    }
    for name, array in found.items():
        wanted: Any = functools.reduce(lambda at, key: at[key], name.split("/"), NESTED)
        np.testing.assert_array_equal(array, wanted)
        assert array.dtype == wanted.dtype


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_jax_arrays_and_ordered_dicts(protocol: int) -> None:
    found = read_arrays(pickled(OrderedDict(a=jnp.array([1.0, 2.0]), b={}), protocol=protocol))
    assert found.keys() == {"a"}
    np.testing.assert_array_equal(found["a"], [1.0, 2.0])


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_a_call_is_refused_by_name_and_not_made(protocol: int, tmp_path: pathlib.Path) -> None:
    witness = tmp_path / "called"
    evil = pickled({"a": Call(os.system, f"touch {witness}"), "b": NESTED}, protocol=protocol)
    with pytest.raises(WeightsError, match=r"the pickle holds (a call of 'posix\.system'|the opcode)"):
        read_arrays(evil)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (Call(eval, "1 + 1"), r"'builtins\.eval'"),
        (Call(getattr, "a", "b"), r"'builtins\.getattr'"),
        (np.array([{}], object), r"an array of type \('O8'"),
        (np.float32(1.0), r"'numpy\._core\.multiarray\.scalar'"),
        ({"a": [np.zeros(2)]}, "a list at 'a'"),
        ({"a": {3: np.zeros(2)}}, "a key that is not a text"),
        ({"a": 1.5}, "a float at 'a'"),
        ({1, 2}, "the opcode EMPTY_SET"),
        (Call(np.dtype, "f4"), "a dtype|a DType|DType"),
        ({}, "no array"),
    ],
)
def test_other_things_are_refused_by_name(what: Any, text: str) -> None:
    with pytest.raises(WeightsError, match=text):
        read_arrays(pickled(what, protocol=4))


def test_a_dict_that_holds_itself_and_one_that_doubles_come_to_an_end() -> None:
    ring: dict[str, Any] = {}
    ring["again"] = ring
    with pytest.raises(WeightsError, match="a dict at 'again/.*16 levels deep"):
        read_arrays(pickled(ring))
    bomb: dict[str, Any] = {}
    for _ in range(14):
        bomb = {"a": bomb, "b": bomb}
    with pytest.raises(WeightsError, match="more than 10000 entries"):
        read_arrays(pickled(bomb))


def test_sizes_are_believed_only_when_the_bytes_are_there() -> None:
    good = pickled({"a": np.zeros(4, np.float32)}, protocol=4)
    with pytest.raises(WeightsError, match=r"in 16 bytes"):
        read_arrays(good.replace(b"K\x04\x85", b"K\x05\x85"))
    huge = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc."
    with pytest.raises(WeightsError, match="something malformed"):
        read_arrays(huge)


def test_one_text_that_is_made_bytes_again_and_again_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled_module, "MAX_BYTES", 5000)
    text = pickled("x" * 1000, protocol=2)[2:-1]
    encode = b"c_codecs\nencode\n" + b"h\x00" + pickled("latin1", protocol=2)[2:-3] + b"\x86R"
    with pytest.raises(WeightsError, match="more than 5000 bytes of arrays"):
        read_arrays(b"\x80\x02" + text + encode * 6 + b".")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_in_words(data: st.DataObject) -> None:
    raw = bytearray(pickled({"a": {"b": np.arange(4.0)}}, protocol=data.draw(st.sampled_from([2, 4, 5]))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    try:
        read_arrays(bytes(raw[:cut]))
    except WeightsError as error:
        assert "the pickle holds" in str(error)


def test_converting_serls_file(tmp_path: pathlib.Path) -> None:
    """The layout that SERL's published code gives its file; the file itself was not at hand."""
    encoder = ResNet10(filters=4, embeddings=2)
    rng = np.random.default_rng(0)
    arrays = {k: rng.standard_normal(s, np.float32) for k, s in encoder.trunk_shapes().items()}
    nested: dict[str, Any] = {"Dense_0": {"kernel": np.zeros((2, 2))}}
    for name, array in arrays.items():
        *path, last = name.split("/")
        functools.reduce(lambda at, key: at.setdefault(key, {}), path, nested)[last] = jnp.asarray(array)
    source, target = tmp_path / "resnet10_params.pkl", str(tmp_path / "trunk.safetensors")
    source.write_bytes(pickled(nested))
    done = convert(source, target, encoder=encoder)
    assert done.arrays == len(arrays)
    assert done.ignored == ["Dense_0/kernel"]
    for name, array in load_trunk(target, encoder).items():
        np.testing.assert_array_equal(array, arrays[name])
    assert convert(source, target, encoder=encoder, sha256=done.sha256[:12]).digest == done.digest
    with pytest.raises(WeightsError, match=f"has SHA-256 {done.sha256}, and 123abc was expected"):
        convert(source, target, encoder=encoder, sha256="123abc")
    with pytest.raises(WeightsError, match=r"must be float32\[7, 7, 3, 64\]"):
        convert(source, target)
