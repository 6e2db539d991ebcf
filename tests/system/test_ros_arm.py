"""The arm's env over DDS: an expert's episode, what is told of it, and what stops it, with real processes."""

import contextlib
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bench.faults_sensor import inject  # noqa: E402
from bench.gate_rig import Peer  # noqa: E402
from bench.ros_arm_rig import RosArmRig  # noqa: E402
from tests.stalls import real_time  # noqa: E402

from sandlot.learners import envs  # noqa: E402
from sandlot.learners.demos import record_episode  # noqa: E402
from sandlot.learners.errors import NotReadyError  # noqa: E402
from sandlot.learners.schema import Source  # noqa: E402
from sandlot.robots import ros_node  # noqa: E402
from sandlot.robots.arm import readings, ros_messages, topics  # noqa: E402
from sandlot.robots.arm.spec import Command  # noqa: E402
from sandlot.robots.errors import RobotStoppedError  # noqa: E402
from sandlot.robots.step_message import from_numbers  # noqa: E402
from sandlot.robots.topics import STEP  # noqa: E402

pytestmark = real_time

WITHIN_S = 10.0
SECOND = """
from sandlot.learners import envs
envs.make("arm_pick", robot="ros").reset(seed=0)
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RosArmRig(tmp_path_factory.mktemp("ros_arm")) as one:
        yield one


@contextlib.contextmanager
def making(rig, **settings):
    with contextlib.closing(envs.make(rig.task, robot="ros", **settings)) as env:
        rig.reset(env, 0)
        yield env


@pytest.fixture
def env(rig):
    with making(rig) as one:
        yield one


def played(rig, env, spec):
    """The expert's episode; a machine that is busy may stop the robot in between."""
    for _ in range(5):
        with contextlib.suppress(NotReadyError):
            rows, _, episode = record_episode(env, spec, seed=3)
            return rows, episode
        rig.reset(env, 0)
    raise AssertionError("stopped five times")


def until(condition):
    end_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.01)


def numbers_of(message):
    return dict(zip(message.name, message.position, strict=True))


def keeper(found):
    """A callback that keeps messages by stamp; one with two parameters would be given the message's info."""

    def keep(message):
        found[ros_messages.stamp_ns(message)] = message

    return keep


def hear(peer):
    """Everything that is said of steps, and the observed messages by topic and stamp."""
    steps, heard = [], defaultdict(dict)
    ros_node.subscription(peer.node, STEP, steps.append)
    for topic in topics.observed(("cube",), ()):
        ros_node.subscription(peer.node, topic, keeper(heard[topic.name]))
    return steps, heard


def test_the_spec_is_that_of_the_simulated_env():
    for task in (task for task in envs.tasks() if task.startswith("arm_")):
        for cameras in ((), ("wrist", "side")):
            specs = [envs.env_spec(envs.make(task, cameras=cameras, robot=r)) for r in ("sim", "ros")]
            assert specs[0].fingerprint == specs[1].fingerprint


def test_an_expert_through_topics_and_what_it_saw_from_what_was_published(rig, env):
    peer = Peer("listener", int(rig.env["ROS_DOMAIN_ID"]))
    steps, heard = hear(peer)
    with peer:
        spec = envs.env_spec(env)
        until(lambda: all(heard[t.name] for t in topics.observed(("cube",), ())))
        rows, episode = played(rig, env, spec)
        until(lambda: steps and numbers_of(steps[-1])["step"] == episode.steps - 1)
    assert episode.success and set(rows["source"]) == {Source.SCRIPT}
    made = 0
    for message in steps[-episode.steps :]:
        note, view, following = from_numbers(numbers_of(message), ros_messages.stamp_ns(message))
        row = rows[note.step]
        assert note.action.tolist() == row["action"].tolist() and note.reward == row["reward"]
        assert note.t_obs_ns == row["t_obs_ns"] and following is not None
        values = {topic: heard[topic].get(stamp) for topic, stamp in view.stamps_ns.items()}
        if None in values.values():
            continue  # best effort: the listener did not get one of them
        command = Command(readings.pose_of(view.extra["command"]), bool(view.extra["command"][-1]))
        state = env.unwrapped.task.observe(readings.reading(values, command, {}))
        assert np.array_equal(state, row["state"])
        made += 1
    assert made > episode.steps / 2
    figures = env.unwrapped.robot.figures()
    assert figures["obs_age_p50_ms"] > 0 and figures["command_jitter_p50_ms"] >= 0


def test_a_second_actor_is_refused_and_the_first_goes_on(rig, env):
    second = subprocess.run(
        [sys.executable, "-c", SECOND], env=rig.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode != 0 and "node /arm/actor already runs" in second.stderr
    rig.reset(env, 1)
    env.step(np.zeros(7, np.float32))


@pytest.mark.parametrize("fault", ["frozen", "silent", "black", "small", "unplugged"])
def test_a_broken_camera_stops_the_robot_by_name_until_it_is_well_again(rig, seeing, fault):
    noticed_s, back_s, text = inject(rig, seeing, fault, 0.2)
    words = {"frozen": "have said the same", "black": "is black", "small": "160x120"}
    assert np.isfinite(noticed_s) and back_s < 20.0
    assert (
        text.startswith("camera/wrist/image_raw: ") and words.get(fault, "s old, the limit is 0.15 s") in text
    )


@pytest.fixture(scope="module")
def seeing(rig):
    rig.start_camera()
    with making(rig, cameras=("wrist",)) as one:
        yield one


def test_images_come_in_the_size_that_the_task_observes(rig, seeing):
    rig.reset(seeing, 0)
    obs = seeing.step(np.zeros(7, np.float32))[0]
    assert obs["images"]["wrist"].shape == (128, 128, 3) and obs["images"]["wrist"].mean() > 90


def test_without_a_gate_nothing_is_commanded_and_a_new_one_is_waited_for(rig, seeing):
    rig.reset(seeing, 0)
    rig.kill("gate")
    with pytest.raises(RobotStoppedError, match="the gate (is silent|took no action)"):
        for _ in range(20):
            seeing.step(np.zeros(7, np.float32))
    with pytest.raises(RobotStoppedError, match="the gate is silent"):
        until(lambda: seeing.reset(seed=0) is None)  # at its start already: nothing need move
    rig.start("gate")
    rig.reset(seeing, 0)
