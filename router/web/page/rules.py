"""*Rules*: those in force, what each has matched, and the text that they were read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from router.engine.pauses import RULE
from router.web.listed import rule_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.rulebook import Rule
    from router.web.desk import Desk


async def look(desk: Desk, _path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    hits, paused, book = await desk.store.hits(), desk.pauses.since(RULE), desk.rulebook()
    rows = [rule_row(rule, hits.get(rule.id), paused.get(rule.id)) for rule in book.rules]
    last = desk.reload.last if desk.reload is not None else None
    return {
        "rows": rows,
        "never": [row["id"] for row in rows if not row["hits"]],
        "refused": last.tree() if last is not None and not last.ok else None,
    }


async def look_at(desk: Desk, path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    book = desk.rulebook()
    rule = book.by_id.get(path["id"])
    if rule is None:
        raise web.HTTPNotFound(text=f"There is no rule {path['id']}.")
    hits = await desk.store.hits()
    text = next((one.text for one in book.rulesets if one.name == rule.ruleset), "")
    return {
        "row": rule_row(rule, hits.get(rule.id), desk.pauses.since(RULE).get(rule.id)),
        "file": rule.place.file,
        "lines": source(text, *lines_of(rule, book.rules)),
    }


def lines_of(rule: Rule, others: Sequence[Rule]) -> tuple[int, int]:
    """The first line of a rule, and the first that is not its any more: that of the next in its file, 0 at the end."""
    after = [one.place.line for one in others if one.place.file == rule.place.file and one.place.line > rule.place.line]
    return rule.place.line, min(after, default=0)


def source(text: str, first: int, end: int) -> list[dict[str, Any]]:
    """Lines with their numbers, and which of them are the rule's."""
    return [
        {"number": number, "text": line, "ours": number >= first and (not end or number < end)}
        for number, line in enumerate(text.splitlines(), start=1)
    ]
