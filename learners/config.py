"""Everything a run can be told, checked once, stored with the run as `config.yaml`."""

import dataclasses
import math
import pathlib
from typing import Any, Literal

import msgspec
import tyro
import yaml

from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.env_config import EnvArgs, EnvConfig, Pace, Stale
from sandlot.learners.errors import ConfigError
from sandlot.learners.files import write_whole
from sandlot.learners.turns import TurnConfig

Preset = Literal["task", "rlpd", "serl", "sac", "bc", "wsrl", "hg_dagger"]

CHANGEABLE = {
    "steps",
    "actors",
    "host",
    "port",
    "keys",
    "pace",
    "json",
    "rerun",
    "init",
    "init_data",
    "demos_file",
    "autoreset",
    "back_demos_file",
    "tries",
    "call_after",
}
"""Fields that may differ when a run is resumed; every other one belongs to the run for good."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run.

    Attributes:
        task: what to learn: `arm_reach`, `arm_pick`, `arm_insert` or `gymnasium:<id>`.
        run: name of the folder under `runs/`, or a path; the task's name when empty.
        preset: how to learn: `task` as suits it (config/train/TASK.yaml), or as published: `rlpd`, `serl`,
            `sac`, `bc`, `wsrl`, `hg_dagger`; `--agent.*` flags change single settings.
        seed: of everything random.
        steps: env steps to practise for, over all actors.
        demos: demonstrations to record with the task's scripted expert before the first step.
        demos_file: use these recorded demonstrations (a run store) instead of recording some.
        actors: processes that step an env.
        update_ratio: gradient steps per env step, a contract that the learner keeps; `agent.utd` of them are
            one compiled call.
        start_after: env steps before the first update.
        random_steps: env steps, over all actors, with uniformly random actions.
        capacity: steps the replay keeps in memory; the run store keeps all.
        pace: `learner`: simulated actors wait when the learner falls behind (the update ratio is kept);
            `realtime`: act at the task's control rate whatever the learner does; `free`: as fast as possible.
        max_lead_steps: how many env steps the actors may be ahead of the learner, for `pace learner`.
        publish_s: seconds between two versions of the weights.
        checkpoint_s: seconds between two checkpoints.
        keep_checkpoints: how many to keep.
        stale_policy_s: age of the weights at which an actor calls them stale; 0 means never.
        on_stale: what an actor does with stale weights.
        init: a run (name or path) to start from: its weights, and with `--init-data` its steps too.
        host: address the learner listens on; anything but loopback needs `--keys`.
        port: port the learner listens on; 0 lets `sandlot train` find a free one.
        keys: folder made by `sandlot keys`, for links beyond this machine.
        rerun: stream the first actor's steps to the Rerun viewer.
        json: end with one line of JSON instead of a table.
        autoreset: let the task's reset controllers set up every trial but the first, by the same actions as a
            policy's; else the env does as it can (in simulation things are put where they belong).
        vice: examples of success, from which the reward is learned while the agent learns (VICE): a
            classifier's folder, or a run or demonstrations; the env, or `--classifier`, still says when a
            trial is done.
        vice_settings: its own settings, as NAME=VALUE (perception/vice.py).
        in_turn: where a task has a reverse (`arm_relocate`), practise both in turn, with no reset between;
            the run of the other one is called after this one, with `_back`.
        back_classifier: a reward classifier of the reverse task.
        back_vice: examples of success of the reverse task.
        back_demos_file: recorded demonstrations of the reverse task.
        tries: failures in a row before the other direction, and then the reset controllers, have a go.
        call_after: trials in a row without a success before a person is called; 0 means never.
        partner: the run of the reverse task; `sandlot train` fills it in.
    """

    task: tyro.conf.Positional[str]
    run: str = ""
    preset: Preset = "task"
    seed: int = 0
    steps: int = 20_000
    demos: int = 20
    demos_file: str = ""
    actors: int = 1
    env: EnvArgs = EnvConfig()
    agent: AgentConfig = AgentConfig()
    update_ratio: float = 4.0
    start_after: int = 200
    random_steps: int = 0
    capacity: int = 1_000_000
    pace: Pace = "learner"
    max_lead_steps: int = 100
    publish_s: float = 0.5
    checkpoint_s: float = 20.0
    keep_checkpoints: int = 3
    stale_policy_s: float = 0.0
    on_stale: Stale = "continue"
    init: str = ""
    init_data: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    keys: str = ""
    rerun: bool = False
    json: bool = False
    autoreset: bool = False
    vice: str = ""
    vice_settings: tuple[str, ...] = ()
    in_turn: bool = True
    back_classifier: str = ""
    back_vice: str = ""
    back_demos_file: str = ""
    tries: int = 3
    call_after: int = 50
    partner: str = ""

    def __post_init__(self) -> None:
        """Checks every number; raises ConfigError naming the flag, the value and the rule."""
        positive = ("steps", "actors", "capacity", "keep_checkpoints", "max_lead_steps", "update_ratio")
        for name in (*positive, "publish_s", "checkpoint_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"--{flag(name)} is {getattr(self, name)}; it must be greater than 0")
        for name in ("demos", "start_after", "random_steps", "stale_policy_s", "seed"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"--{flag(name)} is {getattr(self, name)}; it must not be negative")
        least = math.ceil(self.agent.utd / self.update_ratio) + 2 * self.actors
        if self.pace == "learner" and self.max_lead_steps < least:
            raise ConfigError(
                f"--max-lead-steps is {self.max_lead_steps}; with {self.agent.utd} updates a call at ratio "
                f"{self.update_ratio:g} actors and learner would wait for each other: use {least} or more"
            )
        if self.env.robot == "ros" and self.actors > 1:
            raise ConfigError(f"--actors is {self.actors}; one robot is commanded by 1 actor: leave it out")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"--port is {self.port}; ports go from 1 to 65535, 0 finds a free one")
        TurnConfig(self.tries, self.call_after).check()
        if self.vice:
            _check_vice(self.env, self.agent)


