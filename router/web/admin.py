"""Where the running router is asked: a Unix socket beside the store, and a TCP address if router.yaml names one.

Whoever may open the socket (its owner, mode 0600) may do all of this; there is no other check. Who comes by TCP passes `guard`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from router.core.errors import RouterError, StoreError
from router.web import door
from router.web.approvals import operator
from router.web.desk import Ask
from router.web.guard import guard, refused, revealed
from router.web.operations import OPERATIONS
from router.web.page.serving import Page

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from router.sections import AdminSection
    from router.web.desk import Desk
    from router.web.operations import Operation

#: Bytes of a request's body, and seconds that it may take to come.
LARGEST, WITHIN = 4_000_000, 10.0
#: Those who come by TCP: operators, their scrapers and probes, and whoever else can reach the address.
BOUNDS = door.Bounds(in_all=256, per_address=128)
#: Mistakes of one request that are told.
_TOLD = 6


async def answer(desk: Desk, opened: socket.socket) -> None:
    """Answer who connects to the Unix socket, until cancelled."""
    runner = web.AppRunner(application(desk, page=Page(desk, None)), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, opened).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def serve_address(desk: Desk, section: AdminSection, told: Callable[[str], object]) -> None:
    """Serve `admin.listen` until cancelled. `told` hears `host:port`. Raises RouterError where it cannot
    be had, and for a token that is missing or too short."""
    if section.token is not None:
        revealed(section.token)
    host, _, port = section.listen.rpartition(":")
    open_paths = frozenset(one.path for one in OPERATIONS if one.open)
    made = application(desk, door.heeded, guard(section.token, open_paths, desk.refused), page=Page(desk, section.token))

    def crowded(sentence: str) -> None:
        desk.observer.fault("admin", f"`admin.listen` {section.listen}: {sentence}")

    try:
        # What an operator asked for is done, whether they wait for the answer or not.
        async with door.listening(made, host.strip("[]"), int(port), crowded, BOUNDS, cancels=False) as (_, address):
            told(address)
            await asyncio.Event().wait()
    except OSError as error:
        raise RouterError(f"`admin.listen` {section.listen} cannot be had: {error.strerror or error}.") from None


def application(desk: Desk, *guards: Any, page: Page | None = None) -> web.Application:
    """Every operation, openapi.json, and the page."""
    app = web.Application(client_max_size=LARGEST, middlewares=[_as_json, *guards])
    for one in OPERATIONS:
        path = one.path
        for name, pattern in one.where.items():
            path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
        app.router.add_route(one.method, path, _answering(desk, one))

    async def described(_request: web.Request) -> web.Response:
        from router.web import openapi  # noqa: PLC0415 - it defines a hundred types, and few ask for them

        return web.json_response(openapi.document())

    app.router.add_get("/openapi.json", described)
    if page is not None:
        page.add_to(app)
    return app


@web.middleware
async def _as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Errors of the library are told as ours are."""
    try:
        answer: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        made = refused(error.status, error.text or error.reason)
        if "Allow" in error.headers:
            made.headers["Allow"] = error.headers["Allow"]
        return made
    return answer


def _answering(desk: Desk, one: Operation) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            asked = await _asked(request, one)
        except ValidationError as error:
            return refused(400, _sentence(error))
        try:
            status, told = await one.does(desk, Ask(path=dict(request.match_info), given=asked, who=operator(request)))
        except StoreError as error:
            return refused(503, str(error))
        if isinstance(told, bytes):
            return web.Response(status=status, body=told, headers={"Content-Type": METRICS})
        return web.json_response(told, status=status)

    return answer


#: Prometheus's text format.
METRICS = "text/plain; version=0.0.4; charset=utf-8"


async def _asked(request: web.Request, one: Operation) -> Any:
    """What the query or the body says, checked. Raises ValidationError and HTTPException."""
    if one.query is not None:
        if len(set(request.query)) != len(request.query):
            raise web.HTTPBadRequest(text="A parameter is given twice.")
        return one.query.model_validate(dict(request.query))
    if one.body is None:
        return None
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send JSON, as application/json.")
    try:
        async with asyncio.timeout(WITHIN):
            body = await request.read()
        return TypeAdapter(one.body).validate_python(json.loads(body), strict=True)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The body did not come within {WITHIN:g} s.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise
        raise web.HTTPBadRequest(text="The body is not JSON.") from None


def _sentence(error: ValidationError) -> str:
    """Each thing that is wrong, once. Of a body that may be one of several, what each lacks."""
    told = [
        f"{where}: {one['msg']}." if (where := ".".join(map(str, one["loc"]))) else f"{one['msg']}."
        for one in error.errors(include_url=False, include_input=False)
    ]
    return " ".join(dict.fromkeys(told[:_TOLD]))
