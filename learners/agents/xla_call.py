"""Calls from compiled JAX code into numba functions whose work XLA's own threads share. CPU only.

XLA hands a foreign function a *call frame*: where its arguments and results lie, and functions to make a
future and to schedule work (the typed FFI, `xla/ffi/api/c_api.h`, which jaxlib ships). The function's work is
a number of independent units. The calling thread and one helper on each other thread of XLA's pool take the
next unit until none is left, so a core that is busy with something else delays one unit at most; whoever
finishes the last one sets the future. Nobody waits.

A pair of C functions makes a target, as `critic_kernels` shows:

* the handler `handler(frame)` calls `begin`, then does units itself;
* the task `task(block)`, which a helper runs, does units: `claim` one, work, `finish` it; at the end `leave`.

A block is what they share: int64 words of bookkeeping, then five for each argument and result.
"""

import ctypes
import functools
import pathlib
import re
from typing import Any

import jax
import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from sandlot.learners.compiled import compiled

HANDLER = types.int64(types.CPointer(types.int64))
TASK = types.void(types.int64)
API = 0, 3
"""Major and minor version of the FFI whose layout is written down here."""

WORD = 8  # bytes
# words of a call frame
EXTENSION, API_AT, CONTEXT = 1, 2, 3
ARGS, ARGS_AT, RETS, RETS_AT, FRAME_FUTURE, FRAME = 7, 9, 12, 14, 21, 22
# words of a buffer, and of the table of XLA's functions
DATA, RANK, DIMS_AT, BUFFER = 3, 4, 5, 6
SCHEDULE, THREADS, MAKE_FUTURE, SET_FUTURE, TABLE = 17, 18, 19, 20, 21
METADATA = 1  # the extension that asks which version a handler was written for
# words of a block: three counters, how many units, arguments and buffers there are, the future and what sets
# it, and what the calls to XLA are told
NEXT, FINISHED, USERS, UNITS, ARGUMENTS, BUFFERS, SET, FUTURE, TELL, TELL_SET, HEAD = *range(9), 13, 16
ENTRY = 5  # address and four lengths

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


def _pointer(kind: Any) -> Any:
    """What makes an address a pointer to numbers of a kind."""

    @intrinsic
    def at(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return at


_words, _floats = _pointer(types.int64), _pointer(types.float32)


@intrinsic
def _call(typing_context: Any, function: Any, argument: Any) -> Any:
    """Calls the C function at an address with one pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        return builder.call(builder.inttoptr(args[0], ir.FunctionType(word, [word]).as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _add(typing_context: Any, address: Any, value: Any) -> Any:
    """Adds to a word that threads share; what it was before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", word, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


def address_of(name: str) -> Any:
    """A function for compiled code: the address of the task that is registered under a name."""

    @intrinsic
    def address(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = ir.IntType(64)
            task = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [word]), name
            )
            return builder.ptrtoint(task, word)

        return types.int64(), generate

    return address


def name_task(name: str, task: Any) -> None:
    """Makes a compiled task known to code that asks `address_of` its name; before that code is compiled."""
    binding.add_symbol(name, task.address)


def register(name: str, handler: Any) -> None:
    """Makes a compiled handler the target `name` of `jax.ffi.ffi_call`."""
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    jax.ffi.register_ffi_target(name, capsule(handler.address, None, None), platform="cpu")


