"""The network: names, the clock against others' clocks, and whether sources and providers answer."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from router.core.checkup import Checks, doubtful, ill, well
from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.checkup import Check
    from router.host import Host

#: Seconds for each question.
PATIENCE = 10.0
#: Seconds by which clocks may differ: signed webhooks and tokens allow five minutes, TIDs less.
SKEWED, WRONG = 30.0, 240.0


class Reach:
    """Asks each place once, and remembers what their clocks said."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.skews: list[float] = []

    async def name(self, what: str, url: str) -> Check:
        """Whether the host of a URL has an address."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.get_running_loop().getaddrinfo(parts.hostname, port)
        except (TimeoutError, OSError) as error:
            why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            return ill(what, f"{parts.hostname} has no address: {why}.", "Check the spelling, and this machine's DNS.")
        took = time.monotonic() - began
        if took > 2:
            return doubtful(what, f"{parts.hostname} took {took:.1f} s to look up.", "Check this machine's DNS servers.")
        return well(what, f"{parts.hostname} has an address")

    async def answers(self, what: str, url: str) -> Check:
        """Whether a server answers at all: any status will do."""
        plain = url.replace("ws", "http", 1) if url.startswith("ws") else url
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        try:
            async with self.host.http.get(plain, timeout=timeout, allow_redirects=False) as response:
                self._remember(response.headers.get("Date", ""))
                return well(what, f"{urlsplit(url).netloc} answers")
        except (TimeoutError, aiohttp.ClientError, OSError, RouterError) as error:
            why = str(error) or type(error).__name__
            return ill(what, f"{urlsplit(url).netloc} cannot be reached: {why}.", "Check the address, and what is between.")

    async def asked(self, what: str, one: object) -> Sequence[Check]:
        """What a source or a provider says of itself; nothing, where it cannot tell."""
        if not isinstance(one, Checks):
            return ()
        try:
            async with asyncio.timeout(3 * PATIENCE):
                return await one.check()
        except TimeoutError:
            return (ill(what, "It did not answer.", "Check what is between this machine and it."),)
        except (RouterError, OSError, aiohttp.ClientError) as error:
            return (ill(what, str(error), "See `router config` for what it was asked with."),)

    def clock(self) -> Iterator[Check]:
        """This machine's clock, against all that answered."""
        if not self.skews:
            return
        # The median: one server's clock may be wrong.
        skew = sorted(self.skews)[len(self.skews) // 2]
        said = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {len(self.skews)} others"
        if abs(skew) >= WRONG:
            yield ill("clock", said, "Set it (timedatectl set-ntp true): tokens and signed webhooks are refused.")
        elif abs(skew) >= SKEWED:
            yield doubtful("clock", said, "Set it (timedatectl set-ntp true).")
        else:
            yield well("clock", "as others have it")

    def _remember(self, date: str) -> None:
        try:
            self.skews.append(self.host.clock.now() / 1e6 - parsedate_to_datetime(date).timestamp())
        except (TypeError, ValueError):
            return
