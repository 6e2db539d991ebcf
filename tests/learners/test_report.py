"""The report: curves from a run store by hand, and a page that needs nothing from outside."""

import io
import json
import re
import xml.etree.ElementTree as ET

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymSpec
from PIL import Image

from sandlot.learners import chart, envs, film, store
from sandlot.learners.config import TrainConfig, save_config
from sandlot.learners.demos import STREAM_ACTOR
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import SandlotError, StoreError
from sandlot.learners.evaluate import EvalConfig
from sandlot.learners.ledger import USE_KEY, Ledger, Totals, Use
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.prepare import CONFIG_FILE
from sandlot.learners.progress import write_status
from sandlot.learners.real_time import ResetNote
from sandlot.learners.report import read_evaluation, save_evaluation, write_report
from sandlot.learners.report_data import PINNED_KEY, Clock, read_run, trailing_mean
from sandlot.learners.schema import Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.learners.wire import Batch


class Dot(gym.Env):
    """A dot that walks right for six steps, in pictures of 40 x 60 pixels."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode=None, broken=False):
        self.render_mode, self.broken = render_mode, broken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        won = self.steps == 6
        return np.full(2, self.steps, np.float32), float(won), won, False, {"success": won}

    def render(self):
        if self.broken:
            raise RuntimeError("no display")
        picture = np.full((40, 60, 3), 30, np.uint8)
        picture[15:25, 8 * self.steps : 8 * self.steps + 10] = (250, 160, 20)
        return picture


TASK = "gymnasium:Dot-v0"

WORDS = """
97 %
(95 %: 92 to 99 %)
try&lt;1&gt;
8</b>
env steps in 3 episodes
1 min 0 s
after &lt;kill -9&gt;
critic_loss
reset controller put_back</td><td>count 1 · seconds 1.5 · tries 2 · steps 15 · failed 0
Success, last 50 episodes
data:image/gif;base64,
"""


def parse_svg(text):
    return ET.fromstring(text)  # noqa: S314  (our own text)


@pytest.fixture
def dot(monkeypatch):
    monkeypatch.setitem(gym.registry, "Dot-v0", GymSpec("Dot-v0", Dot, max_episode_steps=9))
    monkeypatch.setitem(
        gym.registry, "Blind-v0", GymSpec("Blind-v0", Dot, max_episode_steps=9, kwargs={"broken": True})
    )
    return envs.env_spec(envs.make(TASK))


def policy_for(spec):
    rng, arch = np.random.default_rng(0), PolicyArch(hidden=(4,))
    weights = {k: rng.normal(size=s).astype(np.float32) for k, s in arch.shapes(spec).items()}
    return Policy(spec=spec, arch=arch, weights=weights)


def batch(spec, stream, first, outcomes, *, source=Source.POLICY, length=2):
    """Episodes of `length` steps; an outcome is True, False or "aborted"."""
    steps = np.zeros(length * len(outcomes), step_dtype(spec))
    steps["step"] = first + np.arange(len(steps))
    steps["episode"] = steps["segment"] = steps["step"] // length
    steps["discount"], steps["source"] = 1.0, source
    last = steps[length - 1 :: length]
    flags = {True: Flag.SUCCESS | Flag.TERMINATED, False: Flag.TRUNCATED, "aborted": Flag.ABORTED}
    last["flags"] = [flags[o] | Flag.END for o in outcomes]
    last["reward"] = [1.0 if o is True else 0.0 for o in outcomes]
    last["discount"] = [0.0 if o is True else 1.0 for o in outcomes]
    finals = np.zeros(len(outcomes), obs_dtype(spec))
    finals["step"] = last["step"]
    return Batch(stream, steps, finals)


def practised():
    """What an actor's ledger said: one reset in 2 s of practice."""
    ledger, totals = Ledger(1.0), Totals()
    ledger.enter(Use.STEPPING, 0.0)
    ledger.note_resets([ResetNote("put_back", 1.5, 2, 15)])
    totals.hear("actor-0", ledger.figures(2.0))
    return totals.state()


@pytest.fixture
def run(dot, tmp_path, monkeypatch):
    """Two demonstrations, then four episodes of which the second was aborted and the last two succeeded."""
    folder = tmp_path / "runs" / "try<1>"
    now_s = iter([1000.0, 1030.0, 9000.0, 9030.0])
    with store.RunStore.open(folder, dot) as run:
        run.append([batch(dot, Stream(STREAM_ACTOR, "d"), 0, [True, True], source=Source.SCRIPT)])
        run.set_meta(PINNED_KEY, run.last_seq)
        run.append([batch(dot, Stream("actor-0", "a"), 0, [False, "aborted", True, True])])
        for env_step in (0, 4, 4, 8):
            moment = next(now_s)
            monkeypatch.setattr(store.time, "time", lambda moment=moment: moment)
            run.add_metrics(env_step, {"critic_loss": 0.5, "ratio_wanted": 4.0, "updates": env_step * 4.0})
        run.add_event("resumed", "after <kill -9>")
        run.set_meta(USE_KEY, practised())
        run.flush()
        monkeypatch.undo()
    monkeypatch.setitem(gym.registry, "Dot-v0", GymSpec("Dot-v0", Dot, max_episode_steps=9))
    policy_for(dot).save(folder / "policy.safetensors")
    return folder


