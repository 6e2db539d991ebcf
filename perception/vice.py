"""VICE: rewards from examples of success alone (Fu et al. 2018, 1805.11686).

A discriminator tells examples of success from what the policy sees, and keeps learning while the policy does;
its log odds are the reward. A policy that finds something the examples only resemble soon meets it among the
negatives, and the reward there falls: unlike with a classifier trained once, there is nothing to exploit for
long. Soft labels and mixed frames keep the odds from running away (Singh et al. 2019, 1904.07854).

State in, state out: the caller owns the frames of success, those of the policy, and when to update. In a
training run that is `vice_reward`.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners import plugins
from sandlot.learners.agents import optim
from sandlot.learners.errors import ConfigError
from sandlot.perception.classifier import network
from sandlot.perception.classifier.model import Classifier, ClassifierSpec, Shape
from sandlot.perception.classifier.network import Images, Learning


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViceConfig:
    """How the discriminator learns, and what it pays.

    Attributes:
        encoder: plugin name of the encoder of each camera; "" when frames are features, [B, 1, 1, F].
        hidden: units between the encoders and the answer.
        lr: step size of Adam.
        decay: decoupled weight decay, as a share of the step size.
        shift_px: random shift of each frame.
        light: random change of brightness and contrast, as a share.
        smooth: labels are this far from 0 and 1.
        most: rewards lie in [-most, most].
        batch: frames of success in one gradient step, and as many of the policy's.
        every: calls of the agent's update to one gradient step.
        ends: whether a trial that ended with success is over for the agent too; else examples alone count,
            and whoever ends trials only decides where the next one begins.
    """

    encoder: str = "conv"
    hidden: int = 64
    lr: float = 3e-4
    decay: float = 0.01
    shift_px: int = 1
    light: float = 0.1
    smooth: float = 0.1
    most: float = 3.0
    batch: int = 64
    every: int = 1
    ends: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigError naming the setting, its value and the rule."""
        rules = {
            "smooth": (0.0 <= self.smooth < 0.5, "lie in [0, 0.5)"),
            "light": (0.0 <= self.light < 1.0, "lie in [0, 1)"),
            "decay": (0.0 <= self.decay < math.inf, "be finite and at least 0"),
            "lr": (0.0 < self.lr < math.inf, "be finite and above 0"),
            "most": (0.0 < self.most < math.inf, "be finite and above 0"),
            "shift_px": (self.shift_px >= 0, "be at least 0"),
            **{name: (getattr(self, name) >= 1, "be at least 1") for name in ("batch", "every", "hidden")},
        }
        for name, (good, rule) in rules.items():
            if not good:
                raise ConfigError(
                    f"reward setting {name}={getattr(self, name)} cannot be used: it must {rule}"
                )
        if self.encoder:
            plugins.load("encoder", self.encoder)


def begin(key: jax.Array, cameras: dict[str, Shape], config: ViceConfig) -> Learning:
    """A discriminator that has seen nothing: every reward is 0."""
    return network.begin(network.init(key, _encoder(config), cameras, config.hidden, 2))


