"""Reads a pickle that holds nothing but arrays, without running it.

A pickle is a program for a stack machine, and loading one lets its author call any function. Here its opcodes
are only listed (`pickletools.genops`) and the few that containers, numbers, texts and numpy arrays need are
followed. The functions that an array's pickle names become inert markers, and a marker's arguments are read
for what they say. Whatever else is in the file is refused by its name; nothing is imported, nothing called.
"""

import math
import pickletools
import reprlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.errors import WeightsError

MAX_BYTES = 1 << 30
MAX_OPCODES = 200_000
MAX_DEPTH = 16
MAX_NODES = 10_000
DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")

NUMPY = ("numpy", "numpy.core", "numpy._core")
KNOWN = {
    "numpy ndarray": "array type",
    "numpy dtype": "dtype",
    "_codecs encode": "latin1",  # how protocols below 3 write bytes
    **{f"{at}.multiarray _reconstruct": "reconstruct" for at in NUMPY},
    **{f"{at}.numeric _frombuffer": "from buffer" for at in NUMPY},  # protocol 5
    "jax._src.array _reconstruct_array": "jax array",
    "jax._src.device_array reconstruct_device_array": "jax array",
    "flax.core.frozen_dict FrozenDict": "frozen dict",
    "collections OrderedDict": "ordered dict",
}
"""Module and name of what a file may name, and what it stands for."""


class Marker(NamedTuple):
    """Something that the file named and that stays a word."""

    kind: str


class DType:
    """A numpy type: its code, and its byte order once the file has said that."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order: Any = "|"

    def numpy(self) -> np.dtype:
        """The real one."""
        if self.order not in ("<", ">", "|", "="):
            raise _bad(f"byte order {self.order!r}")
        return np.dtype(self.code).newbyteorder(self.order)


class Array:
    """An array whose content the file has yet to state, as it does right after naming it."""

    value: np.ndarray | None = None


class _Mark:
    """Where a group of values on the stack begins."""


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a pickle of (nested) dicts, by their keys joined with "/".

    Raises:
        WeightsError: it holds something else, or it is cut off; the text names what.
    """
    if len(data) > MAX_BYTES:
        raise _bad(f"{len(data)} bytes, more than {MAX_BYTES}")
    nodes = list(_nodes(_Machine().run(data)))
    if not nodes:
        raise _bad("no array")
    return dict(nodes)


