"""Who may see the page: by the same token as the API, given once in a form and then remembered by a cookie of this process.

A cookie opens the page and nothing else. What changes something also needs a word that only our own forms bear.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from router.core.errors import RouterError
from router.web.guard import revealed

if TYPE_CHECKING:
    from aiohttp import web

    from router.core.model import Micros
    from router.host import Clock
    from router.secret import Secret

COOKIE = "router_session"
#: Microseconds for which a login lasts, and how many there are at a time.
LASTS: Micros = 12 * 3600 * 1_000_000
MOST = 100


class Visitors:
    """Without a `token` everybody who reaches the listener is let in. Sessions end with the process, and when the token is
    another."""

    def __init__(self, token: Secret | None, clock: Clock) -> None:
        self.token = token
        self.clock = clock
        self._key = secrets.token_bytes(32)
        self._open: dict[str, tuple[Micros, bytes]] = {}

    def admits(self, request: web.Request) -> bool:
        """Whether this request is of somebody who gave the token, or needs none."""
        if self.token is None:
            return True
        found = self._open.get(request.cookies.get(COOKIE, ""))
        return found is not None and found[0] > self.clock.now() and hmac.compare_digest(found[1], self._mark())

    def login(self, given: str) -> str:
        """A new session's name; empty where the token is another. Raises RouterError where there is none to compare with."""
        if self.token is None:
            return ""
        wanted = revealed(self.token)
        if not hmac.compare_digest(_digest(given), _digest(wanted)):
            return ""
        now = self.clock.now()
        self._open = {name: one for name, one in self._open.items() if one[0] > now}
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        name = secrets.token_urlsafe(32)
        self._open[name] = now + LASTS, self._mark()
        return name

    def logout(self, request: web.Request) -> None:
        self._open.pop(request.cookies.get(COOKIE, ""), None)

    def word(self, request: web.Request) -> str:
        """What a form of this session bears. Another site can neither read nor guess it."""
        name = request.cookies.get(COOKIE, "") if self.token is not None else ""
        return hmac.new(self._key, name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def ours(self, request: web.Request, given: str) -> bool:
        return hmac.compare_digest(self.word(request).encode(), given.encode("utf-8", "surrogateescape"))

    def _mark(self) -> bytes:
        """Of the token as it is now; of none that could be given where it cannot be read."""
        assert self.token is not None  # noqa: S101 - seen by the callers
        try:
            return _digest(revealed(self.token))
        except RouterError:
            return secrets.token_bytes(32)


def secure(request: web.Request) -> bool:
    """Whether the browser came by TLS, as it says itself: there is a proxy before us then."""
    return urlsplit(request.headers.get("Origin", "")).scheme == "https"


def within(path: str) -> str:
    """Where to go afterwards: a path of ours, whatever the form says."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if fine and len(path) <= 2000 else "/"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
