"""Asking the running router, on its Unix socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from router.core.errors import RouterError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from router.config import Config
    from router.engine.store.base import Store

#: Seconds that a running router may take; reading thousands of rules again takes some.
WITHIN = 120.0


def ask(settings: Config, method: str, path: str, body: Any = None, *, fine: Sequence[int] = (200,)) -> Any:
    """What the router that runs on this store answers; None where none runs. Raises RouterError where it refuses: what it
    answers with a status that is not `fine`."""
    return asyncio.run(_ask(settings, method, path, body, fine))


async def asked(settings: Config, paths: Sequence[str]) -> list[Any] | None:
    """What it answers at each of these paths: see `ask`. None where none runs."""
    told = []
    for path in paths:
        if (one := await _ask(settings, "GET", path, None, (200,))) is None:
            return None
        told.append(one)
    return told


async def _ask(settings: Config, method: str, path: str, body: Any, fine: Sequence[int]) -> Any:
    import aiohttp  # noqa: PLC0415 - only who asks pays for it

    from router.web import unix  # noqa: PLC0415 - as above

    where = unix.socket_path(settings.store_path)
    if not where.exists():
        return None
    with unix.address(where) as name:
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(name), timeout=aiohttp.ClientTimeout(total=WITHIN)
                ) as http,
                http.request(method, f"http://router{path}", json=body) as answer,
            ):
                text = await answer.text()
                status, kind = answer.status, answer.content_type
        except aiohttp.ClientConnectorError:
            return None
        except (TimeoutError, aiohttp.ClientError) as error:
            raise RouterError(f"The running router did not answer: {error or type(error).__name__}.") from None
    told = _read(text) if kind == "application/json" else text
    if status not in fine:
        why = told.get("error") if isinstance(told, dict) else None
        raise RouterError(f"The running router refused: {why or f'it answered {status}. Is it an older one?'}")
    return told


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def change(settings: Config, path: str, body: Any, directly: Callable[[Store, int], Awaitable[Sequence[str]]]) -> Sequence[str]:
    """The names that changed: asked of the running router, which then acts at once; else done to the store itself."""
    told = ask(settings, "POST", path, body)
    if told is not None:
        changed: list[str] = told["changed"]
        return changed
    return asyncio.run(_directly(settings, directly))


async def _directly(settings: Config, work: Callable[[Store, int], Awaitable[Sequence[str]]]) -> Sequence[str]:
    from router.engine.store.sqlite import open_store  # noqa: PLC0415 - only where no router runs
    from router.host import SystemClock  # noqa: PLC0415 - as above

    if not settings.store_path.exists():
        raise StoreError(f"There is no store at {settings.store_path}: `router run` makes it.")
    store = await open_store(settings.store_path)
    try:
        return await work(store, SystemClock().now())
    finally:
        await store.close()
