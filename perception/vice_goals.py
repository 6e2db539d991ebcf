"""Examples of success for VICE: from labelled frames, runs or demonstrations, kept with the run."""

import pathlib

import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.learners.files import write_whole
from sandlot.learners.schema import EnvSpec
from sandlot.learners.store_read import RunReader
from sandlot.perception.classifier.collect import RunLabels, layout_of, run_clips
from sandlot.perception.classifier.dataset import INDEX, FrameStore, Layout
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.feature_env import PREFIX

Images = dict[str, np.ndarray]
FILE = "goals.safetensors"
DATA = "data"
MOST = 2000
"""So many examples are kept, spread over all there are."""


def of_run(folder: pathlib.Path, config: TrainConfig, spec: EnvSpec) -> Images:
    """The examples [N, H, W, C] of each camera that a run learns its reward from, or features [N, 1, 1, F].

    They are read once and kept in the run's folder: a run that goes on later learns from the same ones.

    Raises:
        ConfigError: there are none, or they cannot be used with this run's encoder.
        SpecError: they are of another task, or of other cameras.
        StoreError: they cannot be read.
    """
    kept = folder / FILE
    if kept.is_file():
        try:
            return safetensors.numpy.load_file(kept)
        except (safetensors.SafetensorError, OSError) as error:
            raise StoreError(f"'{kept}' is damaged ({error}); delete it to read --vice anew") from error
    made = read(config, spec)
    write_whole(kept, safetensors.numpy.save(made))
    return made


def read(config: TrainConfig, spec: EnvSpec) -> Images:
    """The examples that `--vice` names, as `of_run` gives them."""
    layout, frames = examples(pathlib.Path(config.vice))
    if layout.task != spec.task:
        raise SpecError(
            f"--vice '{config.vice}' shows task '{layout.task}', not '{spec.task}'; name examples of this one"
        )
    frames = {camera: spread(seen) for camera, seen in frames.items()}
    made = _features(frames, config, spec) if config.env.encoder else _of_cameras(frames, config.vice, spec)
    return {camera: np.ascontiguousarray(seen) for camera, seen in made.items()}


def examples(source: pathlib.Path) -> tuple[Layout, Images]:
    """The frames that show success: of a data set's training episodes, or the last of successful trials."""
    for folder in (source, source / DATA):
        if (folder / INDEX).is_file():
            data = FrameStore(folder).load("train")
            rows = spread(np.flatnonzero(data.labels == len(data.layout.classes) - 1))
            layout, frames = data.layout, {camera: seen[rows] for camera, seen in data.frames.items()}
            break
    else:
        layout = layout_of(RunReader(source).spec, ("no", "yes"))
        found = {camera: [np.zeros((0, *shape), np.uint8)] for camera, shape in layout.cameras.items()}
        for clip in run_clips(source, layout, RunLabels()):
            for camera, some in found.items():
                some.append(clip.frames[camera][clip.labels == 1])
        frames = {camera: np.concatenate(some) for camera, some in found.items()}
    if not len(next(iter(frames.values()))):
        raise ConfigError(f"--vice '{source}' shows no success; `sandlot classifier collect` collects some")
    return layout, frames


def spread(of: np.ndarray) -> np.ndarray:
    """All of an array, or `MOST` entries from its beginning to its end."""
    return of if len(of) <= MOST else of[np.linspace(0, len(of) - 1, MOST).astype(int)]


def shapes(spec: EnvSpec) -> dict[str, tuple[int, int, int]]:
    """What a run's reward looks at: its cameras' frames, or the features that are stored in their place."""
    if spec.images:
        return dict(spec.images)
    return {camera: (1, 1, at.stop - at.start) for camera, at in places(spec).items()}


def places(spec: EnvSpec) -> dict[str, slice]:
    """Where each camera's features are in the state."""
    found, first = {}, 0
    for entry in spec.state:
        if entry.name.startswith(PREFIX):
            found[entry.name.removeprefix(PREFIX)] = slice(first, first + entry.size)
        first += entry.size
    return found


def _of_cameras(frames: Images, source: str, spec: EnvSpec) -> Images:
    """The frames of the run's own cameras."""
    for camera, shape in spec.images.items():
        found = frames[camera].shape[1:] if camera in frames else "missing"
        if found != shape:
            raise SpecError(
                f"--vice '{source}': frames of camera '{camera}' are {found}, and the run's are {shape}; "
                "observe with the cameras and the size of the examples"
            )
    return {camera: frames[camera] for camera in spec.images}


def _features(frames: Images, config: TrainConfig, spec: EnvSpec) -> Images:
    """What the run's frozen encoder says of the frames."""
    encoder = TrainedEncoder.load(config.env.encoder)
    if encoder.scene:
        raise ConfigError(
            f"--encoder '{config.env.encoder}' has a scene, which needs the robot's state; --vice knows "
            "frames alone: train one without --scene"
        )
    frames = {camera: seen for camera, seen in frames.items() if camera in encoder.shapes}
    encoder.check_cameras({camera: seen.shape[1:] for camera, seen in frames.items()})
    if shapes(spec) != {camera: (1, 1, encoder.size(camera)) for camera in frames}:
        raise SpecError(f"--encoder '{config.env.encoder}' is not the one this run's data was seen with")
    return {camera: encoder.encode(camera, seen)[:, None, None, :] for camera, seen in frames.items()}
