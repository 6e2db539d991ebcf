"""Setting up the next trial without a person: reset controllers, state machines whose patience ends.

A controller is data and pure functions; `machine.tick` moves it on and keeps its limits of tries and time,
`plan.restore` runs a task's controllers on a robot, through the same actions, limits and gate as a policy.
Nothing here learns, and nothing here knows a simulator.
"""

from sandlot.robots.resets.machine import Controller, Patience, Progress, Verdict, begin, tick
from sandlot.robots.resets.plan import restore

__all__ = ["Controller", "Patience", "Progress", "Verdict", "begin", "restore", "tick"]
