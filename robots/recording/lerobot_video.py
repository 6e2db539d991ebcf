"""Frames into mp4 files and out of them, through PyAV: AV1 as LeRobot writes it, else H.264."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from sandlot.robots.recording.errors import DatasetError

CODECS = {
    "libsvtav1": {"g": "2", "crf": "30", "preset": "12"},
    "libx264": {"g": "2", "crf": "23", "preset": "veryfast"},
}
PIXELS = "yuv420p"


def encoder() -> str:
    """The best encoder that is there."""
    for name in CODECS:
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    raise DatasetError(f"PyAV has none of the encoders {', '.join(CODECS)}; export with --images png")


class VideoWriter:
    """One file being written; frame k is shown at k / fps."""

    def __init__(self, path: Path, fps: int, shape: tuple[int, int]) -> None:
        """Opens a file for frames of a shape (height, width); both must be even."""
        if shape[0] % 2 or shape[1] % 2:
            raise DatasetError(
                f"video {path.parent.parent.name}: frames of {shape[1]}x{shape[0]} cannot be encoded, both "
                "must be even; export with --images png"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.count, self.size_bytes, self._step = path, 0, 0, Fraction(1, fps)
        name = encoder()
        os.environ.setdefault("SVT_LOG", "1")  # the encoder writes its settings to stderr otherwise
        self._file = av.open(str(path), "w")
        self._stream: Any = self._file.add_stream(name, rate=fps, options=CODECS[name])
        self._stream.height, self._stream.width = shape
        self._stream.pix_fmt = PIXELS

    def add(self, frame: np.ndarray) -> None:
        """Appends a frame, uint8 [H, W, 3]."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = self.count, self._step
        self.count += 1
        self._mux(picture)

    def close(self) -> dict[str, Any]:
        """Ends the file; returns what `info.json` says of it."""
        self._mux(None)
        self._file.close()
        return video_info(self.path)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            self.size_bytes += packet.size
            self._file.mux(packet)


def video_info(path: Path) -> dict[str, Any]:
    """A video's size, codec and rate, in LeRobot's words."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": int(stream.average_rate or 0),
            "video.channels": 3,
            "has_audio": False,
        }


class VideoReader:
    """The frames of one file, mostly in their order."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._fps = path, fps
        self._frames, self._next = self._decode(), 0

    def read(self, first: int, count: int) -> np.ndarray:
        """Frames `first` to `first + count`, uint8 [count, H, W, 3].

        Raises:
            DatasetError: the video is shorter, or cannot be decoded.
        """
        if first < self._next:
            self._frames, self._next = self._decode(), 0
        frames = []
        for number, frame in self._frames:
            self._next = number + 1
            if number >= first:
                frames.append(frame)
            if len(frames) == count:
                return np.stack(frames)
        raise DatasetError(
            f"video '{self.path}' ends after frame {self._next - 1}; frames {first} to {first + count - 1} "
            "are wanted: it was cut off, get a whole copy"
        )

    def _decode(self) -> Iterator[tuple[int, np.ndarray]]:
        try:
            with av.open(str(self.path)) as file:
                for frame in file.decode(file.streams.video[0]):
                    yield round(float(frame.time or 0.0) * self._fps), frame.to_ndarray(format="rgb24")
        except (av.FFmpegError, OSError, IndexError) as error:
            raise DatasetError(f"video '{self.path}' cannot be decoded: {error}") from error
