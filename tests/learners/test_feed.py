import time

import msgspec
import numpy as np
import pytest

from sandlot.learners.feed import PolicyFeed
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.learners.transport import Policy as Weights

SPEC = EnvSpec("t", (Entry("x", 2),), {}, (Entry("u", 1),), 10.0, 4)
OTHER = msgspec.structs.replace(SPEC, task="other")
ARCH = PolicyArch(hidden=(3,))


def policy(version, spec=SPEC):
    weights = {name: np.full(shape, 0.5, np.float32) for name, shape in ARCH.shapes(spec).items()}
    return Policy(spec=spec, arch=ARCH, weights=weights, version=version)


class Box:
    """What the transport would hold."""

    weights = None


@pytest.fixture
def feed():
    box = Box()
    feed = PolicyFeed(lambda: box.weights, SPEC)
    feed.box = box
    yield feed
    feed.close()


def until(condition):
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_new_weights_become_the_policy(feed):
    assert feed.policy is None and feed.age_s(1e9) == 0.0
    feed.box.weights = Weights(1, 3, 0, policy(3).to_bytes())
    until(lambda: feed.policy is not None)
    assert feed.policy.version == 3
    assert feed.age_s(feed.received_s + 2.5) == 2.5
    feed.box.weights = Weights(1, 4, 0, policy(4).to_bytes())
    until(lambda: feed.policy.version == 4)


def test_a_learner_that_lives_again_may_count_from_before(feed):
    feed.box.weights = Weights(1, 9, 0, policy(9).to_bytes())
    until(lambda: feed.policy is not None)
    feed.box.weights = Weights(2, 5, 0, policy(5).to_bytes())
    until(lambda: feed.policy.version == 5)


@pytest.mark.parametrize("bad", ["nan", "torn", "other task"])
def test_bad_weights_are_refused_and_the_good_ones_stay(feed, bad):
    feed.box.weights = Weights(1, 1, 0, policy(1).to_bytes())
    until(lambda: feed.policy is not None)
    good = feed.policy
    data = policy(2).to_bytes()
    feed.box.weights = Weights(1, 2, 0, {
        "nan": data.replace(np.float32(0.5).tobytes(), np.float32(np.nan).tobytes()),
        "torn": data[:-5],
        "other task": policy(2, OTHER).to_bytes(),
    }[bad])  # fmt: skip
    until(lambda: feed.refused == 1)
    assert feed.policy is good
    feed.box.weights = Weights(1, 3, 0, policy(3).to_bytes())
    until(lambda: feed.policy.version == 3)
    assert feed.refused == 1
