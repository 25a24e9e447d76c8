"""Whose a handle is, asked of its own domain: a TXT record of `_atproto.HANDLE`, or `https://HANDLE/.well-known/atproto-did`.

Facts: https://atproto.com/specs/handle. The answer counts only if the DID's document names the handle as well; otherwise
anybody could call themselves somebody else's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import aiohttp

from router.core.identity import DID
from router.identity.documents import NoIdentity, Unresolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.host import Host
    from router.identity.documents import Documents

TIMEOUT = aiohttp.ClientTimeout(total=5)
_PREFIX = "did="
#: Bytes of an answer that are read: a DID has 2,048 at the most.
LIMIT = 4096
#: Answers of c-ares that say that there is nothing: no such name, no such record.
_NOTHING = (1, 4)


class Texts(Protocol):
    """Asks for TXT records."""

    async def texts(self, name: str) -> Sequence[str]:
        """None where there are none. Raises OSError where nobody answers."""


class SystemTexts:
    """By the system's name servers, or by those named (`address:port`)."""

    def __init__(self, servers: Sequence[str] | None = None) -> None:
        self.servers = servers

    async def texts(self, name: str) -> Sequence[str]:
        import aiodns  # noqa: PLC0415 - only those who resolve handles themselves pay for it

        resolver = aiodns.DNSResolver(nameservers=self.servers, timeout=2.0, tries=2)
        try:
            found = await resolver.query_dns(name, "TXT")
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NOTHING:
                return ()
            raise OSError(f"the name {name} cannot be looked up") from None
        finally:
            await resolver.close()
        return [bytes(record.data.data).decode("utf-8", "replace") for record in found.answer if hasattr(record.data, "data")]


class Handles:
    """`dev` asks by http."""

    def __init__(self, host: Host, documents: Documents, texts: Texts | None = None, *, dev: bool = False) -> None:
        self.host = host
        self.documents = documents
        self.texts = texts or SystemTexts()
        self.dev = dev

    async def resolve(self, handle: str) -> str | None:
        """The DID, or None where the handle is nobody's. Raises Unresolved where that cannot be told now."""
        did = await self._by_name(handle) or await self._by_https(handle)
        if did is None:
            return None
        try:
            document = await self.documents.document(did)
        except NoIdentity:
            return None
        return did if document.handle.lower() == handle.lower() else None

    async def _by_name(self, handle: str) -> str | None:
        """Of several different DIDs none counts."""
        try:
            async with asyncio.timeout(TIMEOUT.total):
                texts = await self.texts.texts(f"_atproto.{handle}")
        except OSError:  # TimeoutError is one; the other way may still tell
            return None
        found = {text.removeprefix(_PREFIX).strip() for text in texts if text.startswith(_PREFIX)}
        did = found.pop() if len(found) == 1 else ""
        return did if DID.fullmatch(did) else None

    async def _by_https(self, handle: str) -> str | None:
        url = f"{'http' if self.dev else 'https'}://{handle}/.well-known/atproto-did"
        try:
            async with self.host.outside.get(url, timeout=TIMEOUT, allow_redirects=False) as response:
                body = (await response.content.read(LIMIT)).decode("utf-8", "replace").strip()
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Unresolved(f"The handle {handle} cannot be resolved now: {type(error).__name__}.") from None
        if response.status >= 500:
            raise Unresolved(f"The handle {handle} cannot be resolved now: {url} answered {response.status}.")
        return body if response.status == 200 and DID.fullmatch(body) else None
