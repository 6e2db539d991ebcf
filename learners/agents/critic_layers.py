"""The layers of one critic, forward and back, for compiled code: what lies between the matrix products.

Every pass reads and writes a row of [B, H] while it is in the cache. Sums over a row may be taken in any
order (`reorder`), so that they use vectors; to that end, too, no two names may mean parts of one array. What
is not a number stays so through ReLU: else an update would not notice it.

B = samples, H = hidden units.
"""

from typing import NamedTuple

import numpy as np

from sandlot.learners.agents import networks
from sandlot.learners.compiled import compiled

EPS = np.float32(networks.LAYER_NORM_EPS)
ZERO, ONE = np.float32(0), np.float32(1)


class Layer(NamedTuple):
    """A hidden layer after its dense part, float32."""

    z: np.ndarray  # x @ w + b, [B, H]
    mean: np.ndarray  # of its rows, [B]
    rstd: np.ndarray  # 1 / standard deviation of its rows, [B]
    scale: np.ndarray  # of LayerNorm, [H]
    shift: np.ndarray


class Sums(NamedTuple):
    """Gradients that are sums over samples, float32 [H]."""

    shift: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    out: np.ndarray  # the output layer's weights, above the last hidden layer


@compiled()
def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """A matrix product by BLAS."""
    np.dot(a, b, out)


@compiled(networks, reorder=True)
def moments(z: np.ndarray, bias: np.ndarray, mean: np.ndarray, rstd: np.ndarray) -> None:
    """Adds the bias to z; mean and 1 / standard deviation of its rows."""
    share = ONE / np.float32(z.shape[1])
    for row in range(z.shape[0]):
        total = ZERO
        for k in range(z.shape[1]):
            y = z[row, k] + bias[k]
            z[row, k] = y
            total += y
        middle, squares = total * share, ZERO
        for k in range(z.shape[1]):
            away = z[row, k] - middle
            squares += away * away
        mean[row], rstd[row] = middle, ONE / np.sqrt(squares * share + EPS)


@compiled(reorder=True)
def relu(layer: Layer, out: np.ndarray) -> None:
    """LayerNorm and ReLU, [B, H]."""
    z, mean, rstd, scale, shift = layer
    for row in range(z.shape[0]):
        middle, steep = mean[row], rstd[row]
        for k in range(z.shape[1]):
            y = (z[row, k] - middle) * steep * scale[k] + shift[k]
            out[row, k] = ZERO if y <= ZERO else y


@compiled(reorder=True)
def value(layer: Layer, w_out: np.ndarray, b_out: float, q: np.ndarray) -> None:
    """LayerNorm, ReLU and the output layer: q [B]."""
    z, mean, rstd, scale, shift = layer
    for row in range(z.shape[0]):
        middle, steep, total = mean[row], rstd[row], ZERO
        for k in range(z.shape[1]):
            y = (z[row, k] - middle) * steep * scale[k] + shift[k]
            total += ZERO if y <= ZERO else y * w_out[k]
        q[row] = total + b_out


@compiled(reorder=True)
def back_from_value(layer: Layer, w_out: np.ndarray, dq: np.ndarray, sums: Sums) -> None:
    """From the gradient of q, dq [B], to the one before the last layer's LayerNorm, in the place of its z."""
    z, mean, rstd, scale, shift = layer
    d_shift, d_scale, d_bias, d_out = sums
    share = ONE / np.float32(z.shape[1])
    for row in range(z.shape[0]):
        middle, steep, slope_q = mean[row], rstd[row], dq[row]
        flat, tilt = ZERO, ZERO
        for k in range(z.shape[1]):
            normal = (z[row, k] - middle) * steep
            slope = ZERO if normal * scale[k] + shift[k] <= ZERO else w_out[k] * scale[k]
            flat += slope
            tilt += slope * normal
        flat, tilt = flat * share * slope_q, tilt * share * slope_q
        for k in range(z.shape[1]):
            normal = (z[row, k] - middle) * steep
            y = normal * scale[k] + shift[k]
            passed = ZERO if y <= ZERO else slope_q
            d_out[k] += passed * y
            dy = passed * w_out[k]
            d_shift[k] += dy
            d_scale[k] += dy * normal
            dz = steep * (dy * scale[k] - flat - normal * tilt)
            d_bias[k] += dz
            z[row, k] = dz


@compiled(reorder=True)
def back(dout: np.ndarray, layer: Layer, out: np.ndarray, sums: Sums) -> None:
    """From the gradient of `out`, after ReLU, to the one before LayerNorm, in the place of dout [B, H]."""
    z, mean, rstd, scale, _ = layer
    d_shift, d_scale, d_bias, _ = sums
    share = ONE / np.float32(z.shape[1])
    for row in range(z.shape[0]):
        middle, steep = mean[row], rstd[row]
        flat, tilt = ZERO, ZERO
        for k in range(z.shape[1]):
            dy = ZERO if out[row, k] <= ZERO else dout[row, k]
            along = dy * (z[row, k] - middle) * steep
            d_shift[k] += dy
            d_scale[k] += along
            flat += dy * scale[k]
            tilt += along * scale[k]
            dout[row, k] = dy
        flat, tilt = flat * share, tilt * share
        for k in range(z.shape[1]):
            normal = (z[row, k] - middle) * steep
            dz = steep * (dout[row, k] * scale[k] - flat - normal * tilt)
            d_bias[k] += dz
            dout[row, k] = dz
