"""The one place that opens HTTP sessions, so that every request of ours has the same manners."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace

import aiohttp

from router.core.errors import RouterError

#: Seconds. A request that needs longer says so itself; a stuck peer must not hold a lane for ever.
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)


class RedirectRefused(RouterError):
    """A server answered with another address. Following it would let any server choose whom we call, with our secrets."""


def product() -> str:
    """Our name in User-Agent headers."""
    try:
        return f"tangled-router/{version('tangled-router')}"
    except PackageNotFoundError:
        return "tangled-router"


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session for the running loop: close it. It reads no proxy or password from the environment, keeps no cookies, and
    raises RedirectRefused for a request that forgot `allow_redirects=False` and is sent elsewhere.

    Connections are not counted here: lanes bound deliveries, and each websocket holds one for as long as it lives. They lead
    to the network, unless `connector` says where else.
    """
    guard = aiohttp.TraceConfig()
    guard.on_request_redirect.append(_refuse)
    return aiohttp.ClientSession(
        connector=connector or aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
        timeout=TIMEOUT,
        headers={"User-Agent": f"{product()} Python/{sys.version_info.major}.{sys.version_info.minor}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[guard],
        trust_env=False,
    )


async def _refuse(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    params.response.close()
    raise RedirectRefused(f"{params.url.host} answered {params.response.status}: redirects are not followed.")