class _Machine:
    """The stack machine for the opcodes that arrays need."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.made_bytes = 0

    def run(self, data: bytes) -> Any:
        """Follows the opcodes to the end and returns what the file holds."""
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
                if count >= MAX_OPCODES:
                    raise _bad(f"more than {MAX_OPCODES} opcodes")
                if opcode.name == "STOP":
                    return self._pop()
                self._follow(opcode.name, argument)
        except WeightsError:
            raise
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError) as error:
            raise _bad(f"something malformed ({error})") from error
        raise _bad("no end")

    def _follow(self, name: str, argument: Any) -> None:  # noqa: PLR0912  one branch a kind of opcode
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = self._top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        elif name.startswith("TUPLE"):
            values = self._group() if name == "TUPLE" else self._pop_many(int(name[-1]))
            self.stack.append(tuple(values))
        elif name in ("SETITEM", "SETITEMS"):
            values = self._pop_many(2) if name == "SETITEM" else self._group()
            self._top(dict).update(_pairs(values))
        elif name in ("APPEND", "APPENDS"):
            values = self._pop_many(1) if name == "APPEND" else self._group()
            self._top(list).extend(values)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            text = argument if name == "GLOBAL" else " ".join(self._pop_many(2))
            self.stack.append(_marker(text))
        elif name == "REDUCE":
            what, arguments = self._pop_many(2)
            self._push_made(_made(what, arguments))
        elif name == "BUILD":
            what, state = self._pop_many(2)
            self.stack.append(_filled(what, state))
        else:
            raise _bad(f"the opcode {name}")

    def _push_made(self, value: Any) -> None:
        """Puts what a call gave on the stack; a small file may not ask for one large copy again and again."""
        self.made_bytes += len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 0)
        if self.made_bytes > MAX_BYTES:
            raise _bad(f"more than {MAX_BYTES} bytes of arrays")
        self.stack.append(value)

    def _top(self, kind: type = object) -> Any:
        if not self.stack or isinstance(self.stack[-1], _Mark) or not isinstance(self.stack[-1], kind):
            raise _bad(f"an opcode without the {kind.__name__} it is for")
        return self.stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self.stack.pop()

    def _pop_many(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]

    def _group(self) -> list[Any]:
        """The values above the last mark, which goes too."""
        values: list[Any] = []
        while self.stack and not isinstance(self.stack[-1], _Mark):
            values.append(self.stack.pop())
        if not self.stack:
            raise _bad("a group without a beginning")
        self.stack.pop()
        return values[::-1]


_CONSTANTS: dict[str, Any] = {
    "MARK": _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_ARGUMENTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


def _bad(what: str) -> WeightsError:
    return WeightsError(
        f"the pickle holds {what}; only nested dicts of numpy arrays are read, and nothing in it is run: "
        "save the arrays as safetensors where they come from"
    )


def _marker(text: str) -> Marker:
    if text not in KNOWN:
        raise _bad(f"a call of {text[:80].replace(' ', '.')!r}")
    return Marker(KNOWN[text])


def _pairs(values: list[Any]) -> dict[str, Any]:
    """Keys and values in turn as a dict."""
    keys = values[::2]
    if len(values) % 2 or not all(isinstance(key, str) for key in keys):
        raise _bad("a dict with a key that is not a text")
    return dict(zip(keys, values[1::2], strict=True))


def _made(what: Any, arguments: Any) -> Any:  # noqa: PLR0911  one return a kind of call
    """What a call of a marker would give, for the calls that array pickles contain."""
    kind = what.kind if isinstance(what, Marker) else None
    match kind, arguments:
        case "dtype", (str(code), *_) if code in DTYPES:
            return DType(code)
        case "dtype", _:
            raise _bad(f"an array of type {reprlib.repr(arguments)}")
        case "latin1", (str(text), "latin1"):
            return text.encode("latin1")
        case "reconstruct", (Marker("array type"), _, _):
            return Array()
        case "from buffer", (bytes() | bytearray() as raw, DType() as dtype, tuple(shape), str(order)):
            return _array(raw, dtype, shape, order == "F")
        case "jax array", (Marker("reconstruct"), tuple(first), tuple(state), *_):
            return _filled(_made(Marker("reconstruct"), first), state)
        case "jax array", (Marker("from buffer"), tuple(first), *_):
            return _made(Marker("from buffer"), first)
        case "frozen dict", (dict(content),):
            return content
        case "ordered dict", ():
            return {}
    raise _bad(f"a call of {kind or type(what).__name__!r} that makes no array")


def _filled(what: Any, state: Any) -> Any:
    """A dtype with its byte order, an array with its content."""
    match what, state:
        case DType(), (int(), str(order), None, None, None, *_):
            what.order = order
            return what
        case Array(), (int(), tuple(shape), DType() as dtype, fortran, bytes() | bytearray() as raw):
            what.value = _array(raw, dtype, shape, bool(fortran))
            return what
    raise _bad(f"a state of {type(what).__name__!r} that is no array's")


def _array(raw: bytes | bytearray, dtype: DType, shape: tuple[Any, ...], fortran: bool) -> np.ndarray:
    """An array of these bytes; they must be exactly as many as type and shape say."""
    kind = dtype.numpy()
    if not all(isinstance(n, int) and 0 <= n <= MAX_BYTES for n in shape) or len(shape) > MAX_DEPTH:
        raise _bad(f"an array of shape {reprlib.repr(shape)}")
    if math.prod(shape) * kind.itemsize != len(raw):
        raise _bad(f"an array of shape {shape!r} and type {kind} in {len(raw)} bytes")
    return np.frombuffer(bytes(raw), kind).reshape(shape, order="F" if fortran else "C")


def _nodes(top: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays with their joined keys; visits are counted, since a dict may hold itself."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), top)]
    for _ in range(MAX_NODES):
        if not waiting:
            return
        path, what = waiting.pop()
        value = what.value if isinstance(what, Array) else what
        if isinstance(value, np.ndarray):
            yield "/".join(path), value
        elif isinstance(value, dict) and len(path) < MAX_DEPTH:
            waiting.extend(((*path, key), inner) for key, inner in value.items())
        else:
            raise _bad(f"a {type(value).__name__} at '{'/'.join(path)[:80]}', {len(path)} levels deep")
    raise _bad(f"more than {MAX_NODES} entries")
