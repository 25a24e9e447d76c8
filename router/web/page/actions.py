"""What the page's buttons do: the API's own operations, and what came of them as a word and a number in the next address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from router.engine.pauses import SOURCE
from router.web import approvals as deciding
from router.web import deliveries as outbox
from router.web import listed, shapes
from router.web.desk import Ask, Desk

if TYPE_CHECKING:
    from router.web.operations import Doing

Acting = Callable[[Desk, Any, str], Awaitable[dict[str, Any]]]
_DONE = {
    "retry": "{} to be made once more.",
    "discard": "{} discarded.",
    "approve": "{} approved.",
    "deny": "{} denied.",
    "pause": "{} paused.",
    "resume": "{} resumed.",
}


def said(query: Mapping[str, str]) -> str:
    """What was done, by the words that we know: an address that somebody made up says nothing of its own."""
    form, count, refused = _DONE.get(query.get("done", "")), query.get("count", ""), query.get("not", "")
    if form is None or not (count.isdecimal() and len(count) < 7):
        return ""
    told = form.format(int(count))
    return f"{told} {int(refused)} could not be." if refused.isdecimal() and len(refused) < 7 and int(refused) else told


async def retry(desk: Desk, form: Any, who: str) -> dict[str, Any]:
    return await _does(desk, outbox.retry, "retry", shapes.DeliveriesNamed, {"ids": form.getall("id", [])}, who)


async def discard(desk: Desk, form: Any, who: str) -> dict[str, Any]:
    return await _does(desk, outbox.discard, "discard", shapes.DeliveriesNamed, {"ids": form.getall("id", [])}, who)


async def approve(desk: Desk, form: Any, who: str) -> dict[str, Any]:
    return await _does(desk, deciding.approve, "approve", shapes.EventsMeant, {"events": form.getall("event", [])}, who)


async def deny(desk: Desk, form: Any, who: str) -> dict[str, Any]:
    return await _does(desk, deciding.deny, "deny", shapes.EventsMeant, {"events": form.getall("event", [])}, who)


def pausing(kind: str, verb: str) -> Acting:
    """Pause or resume sources or rules."""
    of = listed.pause_sources, listed.resume_sources
    if kind != SOURCE:
        of = listed.pause_rules, listed.resume_rules
    does = of[verb == "resume"]

    async def act(desk: Desk, form: Any, who: str) -> dict[str, Any]:
        return await _does(desk, does, verb, shapes.NamesMeant, {"names": form.getall("name", [])}, who)

    return act


async def _does(
    desk: Desk, does: Doing, verb: str, model: type[BaseModel], given: dict[str, list[str]], who: str
) -> dict[str, Any]:
    (names,) = given.values()
    if not names:
        raise web.HTTPBadRequest(text="Nothing was chosen.")
    try:
        asked = TypeAdapter(model).validate_python(given)
    except ValidationError:
        raise web.HTTPBadRequest(text="The form names something that there cannot be, or too much at once.") from None
    status, told = await does(desk, Ask(path={}, given=asked, who=who))
    if status != 200:
        raise web.HTTPNotFound(text=str(told.get("error", "That could not be done.")))
    return {"done": verb, "count": len(told["changed"]), "not": len(set(names)) - len(told["changed"])}
