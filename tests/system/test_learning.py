"""Through real processes, from nothing to a policy that works."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def trained(folder, *words):
    """The summary of a `sandlot train` that ends well."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "sandlot", "train", *words, "--run", "./run", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_clone_of_forty_demonstrations_reaches_the_pose(tmp_path):
    words = ["--agent.algo", "bc", "--agent.offline-steps", "5000", "--demos", "40"]
    summary = trained(tmp_path, "arm_reach", *words)
    assert summary["finished"] and summary["updates"] == 5000
    assert summary["success"] >= 0.7
    assert pathlib.Path(tmp_path, summary["report"]).is_file()


@pytest.mark.slow
def test_practice_alone_swings_the_pendulum(tmp_path):
    words = ["--steps", "6000", "--agent.algo", "sac", "--agent.n-critics", "2", "--agent.utd", "4"]
    summary = trained(tmp_path, "gymnasium:Pendulum-v1", "--update-ratio", "1", *words)
    assert summary["finished"] and summary["mean_return"] > -600  # a random policy gets about -1200


def test_a_car_learns_to_drive_laps_by_practising_alone(tmp_path):
    """Eight minutes of its driving; before practice it drives none without a collision."""
    summary = trained(tmp_path, "car_hall", "--steps", "5000")
    assert summary["finished"] and summary["driven_s"] > 480.0
    assert summary["interventions_per_hour"] == 0.0
    assert summary["success"] >= 0.5  # of the laps that it drives afterwards
    assert summary["first_clean_lap_s"] < summary["driven_s"]
