"""Two tasks in turn on one arm behind ROS 2: who switches, what is learned from, one command for all."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("supervisor")

from bench.ros_arm_rig import RosArmRig  # noqa: E402
from tests.ros_domain import ros_domain  # noqa: E402, F401  (a fixture)
from tests.stalls import real_time  # noqa: E402

from sandlot.learners import envs  # noqa: E402
from sandlot.learners.errors import NotReadyError  # noqa: E402
from sandlot.learners.prepare import STATUS_FILE  # noqa: E402
from sandlot.learners.progress import read_status  # noqa: E402
from sandlot.learners.store_read import RunReader  # noqa: E402
from sandlot.learners.turns import Trial, Turn, TurnConfig, judged  # noqa: E402
from sandlot.robots.recording.episodes import read_episodes  # noqa: E402
from sandlot.robots.recording.source import Asked, open_folder  # noqa: E402

pytestmark = real_time

LONGEST_S = 120.0


def trial(rig, env, options):
    """One trial of the task's own expert; a robot that stopped is armed again by the person of this test."""
    try:
        env.reset(options=options)
        while True:
            _, _, terminated, truncated, info = env.step(env.unwrapped.expert_action())
            if terminated or truncated:
                return judged(info["success"], info["stuck"])
    except NotReadyError as error:
        if "is STOPPED" in str(error):
            rig.arm()
        time.sleep(0.1)
        return Trial.BROKEN


def test_the_tasks_word_hands_the_cube_over_and_back_and_nothing_is_reset(tmp_path):
    with RosArmRig(tmp_path, "arm_relocate") as rig:
        there = envs.make("arm_relocate", robot="ros")
        both = [there, envs.make_reverse(there)]
        turn, cfg, ended = Turn(), TurnConfig(), []
        robot, until_s = there.unwrapped.robot, time.monotonic() + LONGEST_S
        try:
            while ended.count(Trial.SUCCESS) < 3 and time.monotonic() < until_s:
                if ended.count(Trial.SUCCESS) == 1:
                    robot.reset = None  # from here on whoever would put things back fails
                direction = turn.direction
                ended.append(trial(rig, both[direction], turn.options(cfg)))
                turn = turn.next(ended[-1], cfg)
                if ended[-1] is Trial.SUCCESS:
                    assert turn.direction == 1 - direction
                    goal = both[direction].unwrapped.task.goal
                    assert both[direction].unwrapped.task.place(robot.observe()) is goal
            assert ended.count(Trial.SUCCESS) == 3, ended
        finally:
            there.close()


def test_one_command_starts_both_learners_and_one_actor_plays_both(ros_domain, tmp_path):  # noqa: F811
    folder, back = tmp_path / "run", tmp_path / "run_back"
    flags = ["--task", "arm_relocate", "--tries", "1", "--for", "20", "--record", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "sandlot", "up", "arm", *flags, "--run", str(folder)],
        env=ros_domain, capture_output=True, text=True, timeout=280.0, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert {"learner", "learner_back", "actor"} <= told["nodes"].keys() and told["ok"]
    assert (told["back"]["task"], told["back"]["run"]) == ("arm_relocate_back", str(back))
    turns = re.findall(r"event=turn ended=(\w+) next=(\d)", (folder / "logs" / "actor.log").read_text())
    assert ("FAILURE", "1") in turns  # a policy that knows nothing
    for run, task in ((folder, "arm_relocate"), (back, "arm_relocate_back")):
        assert 0.3 < read_status(run / STATUS_FILE)["utilisation"] <= 1.0
        assert RunReader(run).spec.task == task
        lived = [e.steps["action"] for e in read_episodes(RunReader(run)) if e.stream.actor == "actor-0"]
        (bag,) = (folder / "bags").iterdir()
        recorded = [
            e.steps["action"] for e in open_folder(bag, Asked(task=task)).read()
        ]  # of this task alone
        assert 0 < sum(map(len, recorded)) <= sum(map(len, lived))
        most = min(len(lived[0]), len(recorded[0]))
        assert most > 3 and np.array_equal(lived[0][:most], recorded[0][:most])
