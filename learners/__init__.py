"""Learning: agents, replay, run store, wire format, transport, checkpoints, the actor and learner processes.

Nothing here knows a robot, a simulator or ROS; it imports gymnasium and jax, and none of the other layers.
"""
