"""A button of the page as Joy messages: what the real listener makes of them."""

from types import SimpleNamespace

from sandlot.robots.console.presses import DOWN_S, UP_S, Press
from sandlot.robots.teleop.mapping import AXES, TIMEOUT_S, Button, Operator

PERIOD_S = 0.02


def joy(*down):
    return SimpleNamespace(axes=[0.1] * AXES, buttons=[int(b in down) for b in Button])


def play(press, other, operator, now_s):
    """Sends a press at 50 Hz between a pad's messages; the intents, taken at 10 Hz, and when it was over."""
    intents, step = [], 0
    while True:
        pad = other(now_s)
        if pad is not None:
            operator.offer(pad.axes, pad.buttons, now_s)
        hands = press.hands((pad, 0.0), now_s)
        if hands is None:
            return intents + [operator.take(now_s)], now_s
        assert operator.offer(hands.axes, hands.buttons(), now_s)
        step += 1
        if step % 5 == 0:
            intents.append(operator.take(now_s))
        now_s += PERIOD_S


def test_a_press_alone_is_one_event_and_drives_nobody():
    intents, now_s = play(Press(Button.SUCCESS), lambda _: None, Operator(), 10.0)
    assert sum(i.success for i in intents) == 1
    assert not any(i.failure or i.redo or i.take_over or i.stop or i.arm for i in intents)
    assert abs(now_s - 10.0 - 2 * UP_S - DOWN_S) < 2 * PERIOD_S


def test_a_press_beside_a_pad_never_lets_go_of_its_deadman():
    operator = Operator()
    for i, down in enumerate([(), (Button.TAKE_OVER,), (Button.TAKE_OVER,)]):
        operator.offer(joy(*down).axes, joy(*down).buttons, 9.9 + 0.02 * i)
    assert operator.take(9.95).take_over
    intents, _ = play(Press(Button.FAILURE), lambda _: joy(Button.TAKE_OVER), operator, 9.96)
    assert any(i.failure for i in intents) and all(i.take_over for i in intents)
    assert all(abs(i.action[0] - 0.1) < 1e-6 for i in intents)


def test_a_press_does_not_stand_in_for_a_pad_that_fell_silent():
    press, pad = Press(Button.SUCCESS), joy(Button.TAKE_OVER)
    assert press.hands((pad, 0.0), 5.0) is not None
    assert press.hands((pad, 0.1), 5.1) is not None  # its last message, still the newest
    assert press.hands((None, 0.0), 5.0 + TIMEOUT_S + 0.01) is None


def test_messages_of_another_layout_or_long_ago_are_not_repeated():
    for other in ((SimpleNamespace(axes=[0.0], buttons=[1]), 0.0), (joy(Button.STOP), 60.0)):
        hands = Press(Button.NEXT).hands(other, 1.0)
        assert hands.down == frozenset() and set(hands.axes) == {0.0}
