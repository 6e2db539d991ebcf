"""A driver whose device, the simulated one, loses its connection once `$FAIL_FILE` exists."""

import os
import sys

from sandlot.robots.arm import arm_node, devices
from sandlot.robots.errors import DeviceError
from sandlot.sim import arm_device

Config = arm_device.Config


class Failing(arm_device.SimArmDevice):
    def read(self, now_s):
        if os.path.exists(os.environ["FAIL_FILE"]):
            raise DeviceError("sim arm: the cable is out; plug it in and start again")
        return super().read(now_s)

    def hold(self, now_s):
        super().hold(now_s)
        if os.path.exists(os.environ["FAIL_FILE"]):
            sys.stderr.write("held at the end\n")


make = Failing

if __name__ == "__main__":
    devices.MODULES["sim"] = "tests.system.failing_driver"
    sys.exit(arm_node.main())
