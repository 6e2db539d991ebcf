"""Whatever holds episodes, opened by what is in its folder: a run store, a bag or a LeRobot data set."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry, EnvSpec, Source
from sandlot.learners.store_file import FILE
from sandlot.learners.store_read import RunReader
from sandlot.robots.recording.bag import Bag
from sandlot.robots.recording.episodes import EpisodeSteps, read_episodes
from sandlot.robots.recording.errors import needs
from sandlot.robots.recording.lerobot_format import INFO


@dataclass(frozen=True)
class Asked:
    """What the user says of a folder that does not say it itself.

    Attributes:
        task: what a bag or another's data set shows.
        cameras: cameras that were observed.
        succeeded: every episode of a data set without rewards succeeded.
    """

    task: str = ""
    cameras: tuple[str, ...] = ()
    succeeded: bool = False

    def spec(self) -> EnvSpec | None:
        """The spec of the named task, None when none is named."""
        if not self.task:
            return None
        env = envs.make(self.task, **EnvConfig(cameras=self.cameras).kwargs())
        try:
            return envs.env_spec(env)
        finally:
            env.close()


@dataclass(frozen=True)
class Episodes:
    """Episodes of one folder: `read` goes through them in order, as often as it is called."""

    kind: str
    folder: Path
    spec: EnvSpec
    read: Callable[[], Iterator[EpisodeSteps]]
    notes: Callable[[], list[str]] = list
    """What there is to say after reading."""


def open_folder(folder: Path | str, asked: Asked = Asked()) -> Episodes:  # noqa: B008  (frozen)
    """Opens a folder.

    Raises:
        ConfigError: it holds nothing that is known here.
        SandlotError: what it holds cannot be read.
    """
    path = found(folder)
    if (path / FILE).exists():
        reader = RunReader(path)
        return Episodes("run", path, reader.spec, lambda: read_episodes(reader))
    if (path / INFO).exists():
        with needs("data", f"data set '{path}'"):
            from sandlot.robots.recording.lerobot_import import LeRobotReader  # noqa: PLC0415  (an extra)

        dataset, spec = LeRobotReader(path), asked.spec()
        shown = spec or dataset.spec
        if shown is None:
            raise ConfigError(f"data set '{path}' was not written by Sandlot; say with --task what it shows")
        return Episodes("lerobot", path, shown, lambda: dataset.episodes(spec, succeeded=asked.succeeded))
    if any(path.glob("*.mcap")):
        return _open_bag(path, asked)
    raise ConfigError(
        f"'{folder}' holds no run ({FILE}), no LeRobot data set ({INFO}) and no bag (*.mcap); name a folder "
        "that does"
    )


def found(folder: Path | str) -> Path:
    """The folder of this path, or of the run of this name."""
    path = Path(folder)
    if not path.exists() and (Path("runs") / path).exists():
        return Path("runs") / path
    return path


def _open_bag(path: Path, asked: Asked) -> Episodes:
    with needs("ros", f"making steps of bag '{path}'"):
        from sandlot.robots.recording.steps import BagSteps  # noqa: PLC0415  (needs ROS messages)
    steps = BagSteps(Bag(path), asked.task, asked.cameras)

    def notes() -> list[str]:
        missing = steps.missing
        return [f"{missing.steps} steps could not be made: {missing.reason}"] if missing.steps else []

    return Episodes("bag", path, steps.spec, steps.episodes, notes)


def summary(episodes: Iterable[EpisodeSteps]) -> dict[str, int | float]:
    """Counts of episodes, steps, successes, aborted ones and a person's steps; seconds of robot time."""
    total: dict[str, int | float] = dict.fromkeys(
        ("episodes", "steps", "successes", "aborted", "human_steps", "reward"), 0
    )
    for episode in episodes:
        total["episodes"] += 1
        total["steps"] += len(episode.steps)
        total["successes"] += episode.success
        total["aborted"] += episode.aborted
        total["human_steps"] += int((episode.steps["source"] == Source.HUMAN).sum())
        total["reward"] += float(episode.steps["reward"].sum())
    return total


def size_bytes(folder: Path) -> int:
    """What a folder takes on the disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def differences(mine: EnvSpec, theirs: EnvSpec) -> list[str]:
    """What differs between two specs, entry by entry: `state 'cube_yaw': Entry(...) != missing`."""
    found = []
    for kind in ("state", "action"):
        left, right = ({e.name: e for e in getattr(spec, kind)} for spec in (mine, theirs))
        for name in {**left, **right}:
            if left.get(name) != right.get(name):
                found.append(f"{kind} '{name}': {_entry(left.get(name))} != {_entry(right.get(name))}")
        if list(left) != list(right) and not found:
            found.append(f"{kind}: the entries come in another order")
    others = mine.differences(theirs)
    return found + [line for line in others if not line.startswith(("state:", "action:"))]


def _entry(entry: Entry | None) -> str:
    return (
        "missing"
        if entry is None
        else f"{entry.size} x {entry.unit or '1'} in [{entry.low:g}, {entry.high:g}]"
    )
