"""Sources and rules, and pausing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core.problems import nearest
from router.engine.echo import Echo
from router.engine.pauses import RULE, SOURCE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from router.core.model import Micros
    from router.core.rulebook import Rule
    from router.engine.store.base import Hits, SourceRow
    from router.health import SourceState
    from router.web.desk import Ask, Desk

#: Our own statuses, which are no source to pause.
OWN = Echo.name
#: Ticks of a cursor in a microsecond, for kinds whose cursor is a time.
_TICKS = {"knot": 1000, "jetstream": 1, "schedule": 1}


async def sources(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    return 200, await source_rows(desk)


async def source_rows(desk: Desk) -> Sequence[dict[str, Any]]:
    """Those of router.yaml, then those that run, then those that only the store remembers."""
    kinds = {source.name: source.kind for source in desk.config().sources}
    remembered = {row.name: row for row in await desk.store.sources()}
    states, paused = desk.sources.states, desk.pauses.since(SOURCE)
    now = desk.clock.now()
    return [
        source_row(name, kinds.get(name), states.get(name), remembered.get(name), paused.get(name), now)
        for name in dict.fromkeys((*kinds, *states, *remembered))
    ]


def source_row(
    name: str, kind: str | None, state: SourceState | None, row: SourceRow | None, paused: int | None, now: Micros
) -> dict[str, Any]:
    """One source, from what is known of it."""
    cursor, ticks = row.cursor if row is not None else None, _TICKS.get(kind or _own(name))
    return {
        "name": name,
        "kind": kind,
        "state": state.state if state is not None else "unknown",
        "since": state.since if state is not None else None,
        "sentence": state.sentence if state is not None else "",
        "paused": paused,
        "cursor": cursor,
        "cursor_age": None if cursor is None or ticks is None else max(0.0, (now - cursor // ticks) / 1e6),
        "lag": state.lag / 1e6 if state is not None and state.lag is not None else None,
        "heard": row.updated if row is not None else None,
        "events": row.events if row is not None else 0,
        "bad_frames": row.bad_frames if row is not None else 0,
        "last_bad": row.last_bad if row is not None else "",
        "last_error": state.last_error if state is not None else "",
        "failed": (state.failed or None) if state is not None else None,
        "gaps": state.gaps if state is not None else 0,
        "last_gap": state.last_gap if state is not None else "",
    }


def _own(name: str) -> str:
    """The kind of a source that the spindle opened."""
    return "knot" if name.startswith("knot:") else "jetstream" if name == "spindle:jetstream" else ""


async def rules(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    hits = await desk.store.hits()
    paused = desk.pauses.since(RULE)
    return 200, [rule_row(rule, hits.get(rule.id), paused.get(rule.id)) for rule in desk.rulebook().rules]


def rule_row(rule: Rule, hits: Hits | None, paused: int | None) -> dict[str, Any]:
    """One rule, from what is known of it."""
    return {
        "id": rule.id,
        "name": rule.name,
        "ruleset": rule.ruleset,
        "description": rule.description,
        "mode": str(rule.mode),
        "place": str(rule.place),
        "providers": list(dict.fromkeys(step.provider for step in rule.steps)),
        "hits": hits.count if hits is not None else 0,
        "last": hits.last if hits is not None else None,
        "paused": paused,
    }


async def rulesets(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    """On disk they may have changed since."""
    found = desk.rulebook().rulesets
    return 200, {"rulesets": [{"name": one.name, "file": one.file, "text": one.text} for one in found]}


async def pause_sources(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _pause(desk, ask, SOURCE, {row["name"] for row in await source_rows(desk)} - {OWN})


async def resume_sources(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _change(desk, ask, SOURCE, "resume")


async def pause_rules(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _pause(desk, ask, RULE, desk.rulebook().by_id)


async def resume_rules(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _change(desk, ask, RULE, "resume")


async def _pause(desk: Desk, ask: Ask, kind: str, known: Collection[str]) -> tuple[int, Any]:
    for name in ask.given.names:
        if name not in known:
            return 404, {"error": f"There is no {kind} `{name}`. {nearest(name, known)}".rstrip()}
    return await _change(desk, ask, kind, "pause")


async def _change(desk: Desk, ask: Ask, kind: str, verb: str) -> tuple[int, Any]:
    change = desk.pauses.pause if verb == "pause" else desk.pauses.resume
    changed = [name for name in dict.fromkeys(ask.given.names) if await change(kind, name)]
    desk.observer.operated(verb, kind, changed, ask.who)
    desk.bell.ring()
    return 200, {"changed": changed}
