"""A receiver of webhooks that keeps what it gets and checks the signature by Standard Webhooks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from router.demo.server import Server, hang_up

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook whose signature was right. `id` stays the same when it is sent again."""

    id: str
    method: str
    path: str
    body: str


@dataclass
class Sink(Server):
    """Answers 204 to what is signed with `secret`, 401 to what is not; `answers` are the statuses of the next requests, with
    `retry_after` in seconds. Of the next requests `drop_after` are taken and `drop_before` are not, and the connection is cut.
    """

    secret: str = ""
    answers: deque[int] = field(default_factory=deque)
    retry_after: str = ""
    drop_before: int = 0
    drop_after: int = 0
    received: list[Received] = field(default_factory=list)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.route("*", "/{path:.*}", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        if self.answers and (status := self.answers.popleft()) != 204:
            return web.Response(status=status, headers={"Retry-After": self.retry_after} if self.retry_after else None)
        if self.drop_before:
            self.drop_before -= 1
            return hang_up(request)
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            return web.Response(status=401)
        self.received.append(Received(request.headers["webhook-id"], request.method, request.path, body.decode()))
        if self.drop_after:
            self.drop_after -= 1
            return hang_up(request)
        return web.Response(status=204)
