"""A trained policy as a file: numpy only, so an actor on a robot needs neither JAX nor the learner.

The file is a safetensors file. Its metadata is readable JSON: the architecture, the EnvSpec it was trained
for, and the version (how many times the learner had published).
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners import limit
from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.learners.files import write_whole
from sandlot.learners.grip import Grips, grips
from sandlot.learners.limit import LimitArch, limit_of
from sandlot.learners.schema import EnvSpec
from sandlot.learners.sight import Sight, VisionArch, arch_of, inputs, mlp, mlp_shapes, under

if TYPE_CHECKING:  # the agents import JAX; this module must not
    from sandlot.learners.agents import AgentConfig, AgentState

FORMAT = "sandlot-policy-1"


GRIPPER = "gripper."
"""What the names of the gripper's weights begin with."""


class GripperArch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of the grippers' joint choices: an MLP with a bottleneck of its own; see `grip.py`.

    Attributes:
        hidden: widths of its hidden layers.
        layer_norm: LayerNorm before the activation.
        epsilon: chance of a random choice, when the policy draws at all.
    """

    hidden: tuple[int, ...]
    layer_norm: bool = True
    epsilon: float = 0.0


class PolicyArch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of a policy: tanh of a Gaussian whose mean and log std an MLP computes.

    The MLP reads the state; with `vision`, what is seen of the cameras' frames stands before it.
    """

    hidden: tuple[int, ...]
    activation: str = "relu"
    layer_norm: bool = False
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    vision: VisionArch | None = None
    gripper: GripperArch | None = None
    limit: LimitArch | None = None

    def shapes(self, spec: EnvSpec) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight array."""
        size = spec.state_size + (self.vision.latent * len(spec.images) if self.vision else 0)
        neck = self.vision.neck_shapes(spec) if self.vision else {}
        found = self.vision.shapes(spec) if self.vision else {}
        own = spec.action_size
        if self.limit:
            self.limit.check(spec)
        if self.gripper:
            where = grips(spec)
            own = len(where.continuous)
            sizes = (size, *self.gripper.hidden, len(where.table))
            values = neck | mlp_shapes(sizes, layer_norm=self.gripper.layer_norm)
            found |= {f"{GRIPPER}{name}": shape for name, shape in values.items()}
        found |= {limit.WEIGHT: (1,)} if self.limit else {}
        return found | neck | mlp_shapes((size, *self.hidden, 2 * own), layer_norm=self.layer_norm)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Policy:
    """What to do in a state. Checked when made: names, shapes, and that every weight is finite.

    Attributes:
        spec: what it observes and how it acts.
        arch: its shape.
        weights: float32 arrays by name.
        version: counts the learner's publications; newer is larger.
    """

    spec: EnvSpec
    arch: PolicyArch
    weights: dict[str, np.ndarray]
    version: int = 0

    def __post_init__(self) -> None:
        """Raises WeightsError naming the array, what it is and what it should be."""
        if self.arch.activation not in ("relu", "tanh"):
            raise WeightsError(f"policy activation '{self.arch.activation}' is unknown: use relu or tanh")
        try:
            shapes = self.arch.shapes(self.spec)
        except ConfigError as error:
            raise WeightsError(f"policy does not fit its own spec: {error}; export it again") from error
        if shapes.keys() != self.weights.keys():
            odd = sorted(shapes.keys() ^ self.weights.keys())
            raise WeightsError(f"policy arrays {odd} are missing or unknown; export the policy again")
        for name, shape in shapes.items():
            array = self.weights[name]
            if array.shape != shape or array.dtype != np.float32:
                raise WeightsError(
                    f"policy array '{name}' is {array.dtype}{list(array.shape)}, but task '{self.spec.task}' "
                    f"with hidden layers {list(self.arch.hidden)} needs float32{list(shape)}; export it again"
                )
            if not np.isfinite(array).all():
                bad = int((~np.isfinite(array)).sum())
                raise WeightsError(
                    f"policy array '{name}' has {bad} numbers that are not finite; keep the old policy"
                )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ when architecture or spec do; weights and version do not count."""
        arch = msgspec.json.encode(self.arch, order="deterministic")
        return hashlib.sha256(arch + self.spec.fingerprint.encode()).hexdigest()[:16]

    def act(self, obs: dict[str, Any], rng: np.random.Generator | None = None) -> np.ndarray:
        """The action for one observation, float32 [A] in [-1, 1].

        Args:
            obs: `obs["state"]` is float [S]; leading axes (many envs at once) are kept. A policy that sees
                reads `obs["images"]` too, {camera: uint8 [H, W, C]}; with a stack of K frames [K, H, W, C].
            rng: draws from the policy's distribution; None takes its mode.

        Raises:
            SpecError: state or images do not fit the spec, or a number of the state is not finite.
        """
        state = np.asarray(obs["state"], np.float32)
        if state.shape[-1:] != (self.spec.state_size,) or not np.isfinite(state).all():
            bad = int((~np.isfinite(state)).sum())
            raise SpecError(
                f"obs['state'] is {list(state.shape)} with {bad} numbers not finite; the "
                f"policy for task '{self.spec.task}' needs {self.spec.state_size} finite numbers"
            )
        features = self._sight.features(obs.get("images", {}), state.shape[:-1]) if self._sight else {}
        mean, log_std = self.distribution(inputs(self.weights, features, state))
        if rng is not None:
            mean = mean + np.exp(log_std) * rng.standard_normal(mean.shape, np.float32)
        action, arch = np.tanh(mean), self.arch.limit
        if arch:
            action = limit.below(np, action, limit.ceiling(np, self.weights[limit.WEIGHT], state, arch))
        return self._with_gripper(action, features, state, rng)

    @property
    def frame_stack(self) -> int:
        """How many frames in a row it sees at once; see `frames.Frames`."""
        return self.arch.vision.frame_stack if self.arch.vision else 1

    @functools.cached_property
    def _sight(self) -> Sight | None:
        return Sight(self.arch.vision, self.spec, self.weights) if self.arch.vision else None

    @functools.cached_property
    def _gripper(self) -> tuple[GripperArch, Grips, dict[str, np.ndarray]] | None:
        its = self.arch.gripper
        return (its, grips(self.spec), under(GRIPPER, self.weights)) if its else None

    def _with_gripper(
        self,
        own: np.ndarray,
        features: dict[str, np.ndarray],
        state: np.ndarray,
        rng: np.random.Generator | None,
    ) -> np.ndarray:
        """The whole action: the policy's `own` numbers; for the grippers the best choice, or a random one."""
        if self._gripper is None:
            return own
        arch, where, weights = self._gripper
        x = inputs(weights, features, state)
        choice = mlp(weights, x, hidden=len(arch.hidden), activation=self.arch.activation).argmax(-1)
        if rng is not None:
            other = rng.integers(len(where.table), size=choice.shape)
            choice = np.where(rng.random(choice.shape) < arch.epsilon, other, choice)
        return np.concatenate([own, where.table[choice]], axis=-1)[..., where.order]

    def distribution(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log standard deviation before tanh, each [.., A], for what the MLP reads [.., I]."""
        out = mlp(self.weights, x, hidden=len(self.arch.hidden), activation=self.arch.activation)
        mean, log_std = np.split(out, 2, axis=-1)
        return mean, np.clip(log_std, self.arch.log_std_min, self.arch.log_std_max)

    def to_bytes(self) -> bytes:
        """The policy file's content."""
        metadata = {
            "format": FORMAT,
            "arch": msgspec.json.encode(self.arch).decode(),
            "spec": msgspec.json.encode(self.spec).decode(),
            "version": str(self.version),
        }
        return safetensors.numpy.save(self.weights, metadata)

    @classmethod
    def from_bytes(cls, data: bytes, spec: EnvSpec | None = None) -> Self:
        """The policy in `data`.

        Raises:
            WeightsError: not a whole, well-formed policy file, or its weights cannot be used.
            SpecError: `spec` is given and differs from the one it was trained for.
        """
        try:
            metadata = _metadata(data)
            if metadata.get("format") != FORMAT:
                raise WeightsError(
                    f"policy format is {metadata.get('format')!r}, this version reads '{FORMAT}'"
                )
            arch = msgspec.json.decode(metadata["arch"], type=PolicyArch)
            own = msgspec.json.decode(metadata["spec"], type=EnvSpec).check()
            version = int(metadata["version"])
            weights = safetensors.numpy.load(data)
        except WeightsError:
            raise
        except (safetensors.SafetensorError, msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
            raise WeightsError(
                f"{len(data)} bytes are not a policy file ({error}); export the policy again"
            ) from error
        if spec is not None and spec.fingerprint != own.fingerprint:
            lines = "; ".join(own.differences(spec))
            raise SpecError(
                f"the policy was trained for another env ({lines}); use one trained for '{spec.task}'"
            )
        return cls(spec=own, arch=arch, weights=weights, version=version)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the policy file; a reader sees the old file or the whole new one, never a part."""
        write_whole(pathlib.Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str], spec: EnvSpec | None = None) -> Self:
        """The policy in a file; with `spec`, only if it was trained for exactly that."""
        try:
            data = pathlib.Path(path).read_bytes()
        except OSError as error:
            raise StoreError(
                f"policy file '{path}' cannot be read: {error}; `sandlot export RUN` writes one"
            ) from error
        try:
            return cls.from_bytes(data, spec)
        except (WeightsError, SpecError) as error:
            raise type(error)(f"policy file '{path}': {error}") from error


def policy_from_state(state: "AgentState", spec: EnvSpec, cfg: "AgentConfig", version: int = 0) -> Policy:
    """The policy inside an agent, copied out; raises WeightsError when it is not finite."""
    arch = PolicyArch(
        hidden=cfg.actor_hidden,
        activation=cfg.activation,
        layer_norm=cfg.actor_layer_norm,
        log_std_min=cfg.log_std_min,
        log_std_max=cfg.log_std_max,
        vision=arch_of(spec, cfg),
        limit=limit_of(cfg),
    )
    arrays = {**(state.vision.encoder if state.vision else {}), **state.actor}
    if state.gripper:
        its = GripperArch(cfg.critic_hidden, cfg.critic_layer_norm, cfg.gripper_epsilon)
        arch = msgspec.structs.replace(arch, gripper=its)
        seen = state.vision.neck if state.vision else {}
        arrays |= {f"{GRIPPER}{name}": array for name, array in {**seen, **state.gripper.params}.items()}
    weights = {name: np.array(array, np.float32) for name, array in arrays.items()}
    return Policy(spec=spec, arch=arch, weights=weights, version=version)


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: eight bytes of header length, then the JSON header."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ValueError(f"its header would be {size} bytes long")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("its metadata is not a table")
    return metadata
