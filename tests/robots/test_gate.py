"""The gate's decisions: in whatever order, nothing moves unarmed, and no stop is false or missed."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots import gate
from sandlot.robots.gate import GateConfig, GateState, Mode, Offer
from sandlot.robots.stamps import AHEAD_S, Clocks, StampClock

CFG = GateConfig()
A, B = b"commander a", b"commander b"
HOUR_S = 3600.0


def action(command="go", *, who=A, age_s=0.001, rejected="", clamped=False):
    return Offer(who, age_s, None if rejected else command, rejected, clamped)


def armed(now_s=0.0, cfg=CFG):
    return gate.arm(GateState(operator_s=now_s), now_s, cfg).state


def active(now_s=0.0, cfg=CFG):
    return gate.offer(armed(now_s, cfg), action(), now_s, cfg).state


# By hand


def test_starts_disarmed_and_lets_nothing_through():
    decision = gate.offer(GateState(), action(), 1.0, CFG)
    assert decision.state.mode is Mode.DISARMED
    assert decision.command is None and decision.note == "rejected_not_armed"
    assert gate.tick(decision.state, 1.02, CFG).command is None


def test_the_first_valid_action_after_arming_passes_and_is_repeated():
    decision = gate.offer(armed(), action("left"), 0.01, CFG)
    assert decision.state.mode is Mode.ACTIVE
    assert decision.command == "left" and decision.note == "accepted"
    assert gate.tick(decision.state, 0.02, CFG).command == "left"


@pytest.mark.parametrize(
    ("bad", "note"),
    [
        (action(age_s=0.101), "rejected_stale"),
        (action(age_s=-0.006), "rejected_stale"),
        (action(age_s=math.nan), "rejected_stale"),
        (action(rejected="not_finite"), "rejected_not_finite"),
    ],
)
def test_what_is_no_action_neither_starts_nor_keeps_it_going(bad, note):
    started = gate.offer(armed(), bad, 0.01, CFG)
    assert started.state.mode is Mode.ARMED and started.command is None and started.note == note
    kept = gate.offer(gate.tick(active(), 0.09, CFG).state, bad, 0.1, CFG)
    assert kept.command is None and kept.note == note
    assert gate.tick(kept.state, 0.14, CFG).hold == gate.NO_ACTION


def test_stops_at_the_deadline_and_not_before():
    state = gate.tick(active(), 0.08, CFG).state
    assert gate.tick(state, 0.139, CFG).command == "go"
    decision = gate.tick(state, 0.14, CFG)
    assert decision.state.mode is Mode.STOPPED and decision.command is None
    assert decision.hold == decision.state.cause == gate.NO_ACTION


def test_stops_when_it_was_not_run_itself_before_a_queued_action_is_let_through():
    decision = gate.offer(active(), action("queued"), 0.11, CFG)
    assert decision.state.mode is Mode.STOPPED and decision.command is None
    assert decision.hold == gate.STARVED


def test_a_freeze_while_armed_is_no_stop():
    decision = gate.offer(armed(), action(), 60.0, CFG)
    assert decision.command == "go"
    assert gate.tick(decision.state, 60.02, CFG).command == "go"


def test_two_commanders_stop_it_but_a_successor_may_take_over():
    decision = gate.offer(active(), action(who=B), 0.05, CFG)
    assert decision.hold == gate.TWO_COMMANDERS and decision.command is None
    paused = gate.pause(active(), 0.05, CFG).state
    assert gate.offer(paused, action(who=B), 0.1, CFG).hold == gate.TWO_COMMANDERS
    assert gate.offer(paused, action(who=B), 0.2, CFG).command == "go"


def test_invalid_actions_of_a_second_commander_count_too():
    assert gate.offer(active(), action(who=B, rejected="not_finite"), 0.05, CFG).hold == gate.TWO_COMMANDERS


def test_pause_holds_and_stays_armed_without_a_deadline():
    decision = gate.pause(active(), 0.05, CFG)
    assert decision.state.mode is Mode.ARMED and decision.hold == "paused"
    later = gate.tick(decision.state, 100.0, CFG)
    assert later.state.mode is Mode.ARMED and later.command is None
    assert gate.pause(GateState(mode=Mode.STOPPED), 0.05, CFG).state.mode is Mode.STOPPED


def test_estop_stops_and_must_be_released_before_arming():
    pressed = gate.set_estop(active(), True, 0.05)
    assert pressed.hold == gate.ESTOP_PRESSED
    refused = gate.arm(pressed.state, 0.1, CFG)
    assert "release it" in refused.refusal and refused.state.mode is Mode.STOPPED
    released = gate.set_estop(pressed.state, False, 0.2).state
    assert released.mode is Mode.STOPPED
    assert gate.arm(released, 0.3, CFG).state.mode is Mode.ARMED


def test_operator_lost_stops_and_their_return_alone_does_not_arm():
    cfg = GateConfig(operator_timeout_s=0.2)
    assert "no operator" in gate.arm(GateState(), 1.0, cfg).refusal
    state = gate.hear_operator(GateState(), 1.0, cfg).state
    state = gate.arm(state, 1.1, cfg).state
    lost = gate.tick(state, 1.21, cfg)
    assert lost.hold == gate.OPERATOR_LOST
    back = gate.hear_operator(lost.state, 1.3, cfg).state
    assert back.mode is Mode.STOPPED
    assert gate.arm(back, 1.3, cfg).state.mode is Mode.ARMED


def test_arming_can_be_forbidden_and_the_first_cause_of_a_stop_is_kept():
    assert gate.arm(GateState(), 0.0, CFG, forbidden="no e-stop").refusal == "no e-stop"
    state = gate.stop(active(), "first", 0.01).state
    again = gate.stop(state, "second", 0.02)
    assert again.state.cause == again.hold == "first"


@pytest.mark.parametrize("bad", [{"deadline_s": 0.0}, {"period_s": math.nan}, {"operator_timeout_s": -1}])
def test_settings_are_checked(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        GateConfig(**bad)


# Whatever happens

_EVENTS = st.sampled_from(
    ["tick", "act", "act_b", "nan", "stale", "pause", "stop", "press", "release", "arm", "person"]
)
_GAPS_S = st.one_of(
    st.floats(0.0, 0.05),
    st.floats(0.09, 0.16),
    st.floats(0.0, 5.0),
    st.sampled_from([CFG.starved_s, CFG.deadline_s]),
)
HISTORIES = st.lists(st.tuples(_EVENTS, _GAPS_S), max_size=60)


OFFERS = {
    "act": action(),
    "act_b": action(who=B),
    "nan": action(rejected="not_finite"),
    "stale": action(age_s=9.0),
}


def happen(state, event, now_s, cfg):
    """One event to the gate."""
    if event in OFFERS:
        return gate.offer(state, OFFERS[event], now_s, cfg)
    if event in ("press", "release"):
        return gate.set_estop(state, event == "press", now_s)
    if event == "stop":
        return gate.stop(state, "service", now_s)
    simple = {"tick": gate.tick, "pause": gate.pause, "arm": gate.arm, "person": gate.hear_operator}
    return simple[event](state, now_s, cfg)


@settings(max_examples=400)
@given(HISTORIES, st.sampled_from([0.0, 0.2]))
def test_no_history_moves_a_robot_that_must_stand(history, operator_timeout_s):
    cfg = GateConfig(operator_timeout_s=operator_timeout_s)
    state, now_s = GateState(), 0.0
    may_move = pressed = False
    valid_s, person_s = -math.inf, -math.inf
    for event, gap_s in history:
        now_s += gap_s
        decision = happen(state, event, now_s, cfg)
        state = decision.state
        pressed = {"press": True, "release": False}.get(event, pressed)
        person_s = now_s if event == "person" else person_s
        if state.mode is Mode.STOPPED or decision.hold:
            may_move = state.mode is Mode.ARMED  # a pause leaves it armed
        if event == "arm" and not decision.refusal:
            may_move = True
            assert not pressed
        if event in ("act", "act_b") and decision.command is not None:
            valid_s = now_s
        if decision.command is not None:
            assert may_move and not pressed and not decision.hold
            assert state.mode is Mode.ACTIVE
            assert now_s - valid_s < cfg.deadline_s
            assert event in ("act", "act_b", "tick", "arm", "pause", "person")
            assert not operator_timeout_s or now_s - person_s < operator_timeout_s
        assert (state.command is not None) == (state.mode is Mode.ACTIVE)


@dataclass
class World:
    """A steady clock, and a wall clock that is set again and again."""

    jumps: list  # (when, to which offset), sorted
    stamps: StampClock = field(default_factory=lambda: StampClock(jump_s=0.8 * AHEAD_S))

    def wall_s(self, steady_s):
        return 1.7e9 + steady_s + ([0.0] + [to for at, to in self.jumps if at <= steady_s])[-1]

    def look(self, now_s):
        self.stamps.look(Clocks(now_s, self.wall_s(now_s)))

    def age_s(self, stamped_s, now_s):
        """What the gate takes the age of a message for that was stamped at this steady time."""
        return self.stamps.age_s(self.wall_s(stamped_s), Clocks(now_s, self.wall_s(now_s)))


def _seen(jumps):
    """Those that last until the gate's next look, 20 ms at most; what was stamped in between is rejected."""
    jumps = sorted(jumps)
    return [a for a, b in zip(jumps, [*jumps[1:], (math.inf, 0.0)], strict=False) if b[0] - a[0] > 0.025]


