"""Whether a stream can be dialled: one handshake, and nothing is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from router.core.checkup import ill, well

if TYPE_CHECKING:
    from router.core.checkup import Check
    from router.host import Host

#: Seconds.
PATIENCE = 10.0


async def handshake(name: str, url: str, host: Host, *, outside: bool = False) -> Check:
    """Dial a stream and hang up."""
    import aiohttp  # noqa: PLC0415 - aiohttp is for those who listen

    what, place = f"source {name}", urlsplit(url).netloc
    session = host.outside if outside else host.http
    timeout = aiohttp.ClientWSTimeout(ws_receive=PATIENCE, ws_close=1.0)
    try:
        async with session.ws_connect(url, timeout=timeout) as socket:
            await socket.close()
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        why = str(error) or type(error).__name__
        return ill(
            what, f"{place} lets nobody subscribe: {why}.", "Check the address in `sources`, and that it is such a server."
        )
    return well(what, f"{place} can be subscribed to")
