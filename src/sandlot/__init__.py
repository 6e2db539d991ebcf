"""Sandlot: robots that learn by practising in the real world.

`sandlot.learners` learns, stores and transports; `sandlot.perception` sees; `sandlot.robots` knows what each
robot observes and how it may move; `sandlot.sim` is MuJoCo. Importing this package registers the Gymnasium
ids (`sandlot/ArmPick-v0`, ...) by name only: nothing heavy is loaded before an env is made.
"""

__version__ = "0.1.0"
