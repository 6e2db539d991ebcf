"""Many small frames on one picture, each with a line of text: mistakes to look at, a queue to label."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

SHEET_PX = 1560
TILE_PX = 128
CAPTION_PX, GAP_PX = 16, 6
DARK, GREEN, RED = (24, 28, 34), (92, 210, 120), (255, 120, 110)


class Tile(NamedTuple):
    """Frames side by side uint8 [H, W, C], what to write below, and whether it is written in green."""

    frames: list[np.ndarray]
    text: str
    good: bool = False


def sheet(tiles: Sequence[Tile]) -> bytes:
    """A PNG with all tiles in a grid; at least one."""
    pictures = [_picture(tile) for tile in tiles]
    wide, high = (GAP_PX + max(sizes) for sizes in zip(*(p.size for p in pictures), strict=True))
    columns = max(1, min(len(pictures), SHEET_PX // wide))
    page = Image.new("RGB", (columns * wide, -(-len(pictures) // columns) * high), DARK)
    for i, picture in enumerate(pictures):
        page.paste(picture, (i % columns * wide + GAP_PX // 2, i // columns * high + GAP_PX // 2))
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def _picture(tile: Tile) -> Image.Image:
    """Frames at `TILE_PX` each with the text below."""
    picture = Image.new("RGB", (TILE_PX * len(tile.frames), TILE_PX + CAPTION_PX), DARK)
    for i, frame in enumerate(tile.frames):
        one = Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame[:, :, :3]).convert("RGB")
        picture.paste(one.resize((TILE_PX, TILE_PX), Image.Resampling.NEAREST), (i * TILE_PX, 0))
    ImageDraw.Draw(picture).text((3, TILE_PX + 2), tile.text, fill=GREEN if tile.good else RED)
    return picture
