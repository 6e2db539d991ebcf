"""A person's demonstrations: what is kept, what is dropped, and the stream they make."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sandlot.learners import envs
from sandlot.learners.demos import STREAM_PERSON, DemosConfig, save_demos
from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.learners.human_demos import give_time, record_human
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, check_steps
from sandlot.learners.store import RunReader, RunStore

SPEC = EnvSpec("lift", (Entry("x", 1),), {}, (Entry("a", 1, low=-1, high=1),), 10.0, 4)


class Table(gym.Env):
    """A robot that moves by itself; its state counts the steps since the reset."""

    env_spec = SPEC
    observation_space = spaces.Dict({"state": spaces.Box(-99, 99, (1,)), "images": spaces.Dict({})})
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self):
        self.real_time, self.log, self.notes = self, [], []

    def pause(self):
        self.log.append("pause")

    def figures(self):
        return {}

    def note(self, note):
        self.notes.append((note.episode, note.step, note.source))

    def reset(self, *, seed=None, options=None):
        self.log.append(seed)
        self.x = 0
        return self._obs(), {}

    def step(self, action):
        self.x += 1
        return self._obs(), 0.0, False, False, {"success": False}

    def _obs(self):
        return {"state": np.float32([self.x]), "images": {}}


class Script(gym.Wrapper):
    """A person who does, step by step, what a script says; one without words does not come at all."""

    def __init__(self, env, *episodes):
        super().__init__(env)
        self.quit, self._episodes = False, [iter(("look", *w) if w else ()) for w in episodes]

    def reset(self, **kwargs):
        found = super().reset(**kwargs)
        self._words = self._episodes.pop(0) if self._episodes else iter(())
        return found

    def wait_for_person(self):
        self.quit = self.quit or next(self._words, "quit") != "look"
        return not self.quit

    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        word = "look" if obs["state"][0] == 1 else next(self._words)
        if word == "redo":
            raise NotReadyError("thrown away")
        self.quit = word == "quit"
        success, wanted = word == "success", word == "next"
        info |= {"action": np.float32([0.5]), "success": success, **({"next": True} if wanted else {})}
        return obs, float(success), word in ("success", "failure"), wanted or word == "late", info


def record(*episodes, wanted=9):
    table = Table()
    demos = list(record_human(Script(table, *episodes), DemosConfig(task="lift", episodes=wanted, seed=5)))
    return table, demos


def test_success_and_next_are_kept_and_nothing_else(caplog):
    caplog.set_level("INFO")
    _, demos = record(
        ("go", "success"), ("go", "failure"), ("go", "go", "late"), ("go", "go", "next"), ("go", "redo"), ()
    )
    assert [(len(d.steps), d.episode.number, d.attempts) for d in demos] == [(2, 0, 1), (3, 1, 4)]
    steps, finals = (np.concatenate([d[i] for d in demos]) for i in (0, 1))
    check_steps(steps, finals, SPEC)
    assert steps["step"].tolist() == list(range(5)) and finals["step"].tolist() == [1, 4]
    assert steps["episode"].tolist() == steps["segment"].tolist() == [0, 0, 1, 1, 1]
    assert set(steps["source"]) == {Source.HUMAN} and (steps["action"] == 0.5).all()
    ended = Flag.SUCCESS | Flag.TERMINATED | Flag.END
    assert steps["flags"].tolist() == [0, ended, 0, 0, Flag.TRUNCATED | Flag.END]
    assert steps["state"].ravel().tolist() == [1, 2, 1, 2, 3]  # the step before is not recorded
    assert caplog.text.count("event=demo_failed") == 2 and "episode=3 of=9" in caplog.text


def test_a_scene_that_was_thrown_away_comes_again_and_the_robot_holds_in_between():
    table, _ = record(("redo",), ("success",), ())
    assert table.log == [5, "pause", "pause", 5, "pause", "pause", 6, "pause", "pause"]


def test_every_step_is_told_and_counted_on_through_what_was_dropped():
    table, _ = record(("go", "redo"), ("failure",), ("success",), ())
    assert table.notes == [(0, 0, Source.HUMAN), (1, 1, Source.HUMAN), (2, 2, Source.HUMAN)]


@pytest.mark.parametrize("last", [("go", "quit"), ("quit",), ()])
def test_the_person_ends_the_recording_and_the_episode_that_is_going_on_is_dropped(last):
    _, demos = record(("go", "success"), last, ("success",))
    assert len(demos) == 1


def test_enough_is_enough():
    table, demos = record(("success",), ("success",), ("success",), wanted=2)
    assert len(demos) == 2 and table.log[-3:] == [6, "pause", "pause"]


def test_what_a_person_showed_is_stored_under_a_name_of_its_own(tmp_path):
    env = Script(Table(), ("success",), ("success",), ())
    with RunStore.open(tmp_path / "demos", SPEC) as store:
        assert save_demos(store, record_human(env, DemosConfig(task="lift")), STREAM_PERSON) == (2, 2)
    parts = list(RunReader(tmp_path / "demos").read())
    assert {p.stream.actor for p in parts} == {"person"} and sum(len(p.steps) for p in parts) == 2


def test_an_env_without_controls_is_refused():
    with pytest.raises(ConfigError, match="task 'lift': nobody can drive .* --robot ros --teleop"):
        list(record_human(Table(), DemosConfig(task="lift")))


def test_a_person_gets_more_time_and_the_spec_stays_that_of_the_task():
    env = envs.make("arm_reach")
    spec = envs.env_spec(env)
    give_time(env, 6.0)
    env.reset(seed=0)
    ends = [env.step(np.zeros(6, np.float32))[3] for _ in range(60)]
    assert ends == [False] * 59 + [True] and envs.env_spec(env) == spec
    with pytest.raises(ConfigError, match="limit_s=0.05 leaves no time for a step at 10 Hz"):
        give_time(env, 0.05)
    env.close()
