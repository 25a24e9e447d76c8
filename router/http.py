"""The one place that opens HTTP sessions, so that every request of ours has the same manners."""

from __future__ import annotations

import sys
import warnings
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from router.core.errors import RouterError
from router.egress import Egress, EgressRefused, NotPublic
from router.installed import version
from router.light import later, trusting_later, without

with trusting_later(), without("frozenlist._frozenlist"), later("urllib.request", "getproxies", "proxy_bypass"):
    # Its lists of signals are no faster for what is compiled, which needs the library of C++ and is a megabyte with it. Proxies
    # of the environment are asked for by nobody here.
    import aiohttp

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from yarl import URL

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
#: Seconds. A request that needs longer says so itself; a stuck peer must not hold a lane for ever.
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)


class RedirectRefused(RouterError):
    """A server answered with another address. Following it would let any server choose whom we call, with our secrets."""


def product() -> str:
    """Our name in User-Agent headers."""
    found = version("tangled-router")
    return f"tangled-router/{found}" if found is not None else "tangled-router"


class _NoCookies(aiohttp.DummyCookieJar):
    """The same nothing for every request."""

    def __init__(self) -> None:
        super().__init__()
        self._nothing: SimpleCookie = SimpleCookie()

    def filter_cookies(self, request_url: URL) -> SimpleCookie:
        return self._nothing


with warnings.catch_warnings():
    # aiohttp would rather have a trace refuse. That takes a fifth of what a request takes, and this never follows anything.
    warnings.simplefilter("ignore", DeprecationWarning)

    class Session(aiohttp.ClientSession):
        """See open_session."""

        def _request(  # no coroutine around another, where none is needed
            self, *args: Any, allow_redirects: bool = True, **named: Any
        ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
            asked = super()._request(*args, allow_redirects=False, **named)
            return _refusing(asked) if allow_redirects else asked


async def _refusing(asked: Coroutine[Any, Any, aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
    response = await asked
    if response.status in _REDIRECTS:
        response.close()
        raise RedirectRefused(f"{response.url.host} answered {response.status}: redirects are not followed.")
    return response


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session for the running loop: close it. It reads no proxy or password from the environment, keeps no cookies, and
    raises RedirectRefused for a request that forgot `allow_redirects=False` and is sent elsewhere.

    Connections are not counted here: lanes bound deliveries, and each websocket holds one for as long as it lives. They lead
    to the network, unless `connector` says where else.
    """
    return Session(
        connector=connector or aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
        timeout=TIMEOUT,
        headers={"User-Agent": f"{product()} Python/{sys.version_info.major}.{sys.version_info.minor}"},
        cookie_jar=_NoCookies(),
        trust_env=False,
    )


def open_outside(egress: Egress) -> aiohttp.ClientSession:
    """A session for whatever strangers name: it connects to public addresses alone. Raises EgressRefused for others."""
    return open_session(_Guarded(egress))


class _Guarded(aiohttp.TCPConnector):
    """Every socket is the guard's to make. A resolver would not be asked about an address that stands in the URL itself."""

    def __init__(self, egress: Egress) -> None:
        super().__init__(limit=0, ttl_dns_cache=60, socket_factory=egress.socket)

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Any:
        try:
            return await super().connect(req, traces, timeout)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPublic):
                raise EgressRefused(f"{req.url.host!a} is not called: {error.os_error}.") from None
            raise
