"""Who may do what: the token, sessions, and requests that another site made a browser send. Pure.

Anybody may stop the robot. Everything else needs a session, which the token of this start opens; a request
that changes something must also carry the session's own secret, which no other site can read.
"""

import dataclasses
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

SESSION_S = 12 * 3600.0
MOST_SESSIONS = 32
WRONG_S = 1.0
"""A wrong token is answered after this long, one at a time: guessing 256 bits is hopeless anyway."""
MOST_WAITING = 4
"""Wrong tokens that may wait at once; more are refused without a look."""


@dataclasses.dataclass(frozen=True)
class Session:
    """One browser that knew the token.

    Attributes:
        id: the cookie's value.
        csrf: what a request that changes something must say.
        until_s: when it ends, by the caller's clock.
    """

    id: str
    csrf: str
    until_s: float


class Doorman:
    """Opens sessions for those who know the token; time is an argument."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._sessions: dict[str, Session] = {}

    def open(self, token: str, now_s: float) -> Session | None:
        """A session for the right token; the oldest one makes room when there are many."""
        if not same(token, self.token):
            return None
        self._sessions = {k: s for k, s in self._sessions.items() if s.until_s > now_s}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now_s + SESSION_S)
        self._sessions[session.id] = session
        return session

    def find(self, cookie: str | None, now_s: float) -> Session | None:
        """The session that a cookie names, None when there is none or it is over."""
        session = self._sessions.get(cookie or "")
        return session if session and now_s < session.until_s else None

    def close(self, session: Session) -> None:
        """Ends a session."""
        self._sessions.pop(session.id, None)


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def host_fault(host: str | None, names: Iterable[str]) -> str:
    """Why a request's Host header is refused, "" when it is not.

    Another site can point a name of its own at this machine and so ask in the visitor's browser; it can
    neither use an address in numbers nor a name that it does not own.
    """
    try:
        found = urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        found = ""
    if not found or (not _is_address(found) and found not in {"localhost", *(n.lower() for n in names)}):
        return f"host name {host!r} is not one of this page's; add it with --name if it is yours"
    return ""


def origin_fault(origin: str | None, host: str | None, *, needed: bool = True) -> str:
    """Why a request comes from another site, "" when it does not; browsers say it with every POST.

    Args:
        origin: the Origin header.
        host: the Host header.
        needed: refuse a request without an Origin: a browser always sends one.
    """
    if origin is None:
        return "no Origin header" if needed else ""
    if not host or urlsplit(origin).netloc.lower() != host.lower():
        return f"another site asked ({origin[:100]!r})"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
