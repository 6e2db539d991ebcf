"""`sandlot course drive|lap|show`."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np
import tyro

from sandlot.cli import act, parse, print_result
from sandlot.learners import envs
from sandlot.learners.errors import ConfigError
from sandlot.robots.car import course as courses
from sandlot.robots.car import course_picture
from sandlot.robots.car.course_from_lap import LapConfig, course_from_lap
from sandlot.robots.car.lap_file import read_lap
from sandlot.robots.recording.bag import Bag

HELP = {
    "drive": "in simulation: let the scripted driver drive one slow lap, and make a course of it",
    "lap": "make a course of one slow lap that was recorded: a bag, or a table of x and y",
    "show": "draw a course, to see whether its checkpoints are where they should be",
}
FOLDER = pathlib.Path("courses")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drive:
    """Make the course of a simulated place out of one slow lap of its scripted driver.

    Attributes:
        task: the place, e.g. `car_hall`.
        out: the course to write; `courses/TASK.yaml` when empty. A picture is written beside it.
        json: end with one line of JSON.
    """

    task: tyro.conf.Positional[str]
    out: str = ""
    json: bool = False

    def run(self) -> dict[str, Any]:
        """Drives, writes, draws."""
        env = envs.make(self.task)
        try:
            mapped = getattr(env.unwrapped, "map", None)
            if mapped is None:
                raise ConfigError(f"task '{self.task}' has no course; choose one of a car")
            course, lap_m, walls_m = mapped()
        finally:
            env.close()
        return _written(pathlib.Path(self.out or FOLDER / f"{self.task}.yaml"), course, lap_m, walls_m)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lap:
    """Make a course of one slow lap: drive from the start line until you pass it again.

    Attributes:
        file: a bag that was recorded while driving (`sandlot up car --record`), or a .csv file with the
            columns x_m and y_m.
        name: of the course; the file's when empty.
        out: the course to write; `courses/NAME.yaml` when empty. A picture is written beside it.
        straight_m: most distance between two checkpoints.
        radius_m: a checkpoint is passed when the car is so close.
        demos: folder to write the steps of the lap to, of a bag, for `sandlot train --demos-file`.
        cameras: of those steps; the bag's own when none are named.
        encoder: what replaces their frames by features, as `--encoder` does.
        json: end with one line of JSON.
    """

    file: tyro.conf.Positional[str]
    name: str = ""
    out: str = ""
    straight_m: float = LapConfig.straight_m
    radius_m: float = LapConfig.radius_m
    demos: str = ""
    cameras: tuple[str, ...] = ()
    encoder: str = ""
    json: bool = False

    def run(self) -> dict[str, Any]:
        """Reads, writes, draws."""
        name = self.name or pathlib.Path(self.file).stem
        config = LapConfig(straight_m=self.straight_m, radius_m=self.radius_m)
        course, lap_m = course_from_lap(read_lap(self.file), name, config)
        written = _written(pathlib.Path(self.out or FOLDER / f"{name}.yaml"), course, lap_m, None)
        return written | (self._steps(course) if self.demos else {})

    def _steps(self, course: courses.Course) -> dict[str, Any]:
        """The lap once more, as steps of practice."""
        if not pathlib.Path(self.file).is_dir():
            raise ConfigError(f"--demos needs what the car sensed: '{self.file}' is a table; name a bag")
        from sandlot.robots.car.lap_steps import write_lap_steps  # noqa: PLC0415  (needs ROS messages)

        bag = Bag(self.file)
        cameras = self.cameras or tuple(json.loads(bag.custom.get("cameras", "[]")))
        out = pathlib.Path(self.demos)
        made = write_lap_steps(bag, course, out, cameras=cameras, encoder=self.encoder)
        return {"demos": self.demos, "steps": made.steps, "gaps": made.gaps}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show:
    """Draw a course.

    Attributes:
        file: the course.
        out: the picture to write, .png; beside the course when empty.
        json: end with one line of JSON.
    """

    file: tyro.conf.Positional[str]
    out: str = ""
    json: bool = False

    def run(self) -> dict[str, Any]:
        """Draws."""
        course = courses.load(self.file)
        return _drawn(
            pathlib.Path(self.out or pathlib.Path(self.file).with_suffix(".png")), course, None, None
        )


def _written(
    file: pathlib.Path, course: courses.Course, lap_m: np.ndarray | None, walls_m: np.ndarray | None
) -> dict[str, Any]:
    file.parent.mkdir(parents=True, exist_ok=True)
    courses.save(file, course)
    return {"course": str(file), **_drawn(file.with_suffix(".png"), course, lap_m, walls_m)}


def _drawn(
    file: pathlib.Path, course: courses.Course, lap_m: np.ndarray | None, walls_m: np.ndarray | None
) -> dict[str, Any]:
    if file.suffix != ".png":
        raise ConfigError(f"--out is '{file}': a picture's name ends with .png")
    course_picture.draw(course, lap_m, walls_m).save(file)
    return {
        "picture": str(file),
        "name": course.name,
        "checkpoints": len(course.checkpoints_m),
        "length_m": round(float(course.gaps_m.sum()), 2),
        "radius_m": course.radius_m,
    }


def main(argv: list[str]) -> int:
    """Runs one action."""
    actions = {name: (HELP[name], functools.partial(_run, name, kind)) for name, kind in KINDS.items()}
    return act(
        "course", actions, argv, about="The checkpoints that a car drives through, out of one slow lap.\n\n"
    )


KINDS: dict[str, type[Drive] | type[Lap] | type[Show]] = {"drive": Drive, "lap": Lap, "show": Show}


def _run(name: str, kind: type[Drive] | type[Lap] | type[Show], argv: list[str]) -> None:
    flags = parse(kind, argv, prog=f"course {name}")
    print_result(flags.run(), as_json=flags.json)
