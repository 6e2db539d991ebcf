"""The arm of config/arm_dynamixel.yaml, for tests."""

import pathlib

import yaml

from sandlot.robots.arm.dynamixel_config import Config

FILE = pathlib.Path(__file__).parents[3] / "config" / "arm_dynamixel.yaml"


def config(port, **changes):
    given = yaml.safe_load(FILE.read_text())["/arm/driver"]["ros__parameters"]
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k != "device"}
    return Config(**{**given, "port": port, "reply_s": 0.1, "watchdog_s": 1.0, **changes})
