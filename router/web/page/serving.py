"""The page's addresses. Everything here is for people: errors are pages too, and no answer of ours may be framed, kept or run
anything that is not a file of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import ValidationError

from router.core.errors import RouterError, StoreError
from router.engine.pauses import RULE, SOURCE
from router.web import guard
from router.web.approvals import operator
from router.web.page import actions, approvals, deliveries, events, now, pipelines, rules
from router.web.page.drawing import draw, static
from router.web.page.stream import Streams
from router.web.page.visitors import COOKIE, LASTS, Visitors, secure, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from router.secret import Secret
    from router.web.desk import Desk

    Looking = Callable[[Desk, Mapping[str, str], Mapping[str, str]], Awaitable[dict[str, Any]]]

#: What begins the name of each route of the page, so that the API's guard leaves it to us.
NAME = "page"
#: Seconds that a form may take to come.
WITHIN = 10.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer a browser says Origin: null, and we could not tell our own forms from another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "LICENSE": "text/plain"}
#: Path, template, the tab that it belongs to, and what makes its model.
TABS: tuple[tuple[str, str, str, Looking], ...] = (
    ("/", "now.html", "now", now.look),
    ("/events", "events.html", "events", events.look),
    ("/events/{number:[0-9]{1,18}}", "event.html", "events", events.look_at),
    ("/deliveries", "deliveries.html", "deliveries", deliveries.look),
    ("/deliveries/{id:[0-9a-f]{6,64}}", "delivery.html", "deliveries", deliveries.look_at),
    ("/rules", "rules.html", "rules", rules.look),
    ("/rules/{id:.+}", "rule.html", "rules", rules.look_at),
    ("/pipelines", "pipelines.html", "pipelines", pipelines.look),
    ("/pipelines/{id:[0-9a-z]{1,64}}", "pipeline.html", "pipelines", pipelines.look_at),
    ("/pipelines/{id:[0-9a-z]{1,64}}/log", "log.html", "pipelines", pipelines.look_at_log),
    ("/approvals", "approvals.html", "approvals", approvals.look),
)
ACTIONS: dict[str, actions.Acting] = {
    "/deliveries/retry": actions.retry,
    "/deliveries/discard": actions.discard,
    "/approvals/approve": actions.approve,
    "/approvals/deny": actions.deny,
    "/sources/pause": actions.pausing(SOURCE, "pause"),
    "/sources/resume": actions.pausing(SOURCE, "resume"),
    "/rules/pause": actions.pausing(RULE, "pause"),
    "/rules/resume": actions.pausing(RULE, "resume"),
}


class Page:
    """For one listener: `token` is what it asks of its visitors."""

    def __init__(self, desk: Desk, token: Secret | None) -> None:
        self.desk = desk
        self.visitors = Visitors(token, desk.clock)
        self.streams = Streams(desk)

    def add_to(self, app: web.Application) -> None:
        def add(method: str, path: str, does: Callable[[web.Request], Awaitable[web.StreamResponse]], **how: bool) -> None:
            app.router.add_route(method, path, self._guarded(does, **how), name=f"{NAME}.r{len(app.router.named_resources())}")

        for path, does in ACTIONS.items():
            add("POST", path, self._acting(does))
        for path, template, tab, look in TABS:
            add("GET", path, self._showing(template, tab, look))
        add("GET", "/live", self.streams.serve)
        add("GET", "/login", self._ask_login, open_=True)
        add("POST", "/login", self._login, open_=True)
        add("POST", "/logout", self._logout)
        add("GET", "/static/{name}", _file, open_=True)
        app.on_shutdown.append(self.streams.end)

    # --- who may

    def _guarded(
        self, does: Callable[[web.Request], Awaitable[web.StreamResponse]], *, open_: bool = False
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            made = await self._answer(request, does, open_=open_)
            if not made.prepared:
                for name, value in HEADERS.items():
                    made.headers.setdefault(name, value)
            return made

        return answer

    async def _answer(
        self, request: web.Request, does: Callable[[web.Request], Awaitable[web.StreamResponse]], *, open_: bool
    ) -> web.StreamResponse:
        if why := guard.strange(request, by_name=self.visitors.token is None, may_come=True):
            self.desk.refused(403)
            return self._error(request, 403, why, bare=True)
        if not open_ and not self.visitors.admits(request):
            self.desk.refused(401)
            back = request.path_qs if request.method == "GET" else "/"
            return web.Response(status=303, headers={"Location": "/login?" + urlencode({"back": within(back)})})
        try:
            return await does(request)
        except web.HTTPException as error:
            return self._error(request, error.status, error.text or error.reason)
        except StoreError as error:
            return self._error(request, 503, str(error))
        except ValidationError:
            return self._error(request, 400, "The address asks for something that there cannot be.")

    # --- what is shown

    def _showing(self, template: str, tab: str, look: Looking) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def show(request: web.Request) -> web.StreamResponse:
            model = await look(self.desk, request.match_info, request.query)
            return self._drawn(request, template, {"tab": tab, **model})

        return show

    def _drawn(self, request: web.Request, template: str, model: Mapping[str, Any], status: int = 200) -> web.Response:
        common = {
            "here": within(request.path_qs),
            "now": self.desk.clock.now(),
            "said": actions.said(request.query),
            "word": self.visitors.word(request),
            "can_log_out": self.visitors.token is not None,
            "bare": False,
        }
        text = draw(template, common | dict(model))
        return web.Response(status=status, text=text, content_type="text/html", charset="utf-8")

    def _error(self, request: web.Request, status: int, why: str, *, bare: bool = False) -> web.Response:
        return self._drawn(request, "error.html", {"tab": "", "status": status, "why": why, "bare": bare}, status)

    # --- what is done

    def _acting(self, act: actions.Acting) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            form = await self._form(request)
            try:
                told = await act(self.desk, form, operator(request))
            except RouterError as error:
                return self._error(request, 409, str(error))
            back, _, query = within(str(form.get("back", "/"))).partition("?")
            kept = [part for part in query.split("&") if part and not part.startswith(("done=", "count=", "not="))]
            return web.Response(status=303, headers={"Location": f"{back}?{'&'.join((*kept, urlencode(told)))}"})

        return answer

    async def _form(self, request: web.Request) -> Any:
        """Raises HTTPForbidden for a form that is not of ours."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType(text="Send one of the page's own forms.")
        try:
            async with asyncio.timeout(WITHIN):
                form = await request.post()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text=f"The form did not come within {WITHIN:g} s.") from None
        if not self.visitors.ours(request, str(form.get("word", ""))):
            self.desk.refused(403)
            raise web.HTTPForbidden(text="This form is old, or another site's. Go back, reload the page, and try again.")
        return form

    # --- logging in

    async def _ask_login(self, request: web.Request) -> web.StreamResponse:
        if self.visitors.admits(request):
            return web.Response(status=303, headers={"Location": within(request.query.get("back", "/"))})
        return self._login_page(request, request.query.get("back", "/"))

    def _login_page(self, request: web.Request, back: str, wrong: str = "", status: int = 200) -> web.Response:
        model = {"tab": "", "bare": True, "back": within(back), "wrong": wrong}
        return self._drawn(request, "login.html", model, status)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        form = await self._form(request)
        back = str(form.get("back", "/"))
        try:
            name = self.visitors.login(str(form.get("token", "")).strip())
        except RouterError as error:
            return self._login_page(request, back, str(error), 503)
        if not name:
            self.desk.refused(401)
            return self._login_page(request, back, "That is not the token of `admin.token`.", 401)
        made = web.Response(status=303, headers={"Location": within(back)})
        made.set_cookie(
            COOKIE, name, max_age=LASTS // 1_000_000, httponly=True, samesite="Strict", secure=secure(request), path="/"
        )
        return made

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        await self._form(request)
        self.visitors.logout(request)
        made = web.Response(status=303, headers={"Location": "/login"})
        made.del_cookie(COOKIE, path="/")
        return made


async def _file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    body = static(name)
    if body is None:
        raise web.HTTPNotFound(text="There is no such file.")
    kind = _KINDS.get(name.rpartition(".")[2], "application/octet-stream")
    return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "max-age=300"})
