"""The running router's admin API, on a Unix socket beside the store: what operators ask of it while it runs.

Whoever may open the socket (its owner, mode 0600) may do all of this; there is no other check.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from router.core.rulebook import Rulebook
    from router.engine.bell import Bell
    from router.engine.destinations import Destinations
    from router.engine.store.base import Store
    from router.host import Clock
    from router.observe import Observer

RETRY, DISCARD = "/api/v1/deliveries/retry", "/api/v1/deliveries/discard"
RULES, DESTINATIONS = "/api/v1/rules", "/api/v1/destinations"
#: Deliveries that one request may name or mean.
MOST = 10_000
#: sun_path holds 104 bytes on the BSDs and 108 on Linux, the final zero included.
_LONGEST = 103


def socket_path(store: Path) -> Path:
    """Where the router that holds this store listens."""
    return store.with_name(store.name + ".sock")


@contextmanager
def address(path: Path) -> Iterator[str]:
    """What to give to bind and connect: a path that is too long for a socket's name goes through a descriptor of its folder."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def serve(
    store: Store,
    bell: Bell,
    store_path: Path,
    clock: Clock,
    observer: Observer,
    rulebook: Callable[[], Rulebook],
    destinations: Destinations | None = None,
) -> None:
    """Serve until cancelled. Holding the store's lock is what makes the socket ours: an old one is a dead router's.

    `rulebook` gives the rules that decide now. Where there can be no socket, that is told, and the router goes on without.
    """
    path = socket_path(store_path)
    runner = web.AppRunner(application(store, bell, clock, rulebook, destinations), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, _listening(path)).start()
        await asyncio.Event().wait()
    except OSError as error:
        observer.fault("admin", f"Nobody can change deliveries while the router runs: {path}: {error.strerror or error}.")
    finally:
        await runner.cleanup()
        with suppress(OSError):
            path.unlink()


def application(
    store: Store,
    bell: Bell,
    clock: Clock,
    rulebook: Callable[[], Rulebook],
    destinations: Destinations | None = None,
) -> web.Application:
    """The API itself."""

    async def retry(ids: Sequence[str]) -> Sequence[str]:
        # Whoever asks for them now has mended something: circuits let one through at once.
        if destinations is not None:
            destinations.circuits.close_all()
        return await store.retry(ids, clock.now())

    async def discard(ids: Sequence[str]) -> Sequence[str]:
        return await store.discard(ids, "discarded by the operator", clock.now())

    def changing(
        change: Callable[[Sequence[str]], Awaitable[Sequence[str]]],
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            changed = await change(await _ids(request, store))
            bell.ring()
            return web.json_response({"changed": list(changed)})

        return answer

    async def loaded(_request: web.Request) -> web.Response:
        """The rule files as they were when they were loaded: on disk they may have changed since."""
        rulesets = rulebook().rulesets
        return web.json_response({"rules": [{"name": one.name, "file": one.file, "text": one.text} for one in rulesets]})

    async def where(_request: web.Request) -> web.Response:
        """Destinations since the start: what is shut, why and until when."""
        return web.json_response({"destinations": destinations.shown() if destinations is not None else []})

    app = web.Application(client_max_size=1_000_000)
    app.add_routes(
        [
            web.post(RETRY, changing(retry)),
            web.post(DISCARD, changing(discard)),
            web.get(RULES, loaded),
            web.get(DESTINATIONS, where),
        ]
    )
    return app


async def _ids(request: web.Request, store: Store) -> Sequence[str]:
    """The deliveries that a request means: `{"ids": [...]}`, or `{"state": "dead"}` for all of them, or for those of a `rule`,
    `provider` and `repo` that died at `since` (microseconds) or later."""
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not JSON.") from None
    ids, state = (body.get("ids"), body.get("state")) if isinstance(body, dict) else (None, None)
    if isinstance(ids, list) and len(ids) <= MOST and all(isinstance(one, str) for one in ids):
        return ids
    if ids is None and state == State.DEAD:
        try:
            return await meant(store, body)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
    raise web.HTTPBadRequest(text=f'Send {{"ids": [...]}} with at most {MOST} of them, or {{"state": "dead"}}.')


async def meant(store: Store, body: Mapping[str, Any]) -> Sequence[str]:
    """The dead letters that a request means. Raises ValueError for one that says nothing that there is."""
    filters = {name: body.get(name, "") for name in ("rule", "provider", "repo")}
    since = body.get("since", 0)
    if not all(isinstance(said, str) for said in filters.values()) or not isinstance(since, int) or abs(since) > 2**62:
        raise ValueError("`rule`, `provider` and `repo` are texts, and `since` is in microseconds.")
    return await store.chosen(State.DEAD, **filters, since=since, limit=MOST)


def _listening(path: Path) -> socket.socket:
    """A bound socket that only its owner can connect to, from the first moment: nothing connects before `listen`."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as name:
            made.bind(name)
        path.chmod(0o600)
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return made
