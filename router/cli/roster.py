"""`router roster`: who and what is ours, and why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, show
from router.cli.opening import config_option, from_store, output_option
from router.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from router.engine.store.base import Store
    from router.sections import SpindleSection
    from router.spindle.roster import Roster

#: Seconds of refusals that are counted.
LATELY = 86_400


@click.command
@config_option
@output_option
def roster(config_file: Path | None, output: str) -> int:
    """List the repos that name this spindle, their knots, its members and the repos' collaborators, and why each is there."""
    settings = config.load(config_file)
    spindle = settings.spindle
    if spindle is None:
        raise BadInput("This router is no spindle: router.yaml has no `spindle`, with a `hostname` and an `owner`.")
    since = (time.time_ns() // 1000) - LATELY * 1_000_000

    async def read(store: Store) -> tuple[Roster, Mapping[str, int]]:
        return await _loaded(spindle, store), await store.refused(since)

    if not settings.store_path.exists():
        raise BadInput(f"There is no store {settings.store_path}: the router has not run yet.")
    found, refused = from_store(settings, read)
    rows = _rows(found)
    if output == "json":
        show.as_json({"roster": rows, "refused": dict(refused)})
        return FINE
    show.table(("WHAT", "WHO", "WHERE", "WHY"), [tuple(row.values()) for row in rows])
    for sentence, events in refused.items():
        click.echo(f"refused in the last 24 h: {events} times: {show.plain(sentence)}")
    return FINE


async def _loaded(spindle: SpindleSection, store: Store) -> Roster:
    from router.spindle.roster import Roster  # noqa: PLC0415 - only this verb needs it
    from router.spindle.verify import Unasked  # noqa: PLC0415 - as above

    made = Roster(spindle.hostname, spindle.owner, Unasked(), dev=spindle.dev)
    await made.load(store)
    return made


def _rows(roster: Roster) -> list[dict[str, Any]]:
    def row(what: str, who: str, where: str, why: str) -> dict[str, Any]:
        return {"what": what, "who": who, "where": where, "why": why}

    rows = [row("owner", roster.owner, "", "router.yaml")]
    for did in sorted(roster.members - {roster.owner}):
        away = f", but the account is {roster.inactive[did]}" if did in roster.inactive else ""
        rows.append(row("member", did, "", f"a record of the owner{away}"))
    for repo in sorted(roster.repos, key=lambda one: one.id):
        objection = roster.objection(repo)
        why = f"does not count: {objection}" if objection else "its record names us"
        rows.append(row("repo", f"{repo.id} ({repo.owner}/{repo.name})" if repo.did else repo.id, repo.knot, why))
        people = sorted(roster.collaborators(repo.id))
        rows += [row("collaborator", did, repo.id, roster.invited(repo, did)) for did in people]
    for knot in sorted(roster.knots):
        count = sum(repo.knot == knot and not roster.objection(repo) for repo in roster.repos)
        rows.append(row("knot", knot, "", f"{count} {'repo' if count == 1 else 'repos'} of ours"))
    return rows
