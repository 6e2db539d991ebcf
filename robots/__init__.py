"""Robots: the Robot protocol and, per robot, its spec, tasks, experts and drivers. Knows no simulator."""
