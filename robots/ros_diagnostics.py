"""One node's state on /diagnostics, as ROS tools show it."""

import time
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def diagnostics(
    name: str, level: bytes, text: str, values: Mapping[str, object], hardware: str = ""
) -> DiagnosticArray:
    """One status of one node.

    Args:
        name: the node's full name.
        level: OK, WARN or ERROR.
        text: the state in words.
        values: figures and counters; floats are shown with three digits.
        hardware: which device.
    """
    shown = {k: f"{v:.3f}" if isinstance(v, float) else str(v) for k, v in values.items()}
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id=hardware)
    status.values = [KeyValue(key=key, value=value) for key, value in shown.items()]
    message = DiagnosticArray(status=[status])
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
    return message
