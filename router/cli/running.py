"""Asks the router that runs on a store, on its socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from router.core.errors import RouterError

if TYPE_CHECKING:
    from router.config import Config
    from router.core.model import Tree

#: Seconds.
WITHIN = 5.0


def ask(settings: Config, path: str) -> Tree:
    """What it answers, as JSON; None where no router runs. Raises RouterError where one runs and does not answer so."""
    return asyncio.run(_ask(settings, path))


async def _ask(settings: Config, path: str) -> Tree:
    import aiohttp  # noqa: PLC0415 - verbs that ask nobody do without

    from router.web import admin  # noqa: PLC0415 - as above

    if not admin.socket_path(settings.store_path).exists():
        return None
    with admin.address(admin.socket_path(settings.store_path)) as address:
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(address)) as http,
                http.get(f"http://router{path}", timeout=aiohttp.ClientTimeout(total=WITHIN)) as answer,
            ):
                text = await answer.text()
        except aiohttp.ClientConnectorError:
            return None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RouterError(f"The running router does not answer ({type(error).__name__}).") from None
    if answer.status != 200:
        raise RouterError(f"The running router answered {answer.status}: is it an older one?")
    return json.loads(text)
