"""A scripted person beside real processes: a run that learns from corrections, and a robot that is driven."""

import contextlib
import json
import subprocess
import sys
import time

import pytest
from bench.ros_arm_rig import RosArmRig
from tests.learners.corrected import TASK
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time

from sandlot.learners import envs
from sandlot.learners.errors import NotReadyError
from sandlot.learners.real_time import real_time as robot_of
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Flag, Source
from sandlot.learners.store import RunReader

WITHIN_S = 90.0
AGENT = {"algo": "hg_dagger", "actor-hidden": "32", "batch-size": "32", "utd": "4", "offline-steps": "4"}
PERSON = ("patience_steps=2", "correction_steps=2", "late=1")


def test_a_clone_that_knows_nothing_learns_from_corrections(tmp_path):
    agent = [word for name, value in AGENT.items() for word in (f"--agent.{name}", value)]
    flags = ["--teleop", "scripted", "--person", *PERSON, *agent, "--agent.actor-lr", "0.003", "--json"]
    sizes = ["--demos", "1", "--steps", "1000", "--start-after", "20", "--run", str(tmp_path / "run")]
    command = [sys.executable, "-m", "sandlot", "train", TASK, *sizes, *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240.0, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert summary["success"] >= 0.9  # of 20, alone: nobody corrects while a policy is evaluated
    reader = RunReader(tmp_path / "run")
    practice = [e for e in reader.episodes(summary["demo_steps"]) if e.ended]
    first, last = (sum(e.interventions for e in part) for part in (practice[:20], practice[-20:]))
    assert first >= 10 and last < first / 2
    assert 0.0 < summary["human_share"] < 0.6 and summary["unaided_50"] > 0.3
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert "teleop: scripted" in config and "algo: hg_dagger" in config


def played(env, recorder, rig):
    """An episode of a policy that does nothing: its steps; None when a busy machine stopped the robot."""
    hold = env.action_space.sample() * 0
    with contextlib.suppress(NotReadyError):
        recorder.begin(env.reset(seed=0)[0], time.monotonic_ns())
        episode = None
        while episode is None:
            began_ns = time.monotonic_ns()
            obs, reward, terminated, truncated, info = env.step(hold)
            source = info.get("source", Source.POLICY)
            decision = Decision(info["action"], began_ns, 0.0, policy_action=hold, source=source)
            outcome = Outcome(obs, reward, terminated, truncated, time.monotonic_ns(), info["success"])
            episode = recorder.add(decision, outcome)
        return recorder.take()[0]
    recorder.cut()
    recorder.take()
    rig.reset(env, 0)
    return None


@real_time
def test_a_scripted_person_brings_a_real_time_arm_to_its_target(tmp_path):
    pytest.importorskip("rclpy")
    with RosArmRig(tmp_path, "arm_reach") as rig:
        words = ["task:=arm_reach", "patience_steps:=3", "hand_noise:=0.0"]
        settings = [word for setting in words for word in ("-p", setting)]
        rig._run("joy", ["sandlot.robots.arm.person_node", "--ros-args", "-r", "__ns:=/arm", *settings])
        with contextlib.closing(envs.make("arm_reach", robot="ros", teleop="joy")) as env:
            rig.reset(env, 0)
            recorder = EpisodeRecorder(envs.env_spec(env), on_step=robot_of(env).note)
            until_s, steps = time.monotonic() + WITHIN_S, None
            while steps is None or Source.HUMAN not in steps["source"]:
                assert time.monotonic() < until_s, (tmp_path / "joy.log").read_text()[-2000:]
                steps = played(env, recorder, rig)
    human = steps["source"] == Source.HUMAN
    assert not human[0] and steps["flags"][-1] & Flag.SUCCESS
    assert abs(steps["action"][human]).max() > 0.2  # the expert's hand
    assert not steps["action"][~human].any() and not steps["policy_action"].any()


@pytest.mark.parametrize(
    ("parameter", "line"),
    [
        ("task:=nowhere", "person's task='nowhere' does not exist; there are: arm_reach"),
        ("late:=2.0", "person's late=2.0 must lie in [0, 1]"),
        ("patience:=3", "unknown parameter 'patience'; did you mean 'patience_steps'?"),
    ],
)
def test_a_person_who_cannot_be_is_refused_with_one_line(ros_domain, parameter, line):  # noqa: F811
    pytest.importorskip("rclpy")
    words = ["sandlot.robots.arm.person_node", "--ros-args", "-r", "__ns:=/arm", "-p", parameter]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env=ros_domain,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert done.returncode == 2 and line in done.stderr and len(done.stderr.splitlines()) == 1
