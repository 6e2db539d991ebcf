"""The flags of every `sandlot data` action, and what each does with them."""

import dataclasses
import pathlib
from typing import Annotated, Any, Literal

import tyro

from sandlot.learners.errors import ConfigError
from sandlot.robots.car import hindsight_run, recon_import
from sandlot.robots.car.hindsight import HindsightConfig
from sandlot.robots.car.recon import ReconConfig
from sandlot.robots.recording import actions
from sandlot.robots.recording.source import Asked

GoalArgs = Annotated[HindsightConfig, tyro.conf.arg(name="")]
ReconArgs = Annotated[ReconConfig, tyro.conf.arg(name="")]
Words = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """What every action takes.

    Attributes:
        task: what a bag, or a data set that Sandlot did not write, shows.
        cameras: the cameras that were observed; one flag each.
        succeeded: every episode of a data set without rewards is a demonstration that succeeded.
        json: end with one line of JSON.
    """

    task: str = ""
    cameras: Words = ()
    succeeded: bool = False
    json: bool = False

    def asked(self) -> Asked:
        """What the user says of the folder."""
        return Asked(self.task, self.cameras, self.succeeded)

    def run(self) -> dict[str, Any]:
        """Does it; returns the figures to end with."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class List(Common):
    """One line for every folder: task, episodes, steps, successes.

    Attributes:
        folders: runs, bags and data sets.
    """

    folders: tyro.conf.Positional[tuple[str, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Info(Common):
    """Everything about one folder, episode by episode; of a bag, topic by topic.

    Attributes:
        folder: a run, a bag or a data set.
    """

    folder: tyro.conf.Positional[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plot(Info):
    """Draw one episode: states, actions, reward, and who acted.

    Attributes:
        episode: its position, from 0, as `sandlot data info` counts; -1 is the last.
        out: file to write; `FOLDER-episode-N.html` when empty.
    """

    episode: int = 0
    out: str = ""

    def run(self) -> dict[str, Any]:
        """Writes the page."""
        return actions.plot(self.folder, self.asked(), self.episode, self.out)


@dataclasses.dataclass(frozen=True, kw_only=True)
class View(Info):
    """Open one episode in Rerun.

    Attributes:
        episode: its position, from 0; -1 is the last.
        out: an .rrd file to write, or a running viewer's address; a viewer is started when empty.
    """

    episode: int = 0
    out: str = ""

    def run(self) -> dict[str, Any]:
        """Shows it."""
        return actions.view(self.folder, self.asked(), self.episode, self.out)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut(Info):
    """Write a new run without some episodes or steps.

    Attributes:
        out: folder of the new run.
        drop: episodes to leave out, by position: `3` or `5-9`; one flag each.
        steps: steps to leave out of an episode: `EPISODE:FIRST-LAST`; one flag each.
    """

    out: str
    drop: Words = ()
    steps: Words = ()

    def run(self) -> dict[str, Any]:
        """Writes it."""
        return actions.cut(self.folder, self.asked(), self.out, self.drop, self.steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merge(Common):
    """Write the episodes of several folders of one task to a new run; what is in two of them comes once.

    Attributes:
        folders: runs, bags and data sets.
        out: folder of the new run.
    """

    folders: tyro.conf.Positional[tuple[str, ...]]
    out: str

    def run(self) -> dict[str, Any]:
        """Writes it."""
        return actions.merge(self.folders, self.asked(), self.out)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps(Info):
    """Turn a bag into a run, through the code that made the live observation.

    Attributes:
        out: folder of the run; `sandlot train --demos-file` takes it.
    """

    out: str

    def run(self) -> dict[str, Any]:
        """Writes it."""
        return actions.to_run(self.folder, self.asked(), self.out, "bag")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Import(Common):
    """Turn a LeRobotDataset v3.0, or drives of the RECON data set, into a run.

    Attributes:
        folders: a LeRobot data set; with --format recon, HDF5 files and folders of them.
        out: folder of the run; `sandlot train --demos-file` takes a LeRobot data set's, `sandlot pretrain`
            takes one with cameras.
        format: lerobot, or recon: a Jackal's driving as steps of the car, with goals in hindsight.
        recon: how RECON's files become steps.
        goals: which later places become goals in them.
    """

    folders: tyro.conf.Positional[tuple[str, ...]]
    out: str
    format: Literal["lerobot", "recon"] = "lerobot"
    recon: ReconArgs = ReconConfig()
    goals: GoalArgs = HindsightConfig()

    def run(self) -> dict[str, Any]:
        """Writes it."""
        if self.format == "recon":
            return recon_import.import_files(self.folders, self.out, self.recon, draws=self.goals)
        if len(self.folders) != 1:
            raise ConfigError(
                f"name one LeRobot data set, not {len(self.folders)}; `sandlot data merge` joins runs"
            )
        return actions.to_run(self.folders[0], self.asked(), self.out, "lerobot")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export(Info):
    """Write a LeRobotDataset v3.0: parquet, and mp4 or PNG.

    Attributes:
        out: folder of the data set.
        text: what is done, in words, for policies that read; the task's name when empty.
        images: `video` is small and lossy, `png` larger and exact.
    """

    out: str
    text: str = ""
    images: actions.Images = "video"

    def run(self) -> dict[str, Any]:
        """Writes it."""
        return actions.export(self.folder, self.asked(), self.out, self.text, self.images)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hindsight(Info):
    """Write a car's run anew, with goals where it really went.

    Attributes:
        out: folder of the new run, for `sandlot pretrain`.
        seed: of the goals.
        goals: which later places become goals.
    """

    out: str
    seed: int = 0
    goals: GoalArgs = HindsightConfig()

    def run(self) -> dict[str, Any]:
        """Writes it."""
        return hindsight_run.to_run(self.folder, self.asked(), self.out, self.seed, self.goals)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repair(Info):
    """End a bag whose recorder was killed, so that `ros2 bag` and Foxglove open it; loses nothing."""

    def run(self) -> dict[str, Any]:
        """Does it, in place: the one action that does."""
        return actions.repair(pathlib.Path(self.folder))


KINDS: dict[str, type[Common]] = {
    "plot": Plot,
    "view": View,
    "cut": Cut,
    "merge": Merge,
    "steps": Steps,
    "export": Export,
    "import": Import,
    "hindsight": Hindsight,
    "repair": Repair,
}
