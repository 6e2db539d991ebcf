import types

import numpy as np

from sandlot.learners.frames import Frames


def obs(value):
    return {"state": np.zeros(1), "images": {"cam": np.full((2, 2, 3), value, np.uint8)}}


def shown(frames, policy, value):
    images = frames.add(obs(value), policy)["images"]["cam"]
    assert images.shape == (3, 2, 2, 3) and images.dtype == np.uint8
    return images[:, 0, 0, 0].tolist()


def test_the_first_frame_is_repeated_and_an_episode_forgets_the_one_before():
    frames, policy = Frames(), types.SimpleNamespace(frame_stack=3)
    assert [shown(frames, policy, v) for v in (1, 2, 3, 4)] == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    frames.begin()
    assert shown(frames, policy, 9) == [9, 9, 9]


def test_frames_are_copied_since_an_env_may_reuse_them():
    frames, policy, reused = Frames(), types.SimpleNamespace(frame_stack=3), obs(1)
    frames.add(reused, policy)
    reused["images"]["cam"][:] = 2
    assert frames.add(reused, policy)["images"]["cam"][:, 0, 0, 0].tolist() == [1, 1, 2]


def test_a_policy_of_one_frame_gets_the_observation_itself():
    one = obs(1)
    assert Frames().add(one, types.SimpleNamespace()) is one
