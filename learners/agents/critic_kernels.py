"""The critics' values and gradients, one critic after the other on each of XLA's threads: a CPU's hot path.

Everything that belongs to one critic and one minibatch fits a core's cache: its matrix products (BLAS, one
thread) and what lies between them are done before the next critic is looked at. XLA takes one operation of
all critics after the other, through memory. The tests hold all of it equal to `jax.grad` of `networks.q_of`.
To import this module is to compile it: 6 s once on a machine, 0.3 s ever after.

E = critics, B = samples, I = inputs, H = hidden units of a layer, L = hidden layers. Weights come in the
order of `names`: for each hidden layer w [E, I, H] and b, scale, shift [E, H]; then w_out [E, H, 1] and b_out
[E, 1].
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import threadpoolctl

from sandlot.learners.agents import critic_layers, networks, xla_call
from sandlot.learners.agents.critic_layers import (
    ZERO,
    Layer,
    Sums,
    back,
    back_from_value,
    moments,
    multiply,
    relu,
    value,
)
from sandlot.learners.agents.types import Params
from sandlot.learners.agents.xla_call import (
    address_of,
    arguments,
    begin,
    buffers,
    claim,
    finish,
    leave,
    matrix,
    stack,
    vector,
)
from sandlot.learners.compiled import callback, compiled

SOURCES = (xla_call, critic_layers, networks)
"""What the compiled code is made of."""
VALUES, LOSS = "sandlot_critic_values", "sandlot_critic_loss"
PARTS = 4  # arrays of a hidden layer
F = np.float32

# ---------------------------------------------------------------- what JAX calls


def names(params: Params) -> list[str]:
    """The weights in the kernels' order."""
    hidden = range(networks.hidden_count(params))
    return [f"{kind}{i}" for i in hidden for kind in ("w", "b", "scale", "shift")] + ["w_out", "b_out"]


@jax.custom_vjp
def values(params: Params, x: jax.Array) -> jax.Array:
    """Every critic's value [E, B] of state and action side by side, [B, I].

    It may be differentiated with respect to x; the weights count as constants.
    """
    return _values(params, x, slopes=False)[0]


def _values_and_slopes(params: Params, x: jax.Array) -> tuple:
    q, slopes = _values(params, x, slopes=True)
    return q, (params, slopes)


def _slopes_of(kept: tuple, cotangent: jax.Array) -> tuple:
    params, slopes = kept
    return jax.tree.map(jnp.zeros_like, params), jnp.einsum("eb,ebi->bi", cotangent, slopes)


values.defvjp(_values_and_slopes, _slopes_of)


def _values(params: Params, x: jax.Array, *, slopes: bool) -> Sequence[jax.Array]:
    """Values [E, B] and, when asked, their slopes [E, B, I]."""
    shape = (params["b_out"].shape[0], len(x))
    shapes = [shape, (*shape, x.shape[1])] if slopes else [shape]
    results = [jax.ShapeDtypeStruct(s, F) for s in shapes]
    return jax.ffi.ffi_call(VALUES, results)(x, *[params[name] for name in names(params)])


def loss_and_grads(
    params: Params, x: jax.Array, target: jax.Array, *, slopes: bool
) -> tuple[jax.Array, jax.Array, Params, jax.Array | None]:
    """Squared distance of the values of x [B, I] to `target` [B], and its gradients.

    Returns:
        Sums over all critics and samples of the squared distance and of the values; the gradients of the
        squared distance's mean by weight name; and that of x [B, I], or None unless `slopes` are asked for.
    """
    order = names(params)
    shapes = [(params["b_out"].shape[0], 2), *[params[name].shape for name in order]]
    shapes += [(params["b_out"].shape[0], *x.shape)] if slopes else []
    results = [jax.ShapeDtypeStruct(s, F) for s in shapes]
    sums, *found = jax.ffi.ffi_call(LOSS, results)(x, target, *[params[name] for name in order])
    dx = found.pop().sum(0) if slopes else None
    return *sums.sum(0), dict(zip(order, found, strict=True)), dx


# ---------------------------------------------------------------- a critic of a block


class Places(NamedTuple):
    """Numbers of buffers in a block; argument 0 is x [B, I]."""

    weights: int  # the first of the weights
    grads: int  # the first of their gradients, in the same order; -1: not wanted
    slopes: int  # the gradient of x; -1: not wanted


class Room(NamedTuple):
    """What one thread writes its layers into, float32; every row of the first two holds the widest layer."""

    zs: np.ndarray  # [L, B * H]
    outs: np.ndarray  # after ReLU; the last layer's is never stored
    means: np.ndarray  # [L, B]
    rstds: np.ndarray
    q: np.ndarray  # [B]


@compiled(*SOURCES)
def _room(block: int, places: Places) -> Room:
    """Room for the critics of a block."""
    rows, layers, widest = len(matrix(block, 0)), _layer_count(block, places), 0
    for i in range(layers):
        widest = max(widest, matrix(block, places.weights + PARTS * i + 1).shape[1])
    return Room(
        np.empty((layers, rows * widest), F),
        np.empty((layers, rows * widest), F),
        np.empty((layers, rows), F),
        np.empty((layers, rows), F),
        np.empty(rows, F),
    )


@compiled(*SOURCES)
def _layer_count(block: int, places: Places) -> int:
    return (arguments(block) - places.weights - 2) // PARTS


