"""Pictures of a policy at work: it plays seeded episodes, `env.render()` gives the frames."""

import base64
import io
import logging
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from sandlot.learners import envs
from sandlot.learners.errors import SandlotError
from sandlot.learners.evaluate import EvalConfig
from sandlot.learners.frames import Frames
from sandlot.learners.playing import ActingPolicy, check_match

log = logging.getLogger(__name__)

GIF_WIDTH_PX = 360
STRIP_WIDTH_PX = 240
STRIP_FRAMES = 6
GIF_COLORS = 160
ENOUGH_FRAMES = 100
"""No further episode is begun after this many: software rendering takes about 0.2 s for a fine picture."""
HOLD_S = 0.8
"""How long the last frame of an episode stands still."""


class Film(NamedTuple):
    """Frames of several episodes, uint8 [H, W, 3] each, taken `fps` times a second."""

    episodes: list[list[np.ndarray]]
    successes: list[bool]
    fps: float


def shoot(policy: ActingPolicy, config: EvalConfig) -> Film:
    """Plays up to `config.episodes` episodes; keeps a frame before every step and one at the end of each.

    Raises:
        SandlotError: this machine or this env cannot render; the text says why.
    """
    env = envs.make(config.task, render=True, **config.env.kwargs())
    try:
        check_match(policy, env)
        film = Film([], [], envs.env_spec(env).control_hz)
        for k in range(config.episodes):
            frames, success = _episode(env, policy, config.seed + k)
            film.episodes.append(frames)
            film.successes.append(success)
            if sum(map(len, film.episodes)) >= ENOUGH_FRAMES:
                break
        return film
    finally:
        env.close()


def gif(film: Film) -> bytes:
    """The film as an animated GIF, all frames in one palette so that nothing flickers."""
    pictures = [_scaled(frame, GIF_WIDTH_PX) for frames in film.episodes for frame in frames]
    step_ms = round(1000 / film.fps)
    ends = np.cumsum([len(frames) for frames in film.episodes]) - 1
    times_ms = [step_ms + (round(1000 * HOLD_S) if i in ends else 0) for i in range(len(pictures))]
    palette = _mosaic(pictures).quantize(GIF_COLORS, dither=Image.Dither.NONE)
    indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    out = io.BytesIO()
    indexed[0].save(
        out, "GIF", save_all=True, append_images=indexed[1:], duration=times_ms, loop=0, optimize=False
    )
    return out.getvalue()


def save_gif(film: Film, path: pathlib.Path) -> None:
    """Writes the film as an animated GIF."""
    path.write_bytes(gif(film))


def strip(film: Film) -> list[bytes]:
    """JPEG pictures of one episode (the first success, if any), evenly spaced from its start to its end."""
    frames = film.episodes[film.successes.index(True) if True in film.successes else 0]
    chosen = np.linspace(0, len(frames) - 1, min(STRIP_FRAMES, len(frames))).round().astype(int)
    pictures = []
    for i in chosen:
        out = io.BytesIO()
        _scaled(frames[i], STRIP_WIDTH_PX).save(out, "JPEG", quality=88)
        pictures.append(out.getvalue())
    return pictures


def data_uri(data: bytes, kind: str) -> str:
    """A picture as text for `<img src=...>`; `kind` is gif, jpeg or png."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _episode(env: envs.Env, policy: ActingPolicy, seed: int) -> tuple[list[np.ndarray], bool]:
    obs, info = env.reset(seed=seed)
    frames, ended = [_frame(env)], False
    shown = Frames()
    while not ended:
        obs, _, terminated, truncated, info = env.step(policy.act(shown.add(obs, policy), None))
        frames.append(_frame(env))
        ended = terminated or truncated
    return frames, bool(info.get("success", False))


def _frame(env: envs.Env) -> np.ndarray:
    try:
        frame = env.render()
    except Exception as err:  # whatever a third party's renderer raises, the report goes on without pictures
        raise SandlotError(
            f"rendering failed: {type(err).__name__}: {err}; `sandlot doctor` says what it needs"
        ) from err
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3:
        raise SandlotError(f"env.render() gave {type(frame).__name__}; a film needs uint8 [height, width, 3]")
    return frame


def _scaled(frame: np.ndarray, width_px: int) -> Image.Image:
    """A picture no wider than asked, in its own proportions."""
    picture = Image.fromarray(frame)
    if picture.width <= width_px:
        return picture
    height_px = round(picture.height * width_px / picture.width)
    return picture.resize((width_px, height_px), Image.Resampling.LANCZOS)


def _mosaic(pictures: list[Image.Image]) -> Image.Image:
    """Some pictures above each other: what the common palette is chosen from."""
    some = pictures[:: max(1, len(pictures) // 8)]
    mosaic = Image.new("RGB", (some[0].width, sum(p.height for p in some)))
    for i, picture in enumerate(some):
        mosaic.paste(picture, (0, i * picture.height))
    return mosaic
