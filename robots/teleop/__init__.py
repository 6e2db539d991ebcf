"""Teleoperation: what a person's hands do, as one `sensor_msgs/Joy` layout, and what they mean by it.

A device module (`keyboard`, `gamepad`, `spacemouse`) reads hardware; `layouts` says which key means what;
`joy_node` publishes; `person` is a scripted person, who needs no device. Whoever listens (gate, actor) needs
`mapping.Operator` alone, which knows no device.
"""

from sandlot.robots.teleop.mapping import Button, Hands, Intent, Operator

__all__ = ["Button", "Hands", "Intent", "Operator"]
