"""Serves the page: the address, TLS, the token, and the HTTP server's limits."""

import asyncio
import errno
import logging
import socket
import ssl
import sys

import uvicorn

from sandlot.learners.errors import BusyError, ConfigError
from sandlot.robots.console.access import Doorman
from sandlot.robots.console.app import Console
from sandlot.robots.console.config import ConsoleConfig

log = logging.getLogger(__name__)

MOST_SAID = 16 * 1024
"""Bytes of a message over the live connection, and of a request's head."""


def serve(config: ConsoleConfig) -> None:
    """Serves until Ctrl-C or SIGTERM; prints the address, with the token behind the #, on stdout."""
    _check_tls(config)
    doorman = Doorman()
    with _listen(config) as listening:
        port = listening.getsockname()[1]
        sys.stdout.write(f"{address(config, port)}#{doorman.token}\n")
        sys.stdout.flush()
        asyncio.run(_run(Console(config, doorman), config, listening))


def address(config: ConsoleConfig, port: int) -> str:
    """Where a browser finds the page."""
    everywhere = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}  # noqa: S104  (asked for)
    host = config.name[0] if config.name else everywhere.get(config.host, config.host)
    return f"{config.scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


async def _run(console: Console, config: ConsoleConfig, listening: socket.socket) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            console.app(),
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws_max_size=MOST_SAID,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=MOST_SAID,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            ssl_certfile=config.cert or None,
            ssl_keyfile=config.key or None,
        )
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    await console.run(lambda: server.serve(sockets=[listening]))


def _check_tls(config: ConsoleConfig) -> None:
    if not config.cert:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(config.cert, config.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"--cert {config.cert} and --key {config.key} cannot be used: {error.strerror or error}; "
            "docs/console.md says how to make them"
        ) from error


def _listen(config: ConsoleConfig) -> socket.socket:
    """A socket at the address; BusyError or ConfigError when it cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen()  # whoever reads the address may ask at once
    except OSError as error:
        listening.close()
        where = f"{config.host}:{config.port}"
        if error.errno == errno.EADDRINUSE:
            raise BusyError(f"{where} is in use; end what listens there, or choose another --port") from error
        raise ConfigError(f"cannot listen at {where}: {error.strerror}; choose another --host") from error
    return listening
