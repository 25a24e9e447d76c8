"""One HTTP request, and what its failure means: never sent, lost on the way, or answered."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from router.core.errors import Ambiguous, DeliveryError, Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.provider import Host

#: Characters of an answer that a dead letter keeps.
SHOWN = 1000
#: Seconds until a token or a scope that was refused is tried again: only an operator can mend it.
REFUSED = 300.0
#: Seconds to be connected, and between two pieces of an answer.
CONNECT, READ = 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are found in any case; `body` is cut at the limit that was asked for, `complete` tells whether that was all."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool

    def json(self) -> Any:
        """The body, or None where it is not JSON or was cut."""
        try:
            return json.loads(self.body) if self.complete else None
        except (ValueError, RecursionError):
            return None

    def shown(self) -> str:
        """The body for a person: printable, cut."""
        return line(self.body[: 4 * SHOWN].decode("utf-8", "replace"), SHOWN)

    def wait(self, *names: str) -> float | None:
        """The longest wait in seconds that these headers ask for: a number, or for Retry-After also a date."""
        waits = [found for name in names if (found := _seconds(self.headers.get(name, ""), self.headers)) is not None]
        return max(waits, default=None)


def bearer(token: str, body: bytes | None) -> dict[str, str]:
    """Headers of a request for JSON by this token. Raises Transient for what can be no token."""
    if re.fullmatch(r"[!-~]+", token) is None:
        raise Transient("The token has characters that no token has.", retry_after=REFUSED, counts=False)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return headers if body is None else headers | {"Content-Type": "application/json"}


def line(text: str, most: int) -> str:
    """One printable line of so many characters."""
    return "".join(char if char.isprintable() else " " for char in text[: 4 * most]).strip()[:most]


async def ask(
    host: Host,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    limit: int,
    to: str,
    hide: str = "",
    linger: float | None = None,
    hurried: bool = False,
) -> Answer:
    """Send once. `to` names the other side in sentences; `hide` is a secret that is blotted out where the answer repeats it.
    With `linger` the answer's status decides: its body is read for so many seconds, and whatever is missing then is left out.
    `hurried` says that whoever asks waits no longer for all of the answer than two pieces of it may be apart.

    Raises Permanent for what is no URL, Transient where the request surely never arrived (name, connection, TLS), and Ambiguous
    where it may have: aiohttp sends a POST once, so a connection that breaks after it was made leaves that open, one that was
    kept alive and turns out to be closed included. Redirects are answers, never followed.
    """
    timeout = _timeout(CONNECT, None if hurried else READ)
    try:
        async with host.request(method, url, headers=headers, data=body, timeout=timeout) as response:
            said, whole = await _read(response.content, limit, linger)
            told = said[:limit].replace(hide.encode(), b"[secret]") if hide else said[:limit]
            return Answer(response.status, response.headers, told, complete=whole and len(said) <= limit)
    except Exception as error:
        failed = _failure(error, to)
        if failed is None:
            raise
        raise failed from None


def _failure(error: Exception, to: str) -> DeliveryError | None:
    """See `ask`. None for what is a bug."""
    import aiohttp  # noqa: PLC0415 - validate reads only the options

    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return Permanent(f"{to} cannot be asked: that is no URL.")
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Transient(f"{to} cannot be reached: {_reason(error)}.")
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return Ambiguous(f"The answer of {to} was lost: {_reason(error)}.")
    return None


@cache
def _timeout(connect: float, read: float | None) -> Any:
    import aiohttp  # noqa: PLC0415 - as above

    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=read)


async def _read(content: Any, limit: int, linger: float | None) -> tuple[bytes, bool]:
    """Up to one byte more than the limit, so that it shows whether there was more, and whether nothing was lost on the way."""
    if content.is_eof():  # it came with the head: most answers do
        return content.read_nowait(limit + 1), True
    import asyncio  # noqa: PLC0415 - as above

    import aiohttp  # noqa: PLC0415 - as above

    parts: list[bytes] = []
    left = limit + 1
    try:
        async with asyncio.timeout(linger):
            while left > 0 and (part := await content.read(left)):
                parts.append(part)
                left -= len(part)
    except (aiohttp.ClientError, OSError, TimeoutError):
        if linger is None:
            raise
        return b"".join(parts), False
    return b"".join(parts), True


def _seconds(text: str, headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - as above

    try:
        # Against the sender's own clock: ours may differ.
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds())
    except (ValueError, TypeError, IndexError):
        return None


def _reason(error: BaseException) -> str:
    """What went wrong, without addresses and values that a peer or an event chose."""
    inner = getattr(error, "os_error", None) or error
    if isinstance(reason := getattr(inner, "reason", None), str):  # of TLS: CERTIFICATE_VERIFY_FAILED
        return reason.replace("_", " ").lower()
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)  # the error's own words may be asyncio's, with the address
    return (getattr(inner, "strerror", None) or type(inner).__name__).rstrip(".")
