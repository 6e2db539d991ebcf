"""`sandlot keys FOLDER`."""

import dataclasses

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.transport.keys import make_keys


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Make CURVE keys for a learner and its actors; nothing that exists is overwritten.

    The learner's machine needs `learner.secret` and `actors/`; an actor's machine `learner.public` and
    `NAME.secret`. Deleting `actors/NAME.public` shuts that actor out, without a restart.

    Attributes:
        folder: where the keys go; keep it private.
        actors: names of the actors, as in `sandlot actor --name`.
        json: end with one line of JSON.
    """

    folder: tyro.conf.Positional[str] = "keys"
    actors: tuple[str, ...] = ("actor-0",)
    json: bool = False


def main(argv: list[str]) -> int:
    """Makes keys."""
    flags = parse(Flags, argv, prog="keys")
    made = make_keys(flags.folder, flags.actors)
    print_result({"folder": flags.folder, "made": [str(p) for p in made]}, as_json=flags.json)
    return 0
