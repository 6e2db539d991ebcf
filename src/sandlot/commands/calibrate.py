"""`sandlot calibrate board|intrinsics|hand-eye`."""

import contextlib
import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
import tyro
from PIL import Image

from sandlot.cli import act, parse, print_result
from sandlot.learners.errors import ConfigError
from sandlot.perception.calibration import (
    Board,
    CalibrationError,
    HandEyeView,
    Mount,
    poses_file,
    record,
    sets,
)
from sandlot.perception.calibration import hand_eye as hand_eyes
from sandlot.perception.calibration import intrinsics as intrinsics_of
from sandlot.perception.calibration.picture import coverage_picture
from sandlot.perception.cameras import Camera, CameraConfig, load, save
from sandlot.perception.cameras.registry import FILE, pick

HELP = {
    "board": "a page to print: the ChArUco board that both calibrations look at",
    "intrinsics": "focal lengths, middle and distortion of a camera",
    "hand-eye": "where a camera is: on the hand, or in the world beside the arm",
}
BoardArgs = Annotated[Board, tyro.conf.arg(name="")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Print:
    """Write the board to print; print it at 100 %, glue it to something flat, and measure a square.

    Attributes:
        out: a .pdf or .png file.
        paper: a4, a3 or letter.
        board: the board's squares.
        json: end with one line of JSON.
    """

    out: str = "board.pdf"
    paper: str = "a4"
    board: BoardArgs = Board()
    json: bool = False

    def run(self) -> dict[str, Any]:
        """Writes it."""
        file = self.board.print_to(self.out, self.paper)
        return {"file": str(file), "squares": f"{self.board.columns} x {self.board.rows}",
                "square_mm": 1e3 * self.board.square_m}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """What both calibrations take.

    Attributes:
        camera: its name in the camera file.
        file: the camera file; the result is written into it.
        images: a folder of pictures taken before; without, they are taken now while you show the board.
        topic: read the pictures from this image topic and not from the camera's own device.
        out: folder for pictures taken now; `calibration/CAMERA-...` when empty.
        limit_s: how long pictures are taken at most.
        board: the board's squares, as measured on the print.
        json: end with one line of JSON.
    """

    camera: tyro.conf.Positional[str]
    file: str = FILE
    images: str = ""
    topic: str = ""
    out: str = ""
    limit_s: float = 600.0
    board: BoardArgs = Board()
    json: bool = False

    def config(self) -> CameraConfig:
        """The camera, as the file says."""
        config = pick(load(self.file), self.camera, self.file)
        return dataclasses.replace(config, source="ros", device=self.topic) if self.topic else config

    def folder(self, kind: str) -> str:
        """Where pictures taken now go."""
        return self.out or str(pathlib.Path("calibration") / f"{self.camera}-{kind}")

    def keep(self, part: str, found: dict[str, Any]) -> None:
        """Writes a result into the camera file, beside what else it holds."""
        cameras = load(self.file)
        config = cameras[self.camera]
        made = dataclasses.replace(config, calibration={**config.calibration, part: found})
        save(self.file, {**cameras, self.camera: made})


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntrinsicsFlags(Common):
    """Find a camera's focal lengths, middle and distortion.

    Show the board to the camera: near, far, at every edge of the picture, tilted each way, and hold it still
    for a moment each time.

    Attributes:
        count: pictures to take.
        wide: fit a third radial coefficient, for lenses that bend straight lines visibly.
    """

    count: int = 25
    wide: bool = False

    def run(self) -> dict[str, Any]:
        """Takes or reads the pictures, solves, writes."""
        folder, config = self.images or self.folder("intrinsics"), self.config()
        if not self.images:
            with Camera(config) as camera:
                sets.take(camera, self.board, folder, count=self.count, limit_s=self.limit_s, tell=_tell)
        found = sets.read(folder, self.board)
        _check_size(config, found.size_px)
        picture = pathlib.Path(folder).resolve().with_name(f"{pathlib.Path(folder).name}-coverage.png")
        Image.fromarray(coverage_picture(found.corners, found.first)).save(picture)
        _tell(f"what saw the board: {picture}")
        result = intrinsics_of.calibrate(found.corners, self.board, found.size_px, wide=self.wide)
        kept = record.of_intrinsics(result)
        self.keep("intrinsics", kept)
        worst = max(result.errors_px, key=lambda name: result.errors_px[name])
        errors = {name: round(error, 3) for name, error in result.errors_px.items()}
        return {**kept, "pictures": found.total, "tilt_deg": result.tilt_deg,
                "worst": worst, "worst_px": result.errors_px[worst], "coverage_picture": str(picture),
                "written_to": self.file, **({"errors_px": errors} if self.json else {})}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class HandEyeFlags(Common):
    """Find where a camera is, by the arm's own poses.

    On the hand: lay the board before the arm and leave it. In the world: fix the board to the hand. Then move
    the arm, by teleoperation or by hand: turn the tool by 20 to 60 degrees about several axes, with the board
    in view, and stand still for a moment each time.

    Attributes:
        mount: `hand` when the camera rides on the hand, `world` when it stands beside the arm.
        count: pictures to take.
        namespace: of the robot whose tool poses are read.
        poses: file of the tool's poses; `poses.csv` beside the pictures when empty.
    """

    mount: Mount
    count: int = 15
    namespace: str = "arm"
    poses: str = ""

    def run(self) -> dict[str, Any]:
        """Takes or reads pictures and poses, solves, writes."""
        folder, config = self.images or self.folder("hand-eye"), self.config()
        known = record.intrinsics_of(config.calibration, self.camera)
        if not self.images:
            with Camera(config) as camera, _tool_poses(self.namespace) as tool_at:
                sets.take(
                    camera, self.board, folder,
                    count=self.count, limit_s=self.limit_s, tell=_tell, tool_at=tool_at,
                )  # fmt: skip
        found = sets.read(folder, self.board)
        if found.size_px != (known.width_px, known.height_px):
            raise CalibrationError(
                f"pictures have {found.size_px[0]}x{found.size_px[1]} pixels, the intrinsics are for "
                f"{known.width_px}x{known.height_px}; publish whole pictures (camera_node -p whole:=true), "
                "or calibrate the intrinsics at this size"
            )
        tools = poses_file.read(self.poses or pathlib.Path(folder) / poses_file.NAME)
        missing = sorted(found.corners.keys() - tools.keys())
        if missing:
            raise CalibrationError(f"'{missing[0]}' has no line in the poses; add it, or remove the picture")
        views = [HandEyeView(name, tools[name], corners) for name, corners in found.corners.items()]
        result = hand_eyes.solve(views, self.board, known, self.mount)
        kept = record.of_hand_eye(result, self.camera)
        self.keep("pose", kept)
        methods = {f"{name}_mm_away": 1e3 * away for name, away in result.methods_m.items()}
        return {**kept, "worst": result.worst[0], "worst_left_out_mm": 1e3 * result.worst[1], **methods,
                "static_transform": record.static_transform(kept), "written_to": self.file}  # fmt: skip


KINDS: dict[str, Any] = {"board": Print, "intrinsics": IntrinsicsFlags, "hand-eye": HandEyeFlags}


def main(argv: list[str]) -> int:
    """Runs one of the actions."""
    return act(
        "calibrate", {name: (text, functools.partial(_run, name)) for name, text in HELP.items()}, argv
    )


def _run(name: str, argv: list[str]) -> None:
    flags = parse(KINDS[name], argv, prog=f"calibrate {name}")
    print_result(flags.run(), as_json=flags.json)


@contextlib.contextmanager
def _tool_poses(namespace: str) -> Iterator[Callable[[float], np.ndarray]]:
    """Where the tool was at a time, from the running robot."""
    try:
        from sandlot.robots.cameras.ros_tool_pose import ToolPoses  # noqa: PLC0415  (rclpy)
    except ImportError as error:
        raise ConfigError(
            f"tool poses come over ROS 2, which is missing here ({error}): pip install 'sandlot[ros]', or "
            "give --images with a poses.csv"
        ) from error
    poses = ToolPoses(namespace)
    try:
        yield poses.at
    finally:
        poses.close()


def _check_size(config: CameraConfig, size_px: tuple[int, int]) -> None:
    wanted = config.width_px or size_px[0], config.height_px or size_px[1]
    if wanted != size_px:
        raise CalibrationError(
            f"pictures have {size_px[0]}x{size_px[1]} pixels, {config.label} gives {wanted[0]}x{wanted[1]}; "
            "intrinsics are for whole pictures of one size"
        )


def _tell(text: str) -> None:
    """What to do next, for the person at the camera."""
    sys.stderr.write(f"{text}\n")
