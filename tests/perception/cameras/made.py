"""Recordings made for tests: each frame is one grey level, so that it says which one it is."""

import pathlib

import cv2
import numpy as np

LEVELS = (40, 80, 120, 160, 200)
SIZE_PX = (64, 48)


def video(path: pathlib.Path, levels=LEVELS) -> pathlib.Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, SIZE_PX)
    for level in levels:
        writer.write(np.full((SIZE_PX[1], SIZE_PX[0], 3), level, np.uint8))
    writer.release()
    return path


def folder(path: pathlib.Path, levels=LEVELS) -> pathlib.Path:
    path.mkdir()
    for k, level in enumerate(levels):
        frame = np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
        frame[..., 2] = level  # BGR: red
        cv2.imwrite(str(path / f"{k:03d}.png"), frame)
    return path
