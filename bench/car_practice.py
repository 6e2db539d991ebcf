"""What each ingredient of the car's practice is worth: `python -m bench.car_practice [--seeds N]`.

Every way is practised with the same settings and seeds, as `make demo-car` does, and differs in one thing.
What is compared: how long the car drove until its first lap and its first clean one, how many of ten laps are
clean afterwards, and how fast. Every run is a `sandlot train` that can be looked at afterwards. A table is
printed, and `runs/car_practice/car_practice.png` shows each seed.

The encoder, and an untrained one of the same network, are made of `--recording` if they are not there yet.
`--ways` names more than are compared by default: `from scratch` has the critics train the encoder of pixels,
which takes hours on two cores; `ImageNet` wants an encoder made of such weights (docs/encoders.md says how).
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from bench.people import sandlot

TASK, LAPS, SEED = "car_hall", 10, 1000
BUMPER = ("--cameras", "bumper", "--image-px", "64")
WAYS: dict[str, tuple[str, ...]] = {
    "all ingredients": (*BUMPER, "--encoder", "{trained}"),
    "untrained encoder": (*BUMPER, "--encoder", "{untrained}"),
    "state alone": (),
    "no demonstration": (*BUMPER, "--encoder", "{trained}", "--demos", "0"),
    "no recovery": (*BUMPER, "--encoder", "{trained}", "--practice", "recovery=false"),
}
MORE: dict[str, tuple[str, ...]] = {
    "from scratch": BUMPER,
    "ImageNet": (*BUMPER, "--encoder", "{imagenet}"),
}
ROW = "car_practice.json"
COLOURS = ("#2f81f7", "#e8833a", "#2da44e", "#a371f7", "#d1447a")


def main(argv: list[str]) -> None:
    """Practises what is not there yet, and prints a row a run, then one a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=[*WAYS, *MORE])
    parser.add_argument("--out", default="runs/car_practice")
    parser.add_argument("--recording", default="demos/car_places")
    parser.add_argument("--imagenet", default="", help="encoder of the way ImageNet")
    args = parser.parse_args(argv)
    if "ImageNet" in args.ways and not pathlib.Path(args.imagenet).is_file():
        parser.error(f"--imagenet '{args.imagenet}' is no file; the way ImageNet needs an encoder")
    out = pathlib.Path(args.out)
    files = encoders(pathlib.Path(args.recording), out)
    files["imagenet"] = str(pathlib.Path(args.imagenet).absolute())
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in range(args.seeds):
        for way in args.ways:
            rows.setdefault(way, []).append(measured(out, way, seed, files))
            sys.stdout.write(json.dumps(rows[way][-1]) + "\n")
            sys.stdout.flush()
    for way, its in rows.items():
        sys.stdout.write(json.dumps(together(way, its)) + "\n")
    picture(rows).save(out / "car_practice.png")


def encoders(recording: pathlib.Path, out: pathlib.Path) -> dict[str, str]:
    """The trained and the untrained encoder."""
    out.mkdir(parents=True, exist_ok=True)
    made = {name: out / f"{name}.safetensors" for name in ("trained", "untrained")}
    for name, file in made.items():
        if not file.is_file():
            steps = ("--steps", "1", "--lr", "1e-12") if name == "untrained" else ()
            flags = ("--method", "iql", "--batch-size", "64", *steps, "--out", str(file))
            sandlot("pretrain", str(recording), *flags)
    return {name: str(file.absolute()) for name, file in made.items()}


def measured(out: pathlib.Path, way: str, seed: int, files: dict[str, str]) -> dict[str, Any]:
    """One run, practised and driven; what was measured before is read from `ROW` in its folder."""
    run = str((out / f"{way.replace(' ', '_')}-{seed}").absolute())
    known = pathlib.Path(run) / ROW
    if known.is_file():
        before: dict[str, Any] = json.loads(known.read_text())
        return before
    flags = [word.format(**files) for word in (WAYS | MORE)[way]]
    trained = sandlot("train", TASK, "--run", run, "--seed", str(seed), *flags)
    driven = sandlot("eval", run, "--episodes", str(LAPS), "--seed", str(SEED))
    figures = ("driven_s", "laps", "first_lap_s", "first_clean_lap_s", "best_lap_s", "seconds")
    after = ("clean_laps", "median_lap_s", "collisions", "interventions")
    row = {
        "way": way,
        "seed": seed,
        **{name: trained.get(name) for name in figures},
        **{f"after_{name}": driven[name] for name in after},
    }
    known.write_text(json.dumps(row))
    return row


def together(way: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds of a way: the middle one, and the range."""
    found: dict[str, Any] = {"way": way, "seeds": len(rows)}
    for name in ("first_lap_s", "first_clean_lap_s", "after_clean_laps", "after_median_lap_s"):
        values = sorted(math.inf if row[name] is None else float(row[name]) for row in rows)
        found[name] = [statistics.median(values), values[0], values[-1]]
    return found


def picture(rows: dict[str, list[dict[str, Any]]]) -> Image.Image:
    """Time to the first lap (ring) and to the first clean one (dot) of each seed, a line a way."""
    left, right, line, top = 220, 60, 56, 70
    width, height = 1000, top + line * len(rows) + 60
    image = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    most_s = max(
        [60.0, *(row["first_clean_lap_s"] or row["driven_s"] or 0.0 for its in rows.values() for row in its)]
    )
    minutes = math.ceil(most_s / 60.0)

    def x(seconds: float) -> float:
        return left + (width - left - right) * seconds / (60.0 * minutes)

    pen.text((left, 16), "driving until the first lap (ring) and the first clean lap (dot)", "black", font)
    for minute in range(minutes + 1):
        pen.line([(x(60.0 * minute), top - 10), (x(60.0 * minute), height - 44)], "#dddddd")
        pen.text((x(60.0 * minute), height - 24), f"{minute}", "#555555", font, anchor="mm")
    pen.text((width - 4, height - 24), "min", "#555555", font, anchor="rm")
    for number, (way, its) in enumerate(rows.items()):
        y, colour = top + line * (number + 0.5), COLOURS[number % len(COLOURS)]
        pen.text((left - 16, y), way, "black", font, anchor="rm")
        for seed, row in enumerate(its):
            at = y + 10.0 * (seed - (len(its) - 1) / 2)
            if row["first_lap_s"] is not None:
                _dot(pen, x(row["first_lap_s"]), at, colour, filled=False)
            if row["first_clean_lap_s"] is not None:
                _dot(pen, x(row["first_clean_lap_s"]), at, colour, filled=True)
            else:
                pen.text((width - right + 8, at), "none", colour, font, anchor="lm")
    return image


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, colour: str, *, filled: bool) -> None:
    pen.ellipse([x - 6, y - 6, x + 6, y + 6], fill=colour if filled else "white", outline=colour, width=2)


if __name__ == "__main__":
    main(sys.argv[1:])
