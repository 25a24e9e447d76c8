"""What the fuzzer tries, by name: each takes any bytes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from aiohttp.test_utils import make_mocked_request

from router.core import frame
from router.core.errors import BadFrame, RouterError
from router.spindle.xrpc import Methods
from tests.fuzz import properties
from tests.fuzz.parsers import ends_tell_the_truth, keeps_to_it, walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEADERS = ("x-buildkite-token", "x-buildkite-signature", "x-buildkite-event")
_MODES = ("any", "token", "signature")


def frames(data: bytes) -> None:
    keeps_to_it(data)
    ends_tell_the_truth(data)
    walked([data[: len(data) // 2], data[len(data) // 2 :]])


def rule_files(data: bytes) -> None:
    properties.rule_file(_text(data))


def workflow_files(data: bytes) -> None:
    properties.workflow_file(_text(data))


def webhooks(data: bytes) -> None:
    """The first line is a header's value, the rest the body: of nobody, and of Buildkite."""
    first, _, body = data.partition(b"\n")
    for name in _HEADERS:
        properties.nobodys_webhook({name: _text(first)}, body, _MODES[len(data) % 3])
    properties.buildkites_webhook(body)


def tokens(data: bytes) -> None:
    """As the header of a request; and its lines as a head and claims that are signed by somebody whom we know."""
    properties.refused_token(_text(data))
    head, _, claims = data.partition(b"\n")
    properties.refused_token(f"Bearer {properties.signed_token(head, claims)}")


def calls(data: bytes) -> None:
    """As the query of each question that anybody may ask, and as a trigger."""
    query = quote_from_bytes(data, safe="=&+%;:/?,")
    for path, ask in _QUESTIONS.items():
        _LOOP.run_until_complete(_asked(f"{path}?{query}", ask))
    with suppress(BadFrame):
        properties.trigger(frame.tree(data))


async def _asked(path: str, ask: Callable[[Any], Any]) -> None:
    """Answered, or refused as XRPC does: never a 5xx, by which appviews show nothing."""
    response = await ask(make_mocked_request("GET", path))
    told = json.loads(response.text)
    assert response.status == 200 or (400 <= response.status < 500 and set(told) == {"error", "message"})


class _Nobody:
    """A roster without a repo, and a store without a pipeline; they are asked for what a column and a lexicon can hold."""

    async def rightful(self, _did: str) -> None:
        return None

    def repo_by_record(self, _uri: str) -> None:
        return None

    async def fork(self, did: str) -> None:
        raise RouterError(f"It cannot be told whose repo {did} is.")

    async def pipelines(self, repo: str, *, before: int | None, limit: int, **_more: Any) -> tuple[list[Any], int]:
        assert repo
        assert 0 < limit <= 250
        assert before is None or before >= 0
        return [], 0

    async def pipeline(self, name: str, _knot: str = "") -> None:
        assert len(name) == 13


_METHODS = Methods(SimpleNamespace(store=_Nobody(), roster=_Nobody()))  # type: ignore[arg-type]
_LOOP = asyncio.new_event_loop()
_QUESTIONS = {route.path: route.handler for route in _METHODS.routes() if route.method == "GET" and ".ci." in route.path}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "frames": frames,
    "rules": rule_files,
    "workflows": workflow_files,
    "webhooks": webhooks,
    "tokens": tokens,
    "calls": calls,
}
