"""CURVE keys: who may talk to whom. One file a key, one Z85 line a file.

A key folder holds `learner.secret`, `learner.public`, and for each actor `NAME.secret` and, as the learner's
allow-list, `actors/NAME.public`. The learner's machine needs `learner.secret` and `actors/`; an actor's
machine needs `learner.public` and its own secret. Only actor NAME may use the key, but for the key `actor`,
which is everybody's. Deleting a file in `actors/` revokes that key for every new connection.
"""

import logging
import os
import re
import stat
import time
from pathlib import Path

import zmq
from zmq.utils import z85

from sandlot.learners.errors import BusyError, ConfigError

log = logging.getLogger(__name__)
ZAP_ENDPOINT = "inproc://zeromq.zap.01"
SHARED_KEY = "actor"
"""An actor without a key of its own uses this one."""
_NAME = re.compile(r"^[A-Za-z0-9_.\-]{1,64}$")
_Z85_LENGTH = 40
_LOG_PERIOD_S = 60.0


def make_keys(folder: Path | str, actors: tuple[str, ...] = (SHARED_KEY,)) -> list[Path]:
    """Makes what is missing: the learner's pair and one pair an actor. Returns the new files."""
    folder = Path(folder)
    (folder / "actors").mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    pairs = [
        ("learner", folder / "learner.public"),
        *((a, folder / "actors" / f"{a}.public") for a in actors),
    ]
    for name, public_path in pairs:
        if not _NAME.match(name) or (name == "learner" and public_path.parent.name == "actors"):
            raise ConfigError(
                f"key name {name!r}: use 1 to 64 letters, digits, '_', '-' or '.', and not 'learner'"
            )
        secret_path = folder / f"{name}.secret"
        if secret_path.exists():
            continue
        public, secret = zmq.curve_keypair()
        _write(secret_path, secret, 0o600)
        _write(public_path, public, 0o644)
        made += [secret_path, public_path]
    return made


def _write(path: Path, key: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(key + b"\n")


def read_secret(path: Path) -> tuple[bytes, bytes]:
    """(public, secret) of a secret key file, which only its owner may read.

    Raises:
        ConfigError: the file is missing, is no key, or others may read it.
    """
    secret = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"key file '{path}' has mode {mode:04o}: others may read it; run `chmod 600 {path}`"
        )
    return zmq.curve_public(secret), secret


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"key file '{path}': {error.strerror}; make keys with `sandlot keys`") from error
    if len(key) != _Z85_LENGTH:
        raise ConfigError(
            f"key file '{path}' holds {len(key)} characters, a key has {_Z85_LENGTH}; make new keys"
        )
    return key


def secure_learner(socket: zmq.Socket[bytes], folder: Path | str) -> None:
    """Makes a socket a CURVE server with the learner's key; call before bind."""
    public, secret = read_secret(Path(folder) / "learner.secret")
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = public, secret


def secure_actor(socket: zmq.Socket[bytes], folder: Path | str, name: str) -> None:
    """Makes a socket a CURVE client that talks to this learner only; call before connect."""
    folder = Path(folder)
    secret_path = folder / f"{name}.secret"
    public, secret = read_secret(secret_path if secret_path.exists() else folder / f"{SHARED_KEY}.secret")
    socket.curve_serverkey = _read(folder / "learner.public")
    socket.curve_publickey, socket.curve_secretkey = public, secret


class Gatekeeper:
    """Answers libzmq's question whether a key may connect (ZAP, RFC 27), from the files of the allow-list.

    The folder is read at every question, so adding or removing a file needs no restart. It lives in the
    thread of the socket it guards.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: Path | str) -> None:
        self._folder = Path(folder) / "actors"
        self.refused = 0
        self._logged_s = -_LOG_PERIOD_S
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        try:
            self.socket.bind(ZAP_ENDPOINT)
        except zmq.ZMQError as error:
            raise BusyError("another server of this process already guards CURVE connections") from error

    def allowed(self) -> dict[bytes, str]:
        """Public key -> actor name."""
        keys = {}
        for path in self._folder.glob("*.public"):
            try:
                keys[_read(path)] = path.stem
            except ConfigError as error:
                log.warning("event=bad_key_file error=%s", error)
        return keys

    def answer(self) -> None:
        """Answers one waiting question."""
        frames = self.socket.recv_multipart()
        version, sequence, _domain, address, _identity, mechanism, *credentials = frames
        name = None
        if mechanism == b"CURVE" and len(credentials) == 1:
            name = self.allowed().get(z85.encode(credentials[0]))
        if name is None:
            self.refused += 1
            self._log(address)
        status, user = (b"200", name.encode()) if name else (b"400", b"")
        self.socket.send_multipart([version, sequence, status, b"" if name else b"unknown key", user, b""])

    def _log(self, address: bytes) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_PERIOD_S:
            self._logged_s = now_s
            log.warning(
                "event=key_refused address=%s refused=%d", address.decode(errors="replace"), self.refused
            )