@functools.cache
def available() -> bool:
    """Whether JAX computes on the CPU, with the FFI whose layout is known here."""
    if jax.default_backend() != "cpu":
        return False
    header = pathlib.Path(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h")
    text = header.read_text() if header.is_file() else ""
    found = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    return tuple(int(match[1]) if match else -1 for match in found) == API


@compiled()
def begin(frame_at: Any, sized_by: int, task: int) -> tuple[int, int]:
    """A block for as many units as argument `sized_by` is long, shared with helpers; or 0 and what to return.

    Answers XLA's question for the version, too.
    """
    frame = carray(frame_at, (FRAME,))
    if frame[EXTENSION] != 0 and _is_asked(frame[EXTENSION]):
        return 0, 0
    block = _block(frame, sized_by)
    error = _share(frame, block, task)
    if error != 0:
        _free(block)
        return 0, error
    return block, 0


@compiled()
def _is_asked(extension: int) -> bool:
    """Whether this is the question for the version, which it then answers."""
    words = carray(_words(extension), (4,))
    if words[1] & 0xFFFFFFFF != METADATA:
        return False
    carray(_words(words[3]), (4,))[3] = API[0] | API[1] << 32
    return True


@compiled()
def _block(frame: np.ndarray, sized_by: int) -> int:
    """A new block that knows where the frame's buffers lie."""
    block = _malloc(WORD * (HEAD + ENTRY * (frame[ARGS] + frame[RETS])))
    words = carray(_words(block), (HEAD + ENTRY * (frame[ARGS] + frame[RETS]),))
    entry = HEAD
    for count, table in ((frame[ARGS], frame[ARGS_AT]), (frame[RETS], frame[RETS_AT])):
        items = carray(_words(table), (count,))
        for i in range(count):
            buffer = carray(_words(items[i]), (BUFFER,))
            lengths = carray(_words(buffer[DIMS_AT]), (buffer[RANK],))
            words[entry] = buffer[DATA]
            for axis in range(ENTRY - 1):
                words[entry + 1 + axis] = lengths[axis] if axis < buffer[RANK] else 1
            entry += ENTRY
    words[NEXT], words[FINISHED], words[USERS] = 0, 0, 1
    words[UNITS] = words[HEAD + ENTRY * sized_by + 1]
    words[ARGUMENTS], words[BUFFERS] = frame[ARGS], frame[ARGS] + frame[RETS]
    return block


@compiled()
def _share(frame: np.ndarray, block: int, task: int) -> int:
    """Makes the future and schedules the helpers; 0, or the address of XLA's error."""
    xla, words = carray(_words(frame[API_AT]), (TABLE,)), carray(_words(block), (HEAD,))
    told, at = words[TELL:TELL_SET], block + WORD * TELL
    told[0], told[1] = 3 * WORD, 0
    error = _call(xla[MAKE_FUTURE], at)
    if error != 0:
        return error
    words[FUTURE], words[SET] = told[2], xla[SET_FUTURE]
    told[0], told[2], told[3] = 4 * WORD, frame[CONTEXT], at + 4 * WORD
    if _call(xla[THREADS], at) != 0:
        told[4] = 1  # without a pool the caller does everything
    helpers = min(told[4], words[UNITS]) - 1
    told[0], told[2], told[3], told[4] = 5 * WORD, frame[CONTEXT], task, block
    for _ in range(helpers):
        _add(block + WORD * USERS, 1)
        if _call(xla[SCHEDULE], at) != 0:
            _add(block + WORD * USERS, -1)
            break
    frame[FRAME_FUTURE] = words[FUTURE]
    return 0


@compiled()
def claim(block: int) -> int:
    """The next unit nobody works on, or -1."""
    unit = _add(block + WORD * NEXT, 1)
    return unit if unit < carray(_words(block), (HEAD,))[UNITS] else -1


@compiled()
def finish(block: int) -> None:
    """A claimed unit is done; after the last one XLA goes on."""
    words = carray(_words(block), (HEAD,))
    if _add(block + WORD * FINISHED, 1) == words[UNITS] - 1:
        words[TELL_SET], words[TELL_SET + 1], words[TELL_SET + 2] = 3 * WORD, 0, words[FUTURE]
        _call(words[SET], block + WORD * TELL_SET)


@compiled()
def leave(block: int) -> None:
    """This thread will not touch the block again; the last one frees it."""
    if _add(block + WORD * USERS, -1) == 1:
        _free(block)


@compiled()
def arguments(block: int) -> int:
    """How many arguments there are: the place of the first result."""
    return carray(_words(block), (HEAD,))[ARGUMENTS]


@compiled()
def buffers(block: int) -> int:
    """How many arguments and results there are."""
    return carray(_words(block), (HEAD,))[BUFFERS]


@compiled()
def vector(block: int, i: int) -> np.ndarray:
    """Argument or result i, float32 [N]."""
    words = carray(_words(block), (HEAD + ENTRY * (i + 1),))[HEAD + ENTRY * i :]
    return carray(_floats(words[0]), (words[1],))


@compiled()
def matrix(block: int, i: int) -> np.ndarray:
    """Argument or result i, float32 [M, N]."""
    words = carray(_words(block), (HEAD + ENTRY * (i + 1),))[HEAD + ENTRY * i :]
    return carray(_floats(words[0]), (words[1], words[2]))


@compiled()
def stack(block: int, i: int) -> np.ndarray:
    """Argument or result i, float32 [L, M, N]."""
    words = carray(_words(block), (HEAD + ENTRY * (i + 1),))[HEAD + ENTRY * i :]
    return carray(_floats(words[0]), (words[1], words[2], words[3]))
