"""Which addresses may be used, and when keys are needed."""

import ipaddress
import re
from pathlib import Path

from sandlot.learners.errors import ConfigError

DEFAULT_ADDRESS = "tcp://127.0.0.1:5567"
_ADDRESS = re.compile(r"^tcp://(\[[0-9a-fA-F:]+\]|[^:/\[\]]+):(\d{1,5}|\*)$")


def check_address(address: str, keys: Path | str | None) -> None:
    """Refuses an address that cannot be used, or that others can reach while there are no keys.

    Raises:
        ConfigError: with the way out.
    """
    match = _ADDRESS.match(address)
    if not match:
        raise ConfigError(
            f"address '{address}' is not of the form tcp://HOST:PORT, such as tcp://127.0.0.1:5567"
        )
    host = match[1].strip("[]")
    if keys is None and not _is_loopback(host):
        raise ConfigError(
            f"address '{address}' can be reached by others: make keys with `sandlot keys` and give --keys "
            "FOLDER, or use tcp://127.0.0.1:PORT"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
