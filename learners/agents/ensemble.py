"""The critics' hot path: values, loss and gradients written out by hand, in groups that run side by side.

On a CPU most of a SAC step's time is here. Four things make it faster than `jax.grad` of
`networks.q_values`, to which the tests hold it equal:

* The ensemble is split into groups that do not depend on each other, so XLA runs one group's products
  beside the other's element-wise passes instead of waiting at the end of every operation.
* The first layer's bias is one more row of its weights, beside a column of ones in its input; and a weight's
  gradient starts with a copied transpose, which costs less than XLA's product of a transposed matrix.
* Sums over rows and columns are products with a vector, which XLA's CPU backend does several times faster
  than reductions; LayerNorm and its gradient are rearranged so that only such sums remain.
* The last hidden layer is never stored: the output layer, its gradients and LayerNorm's all follow from
  the ReLU mask and the masked normalised activations.

E = critics of a group, B = samples, I = inputs of the first layer, H = hidden units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import AgentState, Params


class Group(NamedTuple):
    """Some of the critics with all that belongs to them, each [E, ..]."""

    params: Params
    target: Params
    mu: Params
    nu: Params


class Layer(NamedTuple):
    """What the backward pass needs of a hidden layer."""

    x: jax.Array  # input [E, B, I], the first layer's with a column of ones
    normal: jax.Array  # normalised activations [E, B, H], recomputed by XLA wherever they are used
    rstd: jax.Array  # 1 / standard deviation [E, B]
    out: jax.Array  # after ReLU [E, B, H]


def group_count(cfg: AgentConfig) -> int:
    """Two groups on a CPU; one where the device runs an operation on all of itself, or the head is shared."""
    return min(2, cfg.n_critics) if jax.default_backend() == "cpu" and not cfg.shared_q_head else 1


def split(state: AgentState, parts: int) -> tuple[Group, ...]:
    """The critics of a state in `parts` groups of nearly equal size."""
    if parts == 1:
        return (Group(state.critic, state.target, state.critic_opt.mu, state.critic_opt.nu),)
    whole = Group(state.critic, state.target, state.critic_opt.mu, state.critic_opt.nu)
    members = state.critic["b_out"].shape[0]
    edges = [round(i * members / parts) for i in range(parts + 1)]
    return tuple(
        jax.tree.map(lambda x, a=a, b=b: x[a:b], whole) for a, b in zip(edges, edges[1:], strict=False)
    )


def join(groups: tuple[Group, ...]) -> Group:
    """The groups as one again, in order."""
    return groups[0] if len(groups) == 1 else jax.tree.map(lambda *parts: jnp.concatenate(parts), *groups)


def drawn_target(groups: tuple[Group, ...], members: jax.Array, cfg: AgentConfig) -> Params:
    """Target weights of the drawn critics only, leading axis [n_min], whichever group they live in."""
    shared = {"w_out", "b_out"} if cfg.shared_q_head else set()
    first = 0
    found: Params = {}
    for group in groups:
        size = group.target["b0"].shape[0]
        inside = (members >= first) & (members < first + size)
        place = jnp.clip(members - first, 0, size - 1)
        for name, array in group.target.items():
            part = array if name in shared else array[place]
            mine = inside.reshape(-1, *([1] * (part.ndim - 1)))
            found[name] = jnp.where(mine, part, found[name]) if name in found else part
        first += size
    return found


def by_hand(cfg: AgentConfig) -> bool:
    """Whether `loss_and_grads` covers these critics; the others are differentiated by JAX."""
    return cfg.activation == "relu" and cfg.critic_layer_norm and not cfg.shared_q_head


def loss_and_grads(
    params: Params, x: jax.Array, target: jax.Array, cfg: AgentConfig
) -> tuple[tuple[jax.Array, jax.Array], Params, jax.Array]:
    """Squared distance of a group's values to `target`, summed over the group and divided by E_all * B.

    Args:
        params: the group's weights [E, ..].
        x: state and action side by side, [B, I].
        target: what the values should be, [B].
        cfg: the settings; `n_critics` is E_all.

    Returns:
        The loss and the values' sum over E_all * B, the gradients by weight name, and the gradient of x,
        which costs nothing where it is not used.
    """
    if by_hand(cfg):
        return _loss_and_grads(params, x, target, cfg.n_critics)

    def loss(p: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        q = networks.q_of(p, x, cfg)
        return jnp.square(q - target).sum() / (cfg.n_critics * x.shape[0]), q.sum() / (
            cfg.n_critics * x.shape[0]
        )

    values, (grads, dx) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    return values, grads, dx


def _loss_and_grads(params: Params, x: jax.Array, target: jax.Array, n_critics: int) -> tuple:
    layers = _forward(params, x)
    last, top = len(layers) - 1, layers[-1]
    w_out, scale, shift = params["w_out"][..., 0], params[f"scale{last}"], params[f"shift{last}"]
    width = w_out.shape[-1]
    mask = (top.out > 0).astype(x.dtype)
    masked = mask * top.normal
    steep = w_out * scale
    row_mask, row_normal = _rows(mask, steep), _rows(masked, steep)
    q = row_normal + _rows(mask, w_out * shift) + params["b_out"]
    count = n_critics * x.shape[0]
    error = q - target
    dq = error * (2.0 / count)
    col_mask, col_normal = _columns(mask, dq), _columns(masked, dq)
    grads = {
        f"shift{last}": w_out * col_mask,
        f"scale{last}": w_out * col_normal,
        "w_out": (scale * col_normal + shift * col_mask)[..., None],
        "b_out": dq.sum(1, keepdims=True),
    }
    slope = mask * steep[:, None] - (row_mask[..., None] + top.normal * row_normal[..., None]) / width
    dz = (top.rstd * dq)[..., None] * slope
    for i in range(last, -1, -1):
        grads |= _dense_grads(i, layers[i].x, dz)
        if i:
            dz, more = _backward(
                params, i - 1, layers[i - 1], jnp.einsum("ebh,eih->ebi", dz, params[f"w{i}"])
            )
            grads |= more
    dx = jnp.einsum("ebh,eih->bi", dz, params["w0"])
    return (jnp.square(error).sum() / count, q.sum() / count), grads, dx


def _forward(params: Params, x: jax.Array) -> list[Layer]:
    """All hidden layers for inputs [B, I]."""
    members = params["b0"].shape[0]
    # the barrier keeps XLA from merging the first layer into one product whose result it must then transpose
    x = jnp.concatenate([x, jnp.ones((x.shape[0], 1), x.dtype)], axis=1)
    h = jax.lax.optimization_barrier(jnp.broadcast_to(x, (members, *x.shape)))
    layers = []
    for i in range(networks.hidden_count(params)):
        w, bias, scale, shift = (params[f"{kind}{i}"] for kind in ("w", "b", "scale", "shift"))
        if i:
            z = jnp.matmul(h, w)
            mean, rstd = _moments(z, bias)
            normal = (z + bias[:, None] - mean[..., None]) * rstd[..., None]
        else:
            z = jnp.matmul(h, jnp.concatenate([w, bias[:, None]], axis=1))
            mean, rstd = _moments(z)
            normal = (z - mean[..., None]) * rstd[..., None]
        out = jax.nn.relu(normal * scale[:, None] + shift[:, None])
        layers.append(Layer(h, normal, rstd, out))
        h = out
    return layers


def _moments(z: jax.Array, bias: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
    """Mean and 1 / standard deviation of the rows of z + bias, [E, B], without storing that sum."""
    members, _, width = z.shape
    mean, square = _rows(z, jnp.full((members, width), 1.0 / width)), jnp.square(z).sum(-1)
    if bias is not None:
        mean += bias.mean(-1, keepdims=True)
        square += 2.0 * _rows(z, bias) + jnp.square(bias).sum(-1, keepdims=True)
    variance = jnp.maximum(square / width - jnp.square(mean), 0.0)
    return mean, jax.lax.rsqrt(variance + networks.LAYER_NORM_EPS)


def _backward(params: Params, i: int, layer: Layer, dout: jax.Array) -> tuple[jax.Array, Params]:
    """From the gradient after layer i's ReLU to the one before its LayerNorm, and LayerNorm's own."""
    scale = params[f"scale{i}"]
    width = scale.shape[-1]
    dy = jnp.where(layer.out > 0, dout, 0.0)
    along = dy * layer.normal
    ones = jnp.ones(dy.shape[:2], dy.dtype)
    grads = {f"shift{i}": _columns(dy, ones), f"scale{i}": _columns(along, ones)}
    flat, tilt = _rows(dy, scale) / width, _rows(along, scale) / width
    dz = layer.rstd[..., None] * (dy * scale[:, None] - flat[..., None] - layer.normal * tilt[..., None])
    return dz, grads


def _dense_grads(i: int, x: jax.Array, dz: jax.Array) -> Params:
    """Gradients of layer i's weights and bias from its input x [E, B, I] and the gradient dz [E, B, H]."""
    grad = jnp.matmul(jax.lax.optimization_barrier(jnp.swapaxes(x, 1, 2)), dz)
    if i == 0:  # the bias was one more row
        return {"w0": grad[:, :-1], "b0": grad[:, -1]}
    return {f"w{i}": grad, f"b{i}": _columns(dz, jnp.ones(dz.shape[:2], dz.dtype))}


def _rows(z: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted sum over features: [E, B, H], [E, H] -> [E, B]."""
    return jnp.einsum("ebh,eh->eb", z, weights)


def _columns(z: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted sum over samples: [E, B, H], [E, B] -> [E, H]."""
    return jnp.einsum("ebh,eb->eh", z, weights)
