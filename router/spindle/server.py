"""Where peers reach the spindle: what was announced, logs, and the methods of `sh.tangled.ci`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from router.core.errors import StoreError, StoreFull
from router.health import FULL
from router.spindle import events, logs
from router.spindle.streams import Crowd
from router.spindle.xrpc import Methods, answered, refused
from router.web import door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.engine.bell import Bell
    from router.engine.logbook import Logbook
    from router.engine.store.base import Store
    from router.host import Clock
    from router.sections import SpindleSection
    from router.spindle.asking import Asking
    from router.spindle.auth import Authority
    from router.spindle.files import Files
    from router.spindle.permits import Permits
    from router.spindle.roster import Roster
    from router.spindle.vault import Vault
    from router.spindle.webhooks import Webhooks

#: Bytes of a request.
LARGEST = 1 << 20
#: Seconds that the store may take to answer.
HEALTHY_WITHIN = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is needed to answer."""

    settings: SpindleSection
    store: Store
    bell: Bell
    clock: Clock
    roster: Roster
    authority: Authority
    permits: Permits
    vault: Vault
    asking: Asking
    files: Files
    logbook: Logbook
    webhooks: Webhooks


def application(desk: Desk) -> web.Application:
    """Everything that is served."""
    settings, crowd, methods = desk.settings, Crowd(), Methods(desk)

    async def motd(_request: web.Request) -> web.Response:
        return web.Response(text=settings.motd)

    async def owner(_request: web.Request) -> web.Response:
        return answered({"owner": settings.owner})

    async def document(_request: web.Request) -> web.Response:
        scheme = "http" if settings.dev else "https"
        service = {
            "id": "#tangled_spindle",
            "type": "TangledSpindle",
            "serviceEndpoint": f"{scheme}://{settings.hostname}",
        }
        did = f"did:web:{settings.hostname.replace(':', '%3A')}"
        return answered({"@context": ["https://www.w3.org/ns/did/v1"], "id": did, "service": [service]})

    async def health(_request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(HEALTHY_WITHIN):
                await desk.store.last_announced()
        except (TimeoutError, StoreError):
            return web.Response(status=503, text="the store does not answer\n")
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        if desk.store.full:
            return web.Response(status=503, text=f"{FULL}\n")
        return await health(request)

    async def webhook(request: web.Request) -> web.Response:
        body = await request.read()
        status, text = await desk.webhooks.receive(request.match_info["provider"], request.headers, body)
        return web.Response(status=status, text=text)

    @web.middleware
    async def room(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        """What asks for something new is refused on a full disk before anything is done; a CI may tell how builds go."""
        new = request.method == "POST" and request.path.startswith("/xrpc/")
        try:
            if not (new and desk.store.full):
                return await handler(request)
        except StoreFull:
            pass
        return refused("ServiceUnavailable", FULL, 503)

    app = web.Application(client_max_size=LARGEST, middlewares=[door.minded, room])
    app.add_routes(
        [
            web.get("/", motd),
            web.get("/healthz", health),
            web.get("/readyz", ready),
            web.get("/.well-known/did.json", document),
            web.get("/xrpc/sh.tangled.owner", owner),
            web.get("/events", events.route(desk, crowd)),
            web.get("/logs/{knot}/{rkey}/{workflow:[^/]*}", logs.older(desk, crowd)),
            web.get("/xrpc/sh.tangled.ci.subscribePipelineLogs", logs.today(desk, crowd)),
            web.get("/xrpc/sh.tangled.ci.pipeline.subscribeLogs", logs.today(desk, crowd)),
            *methods.routes(),
            web.post("/webhooks/{provider}", webhook),
        ]
    )
    return app


async def serve(desk: Desk, listening: Callable[[str], object], told: Callable[[str], object]) -> None:
    """Until cancelled. `listening` is told `host:port`, and `told` when there are too many connections. Raises OSError where
    the address cannot be had."""
    host, _, port = desk.settings.listen.rpartition(":")
    async with door.listening(application(desk), host or None, int(port), told) as (_, address):
        listening(address)
        await asyncio.Event().wait()
