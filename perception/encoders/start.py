"""What an agent's own encoders start from: a trained one's file, checked against what the agent sees."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sandlot.learners.errors import SpecError
from sandlot.perception.encoders.base import Encoder, Shape
from sandlot.perception.encoders.file import TrainedEncoder, Weights

if TYPE_CHECKING:  # the agents import JAX
    from sandlot.learners.agents.config import AgentConfig


def start_weights(cfg: "AgentConfig", encoder: Encoder, shapes: Mapping[str, Shape]) -> dict[str, Weights]:
    """The encoders' own weights in the file `cfg.encoder_init`, by camera.

    The file's head stays behind, an agent's bottleneck takes its place; so does a scene.

    Args:
        cfg: names the file and the agent's encoder.
        encoder: that encoder.
        shapes: (H, W, C) of the frames of each camera that the agent sees.

    Raises:
        StoreError: the file cannot be read.
        WeightsError: it holds no usable encoder.
        SpecError: it is of another encoder, of other settings or of other frames.
    """
    found, where = TrainedEncoder.load(cfg.encoder_init), f"--agent.encoder-init '{cfg.encoder_init}'"
    theirs, own = _meaning(found.encoder), _meaning(encoder)
    if (found.name, theirs) != (cfg.encoder, own):
        flags = " ".join(f"'{name}={json.dumps(value)}'" for name, value in theirs.items())
        raise SpecError(
            f"{where} holds encoder {found.name}, and the agent's is {cfg.encoder} with "
            f"{json.dumps(own)}; start with --agent.encoder {found.name} --agent.encoder-settings {flags}"
        )
    for camera, shape in shapes.items():
        if found.shapes.get(camera) != tuple(shape):
            raise SpecError(
                f"{where} was trained on frames {found.shapes}, and the agent sees '{camera}' with "
                f"{tuple(shape)}; name the same cameras in the same size"
            )
    return {c: {name: found.weights[c][name] for name in encoder.shapes(s)} for c, s in shapes.items()}


def _meaning(encoder: Encoder) -> dict[str, object]:
    """The settings that say what weights mean; an encoder may name others as `free`."""
    settings = dataclasses.asdict(encoder)  # type: ignore[call-overload]
    free = getattr(encoder, "free", ())
    return {name: value for name, value in settings.items() if name not in free}
