"""The terminal view: what it shows of a status, and one line per few seconds without a terminal."""

import io
import re

import pytest
from rich.console import Console

from sandlot.learners.view import View, chart, log_line, render

STATUS = {
    "run": "runs/demo",
    "task": "arm_pick",
    "state": "learning",
    "env_steps": 12340,
    "total_steps": 20000,
    "episodes": 412,
    "success_50": 0.86,
    "return_50": 0.81,
    "ratio_wanted": 4.0,
    "ratio_reached": 3.98,
    "updates": 49360,
    "updates_per_s": 312.4,
    "policy_version": 123,
    "policy_age_s": 0.42,
    "spool_steps": 12,
    "spool_bytes": 130_000,
    "spool_full": False,
    "eta_s": 94.0,
    "elapsed_s": 3751.0,
    "actors": {
        "actor-0": {
            "state": "acting",
            "steps": 6170,
            "steps_per_s": 41.2,
            "policy_age_s": 0.4,
            "loop_p99_ms": 1.3,
        }
    },
    "events": [f"event {i}" for i in range(9)],
    "alarms": ["the spool is nearly full"],
}

WORDS = """
arm_pick
runs/demo
● learning
12,340 of 20,000 env steps   62 %   elapsed 1:02:31   left 1:34
86 % success, last 50 episodes
episodes 412   return 0.81
49,360
312 a second
3.98 of 4.00
version 123
0.4 s old
12 steps, 0.1 MB
actor-0
acting
6,170
41.2
1.3 ms
› event 8
▲ the spool is nearly full
"""


def shown(status, curve=(), width=96):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render(status, curve, width=width))
    return console.file.getvalue()


def test_every_figure_is_shown():
    text = shown(STATUS)
    for words in WORDS.strip().splitlines():
        assert words in text, words
    assert "event 3" not in text and "FULL" not in text


PRACTICE = {
    "utilisation": 0.815, "utilisation_10min": 0.85, "time_stepping_s": 81.5, "time_resetting_s": 12.0,
    "time_person_s": 6.5, "trials_per_hour": 118.0, "interventions": 4.0, "interventions_per_hour": 3.24,
    "correction_steps_50": 7.0, "human_share_50": 0.04, "interventions_per_100_episodes": 12.0,
    "unaided_50": 0.62, "episode_steps_50": 30.0, "resets": 57.0, "reset_s": 3.21, "calls": 2.0,
}  # fmt: skip


def test_what_the_time_went_to_is_shown():
    text = shown(STATUS | PRACTICE)
    for words in (
        "practising 82 % of the time, last 10 min 85 % · resets 12 % · for a person 6 %",
        "118 trials an hour · 3.24 interventions an hour",
        "62 % succeeded unaided · 12 interventions per 100 episodes, 7.0 steps each",
        "each · 4 % of steps by a person",
        "57 resets of 3.2 s",
        "called a person 2 x",
    ):
        assert words in " ".join(text.replace("│", " ").split()), words
    assert "corrections are long" not in text
    assert "corrections are long: hand back" in shown(STATUS | PRACTICE | {"correction_steps_50": 10.0})
    calm = shown(STATUS | {"utilisation": 1.0, "time_stepping_s": 9.0})
    assert "100 % of the time" in calm and "person" not in calm and "reset" not in calm


def test_the_run_of_the_reverse_task_has_a_line():
    back = {
        "task": "arm_back",
        "state": "learning",
        "env_steps": 1200,
        "total_steps": 5000,
        "success_50": 0.5,
    }
    text = shown(STATUS | {"back": back})
    assert "in turn with arm_back learning: 1,200 of 5,000 env steps, 50 % success" in text


def test_nothing_known_yet_is_drawn_as_such():
    text = shown({})
    assert "starting" in text and "– of –" in text and "0 of – env steps" in text


def test_a_full_spool_and_a_lost_ratio_stand_out():
    console = Console(file=io.StringIO(), width=96, force_terminal=True, color_system="truecolor")
    console.print(render(STATUS | {"spool_full": True, "ratio_reached": 2.0}))
    text = console.file.getvalue()
    assert "FULL: 12 steps" in text
    plain = Console(file=io.StringIO(), width=96, force_terminal=True, color_system="truecolor")
    plain.print(render(STATUS | {"ratio_reached": 3.9}))
    before = text.split("2.00 of 4.00")[0].rsplit("\x1b", 1)[1]
    assert before not in plain.file.getvalue().split("3.90 of 4.00")[0].rsplit("\x1b", 1)[1]


def test_without_success_the_return_is_drawn():
    text = shown(STATUS | {"success_50": None, "return_50": -512.3}, [-1500.0, -800.0, -512.3])
    assert "-512 return, last 50 episodes" in text and "-1,500▕" in text


@pytest.mark.parametrize("width", [60, 80, 96])
def test_no_line_is_wider_than_asked(width):
    assert max(len(line) for line in shown(STATUS, [0.5] * 99, width).splitlines()) <= width


def test_chart_by_hand():
    assert chart([0.0, 0.5, 1.0], 0.0, 1.0, columns=4, rows=2) == ["  █ ", "▁██ "]
    assert chart([0, 0, 1, 1], 0.0, 1.0, columns=2, rows=1) == ["▁█"]
    assert chart([0.25, 0.25, 9.0, -9.0], 0.0, 1.0, columns=4, rows=1) == ["▂▂█▁"]
    assert chart([], 0.0, 1.0, columns=3, rows=2) == ["   ", "   "]


def test_log_line_by_hand():
    assert log_line(STATUS) == (
        "run=runs/demo state=learning env_steps=12340/20000 episodes=412 success_50=0.86 return_50=0.81 "
        "ratio=3.98/4.00 updates_per_s=312 policy_age_s=0.42 spool_steps=12 eta_s=94"
    )
    assert log_line({}) == "env_steps=0/0 ratio=0.00/0.00"


def test_without_a_terminal_there_is_a_line_every_few_seconds(caplog):
    caplog.set_level("INFO")
    console = Console(file=io.StringIO(), force_terminal=False)
    with View(console, line_every_s=5.0) as view:
        for now_s in (0.0, 1.0, 4.9, 5.0, 9.9):
            view.update(STATUS, now_s)
    lines = [r.getMessage() for r in caplog.records]
    assert [line.split()[0] for line in lines] == ["alarm='the", "run=runs/demo", "run=runs/demo"]
    assert console.file.getvalue() == ""


def test_on_a_terminal_the_panel_is_drawn_and_the_curve_grows_by_episode():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    with View(console) as view:
        for episodes, success in ((0, None), (1, 0.0), (1, 0.0), (2, 1.0)):
            view.update(STATUS | {"episodes": episodes, "success_50": success, "return_50": None}, 0.0)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "▁█" in text and "▁▁" not in text and "100 % success" in text