@compiled(*SOURCES)
def _shaped(flat: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A matrix in a longer vector's memory."""
    return flat[: rows * columns].reshape(rows, columns)


@compiled(*SOURCES)
def _layer(block: int, places: Places, e: int, room: Room, i: int) -> Layer:
    """Hidden layer i of critic e, in its room."""
    at = places.weights + PARTS * i
    scale, shift = matrix(block, at + 2)[e], matrix(block, at + 3)[e]
    z = _shaped(room.zs[i], room.q.size, scale.size)
    return Layer(z, room.means[i], room.rstds[i], scale, shift)


@compiled(*SOURCES)
def _forward(block: int, places: Places, e: int, room: Room) -> None:
    """Critic e's values, and what the way back needs."""
    x, last = matrix(block, 0), _layer_count(block, places) - 1
    for i in range(last + 1):
        at, layer = places.weights + PARTS * i, _layer(block, places, e, room, i)
        np.dot(x, stack(block, at)[e], layer.z)
        moments(layer.z, matrix(block, at + 1)[e], layer.mean, layer.rstd)
        if i < last:
            x = _shaped(room.outs[i], len(x), layer.scale.size)
            relu(layer, x)
        else:
            value(layer, stack(block, at + PARTS)[e].reshape(-1), matrix(block, at + PARTS + 1)[e, 0], room.q)


@compiled(*SOURCES)
def _backward(block: int, places: Places, e: int, room: Room, dq: np.ndarray) -> None:
    """From the gradient of critic e's values, dq [B], to what `places` wants; its z are overwritten."""
    x, last = matrix(block, 0), _layer_count(block, places) - 1
    widest = room.zs.shape[1] // len(x)
    sums = Sums(np.zeros(widest, F), np.zeros(widest, F), np.zeros(widest, F), np.zeros(widest, F))
    layer, end = _layer(block, places, e, room, last), PARTS * (last + 1)
    back_from_value(layer, stack(block, places.weights + end)[e].reshape(-1), dq, sums)
    if places.grads >= 0:
        stack(block, places.grads + end)[e, :, 0] = sums.out[: layer.scale.size]
        matrix(block, places.grads + end + 1)[e, 0] = dq.sum()
    d, spare = layer.z, room.outs[last]
    for i in range(last, -1, -1):
        w = stack(block, places.weights + PARTS * i)[e]
        if places.grads >= 0:
            read = x if i == 0 else _shaped(room.outs[i - 1], len(x), len(w))
            to = places.grads + PARTS * i
            np.dot(read.T, d, stack(block, to)[e])
            matrix(block, to + 1)[e] = sums.bias[: w.shape[1]]
            matrix(block, to + 2)[e] = sums.scale[: w.shape[1]]
            matrix(block, to + 3)[e] = sums.shift[: w.shape[1]]
        if i > 0:
            before = _shaped(spare, len(x), len(w))
            np.dot(d, w.T, before)
            for part in sums:
                part[:] = ZERO
            back(
                before, _layer(block, places, e, room, i - 1), _shaped(room.outs[i - 1], len(x), len(w)), sums
            )
            d, spare = before, room.zs[i]
        elif places.slopes >= 0:
            np.dot(d, w.T, stack(block, places.slopes)[e])


# ---------------------------------------------------------------- what XLA calls


@compiled(*SOURCES)
def _do_values(block: int) -> None:
    """Units are critics. Arguments: x, weights; results: q [E, B] and, if asked, slopes [E, B, I]."""
    result = arguments(block)
    places = Places(1, -1, result + 1)
    room, ones = _room(block, places), np.ones(len(matrix(block, 0)), F)
    e = claim(block)
    while e >= 0:
        _forward(block, places, e, room)
        matrix(block, result)[e] = room.q
        if buffers(block) > places.slopes:
            _backward(block, places, e, room, ones)
        finish(block)
        e = claim(block)
    leave(block)


@compiled(*SOURCES)
def _do_loss(block: int) -> None:
    """Units are critics. Arguments: x, target, weights; results: sums, gradients and, if asked, x's."""
    result = arguments(block)
    end = result + 1 + arguments(block) - 2
    places = Places(2, result + 1, end if buffers(block) > end else -1)
    room, target, sums = _room(block, places), vector(block, 1), matrix(block, result)
    steep = F(2) / F(len(sums) * target.size)
    e = claim(block)
    while e >= 0:
        _forward(block, places, e, room)
        error = room.q - target
        sums[e, 0], sums[e, 1] = (error * error).sum(), room.q.sum()
        _backward(block, places, e, room, error * steep)
        finish(block)
        e = claim(block)
    leave(block)


@callback(xla_call.TASK, *SOURCES)
def _values_task(block: int) -> None:
    _do_values(block)


@callback(xla_call.TASK, *SOURCES)
def _loss_task(block: int) -> None:
    _do_loss(block)


xla_call.name_task(VALUES, _values_task)
xla_call.name_task(LOSS, _loss_task)
_values_address, _loss_address = address_of(VALUES), address_of(LOSS)


@callback(xla_call.HANDLER, *SOURCES)
def _values_handler(frame: int) -> int:
    block, error = begin(frame, 2, _values_address())
    if block != 0:
        _do_values(block)
    return error


@callback(xla_call.HANDLER, *SOURCES)
def _loss_handler(frame: int) -> int:
    block, error = begin(frame, 3, _loss_address())
    if block != 0:
        _do_loss(block)
    return error


def _introduce() -> None:
    """Makes the kernels known to XLA, whose threads each multiply matrices: BLAS keeps to one thread here."""
    product = np.ones((2, 2), F)
    multiply(product, product, product.copy())  # finds BLAS while this thread has the interpreter
    threadpoolctl.threadpool_limits(1, user_api="blas")
    xla_call.register(VALUES, _values_handler)
    xla_call.register(LOSS, _loss_handler)


_introduce()