_JUMPS = st.lists(
    st.tuples(
        st.floats(0.0, 3.0), st.sampled_from([-HOUR_S, -1.0, -0.03, -0.01, 0.0, 0.004, 0.03, 1.0, HOUR_S])
    ),
    max_size=5,
).map(_seen)
_TRANSIT_S = st.floats(0.0, 0.02)


@settings(max_examples=200)
@given(_JUMPS, st.lists(st.tuples(st.floats(0.05, 0.11), _TRANSIT_S), min_size=10, max_size=30))
def test_no_clock_jump_stops_a_robot_that_is_commanded_in_time(jumps, sent):
    world = World(jumps)
    events, sent_s = [], 0.0
    for gap_s, transit_s in sent:
        sent_s += gap_s
        events.append((sent_s + transit_s, sent_s))
    events += [(0.02 * k, None) for k in range(1, int(sent_s / 0.02))]
    state = armed(0.0)
    world.look(0.0)
    for now_s, stamped_s in sorted(events, key=lambda e: e[0]):
        if stamped_s is None:
            world.look(now_s)
            state = gate.tick(state, now_s, CFG).state
        else:
            decision = gate.offer(state, action(age_s=world.age_s(stamped_s, now_s)), now_s, CFG)
            assert decision.note == "accepted", (jumps, stamped_s, now_s)
            state = decision.state
        assert state.mode in (Mode.ARMED, Mode.ACTIVE), state.cause


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.sampled_from([-HOUR_S, 0.0, HOUR_S])), max_size=5).map(sorted),
    st.lists(st.tuples(st.floats(0.0, 0.015), st.floats(0.11, 10.0)), min_size=3, max_size=40),
)
def test_no_clock_jump_lets_old_actions_keep_a_robot_moving(jumps, queue):
    world, state, now_s = World(jumps), active(0.0), 0.0
    for k in range(200):
        now_s = 0.02 * (k + 1)
        world.look(now_s)
        decision = gate.tick(state, now_s, CFG)
        assert (decision.command is None) == (now_s >= CFG.deadline_s)
        state = decision.state
        for delay_s, old_s in queue[k::7]:
            at_s = now_s + delay_s
            late = gate.offer(state, action(age_s=world.age_s(at_s - old_s, at_s)), at_s, CFG)
            assert late.command is None
            state = late.state
    assert state.mode is Mode.STOPPED