def _check_vice(env: EnvConfig, agent: AgentConfig) -> None:
    """Raises ConfigError for what a learned reward cannot work with."""
    rules = {
        "--cameras": (bool(env.cameras), "at least one, e.g. --cameras wrist side"),
        "--agent.algo": (agent.algo in ("rlpd", "sac"), "rlpd or sac, which learn from rewards as they play"),
        "--agent.n-step": (agent.n_step == 1, "1: what each step earns is decided when it is sampled"),
        "--agent.gamma": (agent.gamma < 1, "below 1"),
        "--agent.demo-fraction": (
            round(agent.demo_fraction * agent.batch_size) < agent.batch_size,
            "below 1: practice is what examples are told from",
        ),
    }
    for name, (good, rule) in rules.items():
        if not good:
            raise ConfigError(f"--vice learns the reward from frames; {name} must be {rule}")


def flag(field: str) -> str:
    """The command line's spelling of a field."""
    return field.replace("_", "-")


def run_folder(run: str, task: str = "") -> pathlib.Path:
    """`runs/<name>` for a plain name, the path itself for anything with a slash."""
    name = run or task.replace(":", "-")
    if not name or name in {".", ".."}:
        raise ConfigError(f"run name {run!r} cannot be a folder; give a name such as --run first_try")
    return pathlib.Path(name) if "/" in name else pathlib.Path("runs") / name


def existing_run(run: str) -> pathlib.Path:
    """The folder of a run that must exist; lists the runs there are when it does not."""
    folder = run_folder(run)
    if not (folder / "config.yaml").is_file():
        known = sorted(p.parent.name for p in pathlib.Path("runs").glob("*/config.yaml"))
        raise ConfigError(
            f"no run at '{folder}' (no config.yaml there); runs here: {', '.join(known) or 'none yet'}; "
            "start one with `sandlot train TASK --run NAME`"
        )
    return folder


def save_config(path: pathlib.Path, config: TrainConfig) -> None:
    """Writes the resolved config as YAML; a process that is killed meanwhile leaves the old one whole."""
    text = yaml.safe_dump(msgspec.to_builtins(config), sort_keys=False)
    if path.is_file() and path.read_text() == text:
        return
    write_whole(path, text.encode())


def load_config(path: pathlib.Path) -> TrainConfig:
    """Reads a config; raises ConfigError naming the file and the field."""
    try:
        return from_dict(yaml.safe_load(path.read_text()) or {}, where=str(path))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; restore it or start a new run") from error


def from_dict(values: dict[str, Any], *, where: str) -> TrainConfig:
    """Builds a TrainConfig from plain values, refusing unknown names."""
    values = _of_today(values)
    _refuse_unknown(values, TrainConfig, where)
    try:
        config = msgspec.convert(values, TrainConfig)
        parts: dict[str, Any] = {
            "env": dataclasses.replace(config.env),
            "agent": dataclasses.replace(config.agent),
        }
        return dataclasses.replace(config, **parts)  # msgspec leaves defaults to the class: write them down
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """The values of an older run as they would be written now: `teleop` was a bool once."""
    env = values.get("env")
    if not isinstance(env, dict) or not isinstance(env.get("teleop"), bool):
        return values
    return {**values, "env": {**env, "teleop": "joy" if env["teleop"] else "none"}}


def check_person(config: TrainConfig) -> None:
    """Raises ConfigError where an agent that learns from corrections would get none, or others' mistakes."""
    if config.agent.algo != "hg_dagger":
        return
    if config.env.teleop == "none":
        raise ConfigError(
            "agent 'hg_dagger' learns from a person's corrections and nobody could give any: add --teleop "
            "scripted (simulation) or --robot ros --teleop joy; for demonstrations alone use --agent.algo bc"
        )
    if config.init_data:
        raise ConfigError(
            "agent 'hg_dagger' clones people; --init-data would have it clone another policy: leave that out"
        )


def _refuse_unknown(values: dict[str, Any], cls: Any, where: str) -> None:
    fields = {f.name: f.type for f in dataclasses.fields(cls)}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(f"{where}: unknown setting '{name}'; there are: {', '.join(fields)}")
        if dataclasses.is_dataclass(fields[name]) and isinstance(value, dict):
            _refuse_unknown(value, fields[name], f"{where}: {name}")


def refuse_changes(stored: TrainConfig, asked: TrainConfig) -> None:
    """Raises ConfigError when a resumed run is asked to change what belongs to it."""
    old, new = _flat(msgspec.to_builtins(stored)), _flat(msgspec.to_builtins(asked))
    changed = [
        f"{k}: {old[k]} != {new[k]}" for k in old if k not in CHANGEABLE | {"run"} and old[k] != new[k]
    ]
    if changed:
        raise ConfigError(
            f"run '{stored.run}' was started with other settings ({'; '.join(changed)}); "
            "leave those flags out to resume it, or choose another --run"
        )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted name: `agent.tau`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = _flat(value) if isinstance(value, dict) else {}
        flat |= {f"{name}.{key}": v for key, v in inner.items()} if inner else {name: value}
    return flat