@functools.partial(jax.jit, static_argnames="config")
def update(
    state: Learning, key: jax.Array, goals: Images, seen: Images, *, config: ViceConfig
) -> tuple[Learning, jax.Array]:
    """One gradient step; also returns the loss before it.

    Args:
        state: what was learned so far.
        key: of augmentation and mixing.
        goals: examples of success, uint8 [B, H, W, C] of each camera.
        seen: as many frames that the policy saw, the newest ones best.
        config: the settings.
    """
    cameras = tuple(sorted(goals))
    change, mix, order = jax.random.split(key, 3)
    frames = {camera: jnp.concatenate([goals[camera], seen[camera]]) for camera in cameras}
    if config.encoder:
        frames = network.augment(change, frames, config.shift_px, config.light)
    count = frames[cameras[0]].shape[0]
    label = jnp.where(jnp.arange(count) < count // 2, 1.0 - config.smooth, config.smooth)
    share = jax.random.uniform(mix, (count,))
    other = jax.random.permutation(order, count)
    label = share * label + (1.0 - share) * label[other]
    weight = share[:, None, None, None]
    mixed = {camera: weight * x + (1.0 - weight) * x[other] for camera, x in frames.items()}

    def loss_of(params: network.Params) -> jax.Array:
        log_p = jax.nn.log_softmax(network.logits(params, mixed, _encoder(config), cameras))
        return -(label * log_p[:, 1] + (1.0 - label) * log_p[:, 0]).mean()

    loss, grads = jax.value_and_grad(loss_of)(state.params)
    params, adam, ok = optim.adam_step(state.params, grads, state.adam, lr=config.lr)
    keep = 1.0 - config.lr * config.decay * ok.astype(jnp.float32)
    params = {name: array * keep for name, array in params.items()}
    return Learning(params, network.nearer(state.mean, params, adam.steps, ok), adam), loss


@functools.partial(jax.jit, static_argnames="config")
def reward(state: Learning, seen: Images, *, config: ViceConfig) -> jax.Array:
    """Log odds that frames [B, H, W, C] are success rather than the policy's, in [-most, most], [B]."""
    logits = network.logits(state.params, seen, _encoder(config), tuple(sorted(seen)))
    return jnp.clip(logits[:, 1] - logits[:, 0], -config.most, config.most)


@functools.partial(jax.jit, static_argnames=("config", "gamma"))
def pay(
    state: Learning,
    seen: Images,
    env_reward: jax.Array,
    discount: jax.Array,
    *,
    config: ViceConfig,
    gamma: float,
) -> jax.Array:
    """What an agent is paid for steps [U, B] that led to frames [U, B, H, W, C]: never more than 0.

    A step costs 1 where its outcome looks like no success at all, 0 where it surely is one, and in between
    what the log odds say: they still have a slope where a probability is flat. Since no step pays, a trial
    that ends with success never loses what going on would have brought. One that ends without it costs as
    much as steps that never succeed, or else giving up would be the cheapest.

    Args:
        state: what was learned so far.
        seen: the frames of each camera after the steps.
        env_reward: the env's own rewards, above 0 for success alone.
        discount: 0 where a trial ended for good.
        config: the settings.
        gamma: the agent's discount of one step, below 1.
    """
    odds = jax.lax.map(lambda frames: reward(state, frames, config=config), seen)
    cost = 0.5 * odds / config.most - 0.5
    return jnp.where((discount == 0) & (env_reward <= 0), -1.0 / (1.0 - gamma), cost)


def as_classifier(state: Learning, task: str, cameras: dict[str, Shape], config: ViceConfig) -> Classifier:
    """The discriminator as a classifier: its averaged weights, to be saved where envs look for a newer file.

    Its thresholds are not calibrated: for a policy that does as the examples show, its probability is 0.5.
    """
    spec = ClassifierSpec(
        task=task,
        cameras=cameras,
        encoder=config.encoder,
        settings=dataclasses.asdict(_encoder(config)),
        hidden=config.hidden,
    )
    return Classifier(spec=spec, weights={name: np.asarray(array) for name, array in state.mean.items()})


def _encoder(config: ViceConfig) -> Any:
    """What sees each camera."""
    return plugins.load("encoder", config.encoder)() if config.encoder else _Features()


@dataclasses.dataclass(frozen=True)
class _Features:
    """Stands for an encoder where frames are features already."""

    def size(self, shape: Shape) -> int:
        return math.prod(shape)

    def init(self, key: jax.Array, shape: Shape) -> dict[str, jax.Array]:
        return {}

    def apply(self, params: dict[str, jax.Array], frames: jax.Array) -> jax.Array:
        return frames.reshape(len(frames), -1).astype(jnp.float32)
