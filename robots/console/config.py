"""What the operator's page is told on its command line."""

import dataclasses
import ipaddress
from typing import Annotated

import tyro

from sandlot.learners.errors import ConfigError
from sandlot.robots.graph_config import Kind

MOST_HZ = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsoleConfig:
    """The operator's page of a robot and of the runs in a folder.

    Attributes:
        robot: whose cameras, gate and processes are shown, and whom the buttons are for.
        runs: folder of run folders.
        host: address to listen at; one that others can reach needs `--cert` and `--key`, or `--plain`.
        port: where; 0 takes a free one.
        cert: TLS certificate (PEM), for an address that others can reach; docs/console.md makes one.
        key: its private key (PEM).
        plain: listen at an address that others can reach without TLS: whoever shares the network can read the
            token and the pictures.
        name: further host names under which a browser asks for the page, e.g. that of a proxy before it.
        camera_hz: most pictures a second of each camera.
        camera_px: wider pictures are made this wide.
    """

    robot: Kind = "arm"
    runs: str = "runs"
    host: str = "127.0.0.1"
    port: int = 8440
    cert: str = ""
    key: str = ""
    plain: bool = False
    name: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    camera_hz: float = 15.0
    camera_px: int = 640

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise ConfigError("--cert and --key belong together: give both, or neither")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"--port {self.port} must lie in [0, 65535]")
        if not 0.1 <= self.camera_hz <= MOST_HZ:
            raise ConfigError(f"--camera-hz {self.camera_hz:g} must lie in [0.1, {MOST_HZ:g}]")
        if not 32 <= self.camera_px <= 4096:
            raise ConfigError(f"--camera-px {self.camera_px} must lie in [32, 4096]")
        if not (self.cert or self.plain or is_loopback(self.host)):
            raise ConfigError(
                f"--host {self.host} can be reached by others: give --cert and --key (TLS), or keep "
                "127.0.0.1 behind a proxy or an SSH tunnel; --plain lets the network read the token"
            )

    @property
    def namespace(self) -> str:
        """Where the robot's topics and nodes are."""
        return f"/{self.robot}"

    @property
    def scheme(self) -> str:
        """How a browser asks."""
        return "https" if self.cert else "http"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
