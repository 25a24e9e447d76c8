"""The spindle: whether Tangled would find it under its name, and whether its owner registered it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp

from router.core.checkup import doubtful, ill, well
from router.core.errors import RouterError
from router.identity.documents import Documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.core.checkup import Check
    from router.core.model import Tree
    from router.host import Host
    from router.sections import SpindleSection

TIMEOUT = aiohttp.ClientTimeout(total=10)
LIMIT = 65_536


async def spindle(settings: SpindleSection, host: Host) -> AsyncIterator[Check]:
    """Read-only calls to its own public address, to the directory, and to the owner's server."""
    scheme = "http" if settings.dev else "https"
    yield await _own(f"{scheme}://{settings.hostname}", settings.owner, host)
    if settings.secrets_key is None:
        yield doubtful(
            "secrets", "`spindle.secrets_key` is not set: repos cannot keep secrets here.", "docs/spindle.md says how."
        )
    try:
        document = await Documents(host, settings.plc, dev=settings.dev).document(settings.owner)
    except RouterError as error:
        yield ill("owner", str(error), "Check `spindle.owner`, and whether `spindle.plc` can be reached.")
        return
    yield well("owner", f"{settings.owner} is {document.handle or 'an account without a handle'}")
    yield await _registered(document.pds, settings, host)


async def _own(url: str, owner: str, host: Host) -> Check:
    asked = f"{url}/xrpc/sh.tangled.owner"
    try:
        told = await _tree(host, asked)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RouterError) as error:
        said = f"{asked} does not answer here: {str(error) or type(error).__name__}."
        return doubtful("hostname", said, "Start the router, and point the name and a proxy with TLS at it.")
    named = told.get("owner") if isinstance(told, dict) else None
    if named != owner:
        return ill(
            "hostname", f"{asked} says that its owner is {named!a}.", "Another service answers there, or another router."
        )
    return well("hostname", f"{url} is this spindle")


async def _registered(pds: str, settings: SpindleSection, host: Host) -> Check:
    query = urlencode({"repo": settings.owner, "collection": "sh.tangled.spindle", "rkey": settings.hostname})
    try:
        await _tree(host, f"{pds}/xrpc/com.atproto.repo.getRecord?{query}")
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RouterError) as error:
        said = f"The owner has no record of {settings.hostname}: {str(error) or type(error).__name__}."
        return doubtful("registration", said, "Register it in Tangled: docs/how-to/register-a-spindle.md")
    return well("registration", f"The owner's account names {settings.hostname}")


async def _tree(host: Host, url: str) -> Tree:
    async with host.outside.get(url, timeout=TIMEOUT, allow_redirects=False) as response:
        body = await response.content.read(LIMIT)
        if response.status != 200:
            raise RouterError(f"it answered {response.status}")
        tree: Tree = json.loads(body)
        return tree
