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


#: Rules on a page, and lines that are shown before and after a rule.
LIMIT, AROUND = 500, 200


async def look(desk: Desk, _path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    hits, paused, book = await desk.store.hits(), desk.pauses.since(RULE), desk.rulebook()
    find, never = query.get("find", "").strip()[:200], query.get("never") == "true"
    wanted = [rule for rule in book.rules if find.lower() in rule.id.lower() and not (never and rule.id in hits)]
    last = desk.reload.last if desk.reload is not None else None
    return {
        "rows": [rule_row(rule, hits.get(rule.id), paused.get(rule.id)) for rule in wanted[:LIMIT]],
        "find": find,
        "never": never,
        "filtered": bool(find or never),
        "found": len(wanted),
        "unmatched": sum(rule.id not in hits for rule in book.rules),
        "all": len(book.rules),
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
    """Lines with their numbers, and which of them are the rule's: those near it."""
    lines = text.splitlines()
    end = end or len(lines) + 1
    shown = range(max(1, first - AROUND), min(len(lines), end + AROUND) + 1)
    return [{"number": number, "text": lines[number - 1], "ours": first <= number < end} for number in shown]
