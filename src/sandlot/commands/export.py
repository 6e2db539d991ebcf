"""`sandlot export RUN`."""

import dataclasses
import pathlib

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.config import existing_run
from sandlot.learners.policy import Policy
from sandlot.learners.prepare import POLICY_FILE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Write a run's newest policy as one file, which `sandlot.load_policy` plays without JAX or a learner.

    Attributes:
        run: a run's name or path.
        out: file to write; `NAME.safetensors` when empty.
        json: end with one line of JSON.
    """

    run: tyro.conf.Positional[str]
    out: str = ""
    json: bool = False


def main(argv: list[str]) -> int:
    """Exports a policy."""
    flags = parse(Flags, argv, prog="export")
    folder = existing_run(flags.run)
    policy = Policy.load(folder / POLICY_FILE)
    out = pathlib.Path(flags.out or f"{folder.name}.safetensors")
    policy.save(out)
    result = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "task": policy.spec.task,
        "version": policy.version,
        "state": [f"{e.name}[{e.size}]" for e in policy.spec.state],
        "action": [f"{e.name}[{e.size}]" for e in policy.spec.action],
    }
    print_result(result, as_json=flags.json)
    return 0