def test_curves_by_hand(run):
    data = read_run(store.RunReader(run))
    assert (data.env_steps, data.demos, data.aborted) == (8, 2, 1)
    assert data.step.tolist() == [2, 6, 8]
    np.testing.assert_allclose(data.success, [0, 1 / 2, 2 / 3])
    np.testing.assert_allclose(data.reward_sum, [0, 1 / 2, 2 / 3])
    steps, minutes, values = data.metrics["updates"]
    assert steps.tolist() == [0, 4, 4, 8] and values.tolist() == [0, 16, 16, 32]
    assert minutes.tolist() == [0, 0.5, 0.5, 1.0] and data.seconds == 60  # the pause of 7,970 s is left out
    np.testing.assert_allclose(data.minutes, [0.25, 0.75, 1.0])
    assert data.last("updates") == 32 and np.isnan(data.last("nothing"))
    assert data.events[-1] == (1.0, "resumed", "after <kill -9>")


def test_a_clock_without_moments_stands_still():
    assert Clock(np.zeros(0)).minutes(np.array([5.0])).tolist() == [0.0] and Clock(np.zeros(0)).total_s == 0


def test_trailing_mean_by_hand():
    assert trailing_mean([0, 1, 1, 0], window=2).tolist() == [0, 0.5, 1, 0.5]
    assert trailing_mean([]).tolist() == []


def test_the_page_is_whole_and_needs_nothing_from_outside(run):
    summary = {"task": TASK, "episodes": 100, "success": 0.97, "interval": [0.915, 0.99], "mean_return": 1.0}
    save_evaluation(run, summary | {"seconds": 9.5})
    text = write_report(run).read_text()
    for words in WORDS.strip().splitlines():
        assert words in text, words
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|https?://', text)
    assert "$" not in text and "<script" not in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        parse_svg(svg)
    assert text.count("<svg") == 4 + 1 + 1  # learning; ratio; loss


def test_a_young_run_gives_a_page_too(dot, tmp_path):
    store.RunStore.open(tmp_path, dot).close()
    text = write_report(tmp_path).read_text()
    assert "no data" in text and "No figures were noted" in text and "No pictures: policy file" in text


def test_a_report_moves_no_robot(dot, tmp_path):
    store.RunStore.open(tmp_path, dot).close()
    save_config(tmp_path / CONFIG_FILE, TrainConfig(task="arm_pick", env=EnvConfig(robot="ros")))
    text = write_report(tmp_path).read_text()
    assert "practised on a robot, and a report moves none" in text


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no run"):
        write_report(tmp_path)


def test_evaluations_are_kept(tmp_path):
    assert read_evaluation(tmp_path) is None
    write_status(tmp_path / "status.json", {"final": {"success": 0.5}})
    assert read_evaluation(tmp_path) == {"success": 0.5}
    save_evaluation(tmp_path, {"success": 1.0})
    assert read_evaluation(tmp_path) == {"success": 1.0}
    assert json.loads((tmp_path / "eval.json").read_text()) == {"success": 1.0}


def test_a_film_has_every_frame_and_its_own_time(dot):
    shot = film.shoot(policy_for(dot), EvalConfig(task=TASK, episodes=2))
    assert [len(e) for e in shot.episodes] == [7, 7] and shot.successes == [True, True]
    picture = Image.open(io.BytesIO(film.gif(shot)))
    times_ms = []
    for i in range(picture.n_frames):
        picture.seek(i)
        times_ms.append(picture.info["duration"])
        if i == 5:  # the dot is where it was drawn, in its colour
            assert np.abs(np.asarray(picture.convert("RGB"))[20, 44].astype(int) - (250, 160, 20)).max() < 12
    assert times_ms == [100] * 6 + [900] + [100] * 6 + [900] and picture.size == (60, 40)
    assert [Image.open(io.BytesIO(p)).format for p in film.strip(shot)] == ["JPEG"] * 6


def test_without_rendering_the_reason_is_given(dot):
    blind = msgspec.structs.replace(dot, task="gymnasium:Blind-v0")
    with pytest.raises(SandlotError, match="rendering failed: RuntimeError: no display"):
        film.shoot(policy_for(blind), EvalConfig(task="gymnasium:Blind-v0", episodes=1))


def test_ticks_are_round():
    assert chart.ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert chart.ticks(-1500, -100) == [-1500, -1000, -500]
    assert chart.ticks(0, 20000) == [0, 5000, 10000, 15000, 20000]


def test_thinning_keeps_the_mean_and_drops_what_is_not_finite():
    x = np.arange(1001.0)
    y = np.where(x == 3, np.nan, x)
    xs, ys = chart.thin(x, y)
    assert len(xs) == chart.MOST_POINTS and np.isfinite(ys).all() and (np.diff(xs) > 0).all()
    np.testing.assert_allclose(xs, ys)
    assert chart.thin([1, 2], [3, np.inf])[1].tolist() == [3]


def test_a_line_is_where_its_points_are():
    svg = chart.line_chart("t & u", [chart.Series("a", [0, 10], [0, 1])], x_label="x", y_range=(0, 1))
    points = parse_svg(svg).find("polyline").get("points")
    left, right = chart.LEFT_PX, chart.WIDTH_PX - chart.RIGHT_PX
    bottom, top = chart.HEIGHT_PX - chart.BOTTOM_PX, chart.TOP_PX
    assert points == f"{left:.1f},{bottom:.1f} {right:.1f},{top:.1f}"
    assert "t &amp; u" in svg and "no data" in chart.line_chart("e", [], x_label="x")
