"""`router events`: what was heard and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, names, show
from router.cli.group import Verbs
from router.cli.opening import config_option, from_store, output_option
from router.core import plan
from router.core.errors import BadInput
from router.web.events import row_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.engine.store.base import EventRow, Store


@click.group(
    cls=Verbs,
    verbs={
        "list": ("router.cli.events:list_", "List recorded events, newest first."),
        "show": ("router.cli.events:show_one", "Show one event, as it was sent and as rules see it."),
    },
)
def events() -> None:
    """What sources heard, as far as `store.record` has it kept."""


@click.command("list")
@click.option("--nsid", default="", help="Only events of this record type.")
@click.option("--repo", metavar="DID", default="", help="Only those of this repo.")
@click.option("--rule", metavar="ID", default="", shell_complete=names.rules, help="Only those that this rule matched.")
@click.option("--matched", is_flag=True, help="Only those that a rule matched.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@config_option
@output_option
def list_(
    nsid: str,
    repo: str,
    rule: str,
    matched: bool,  # noqa: FBT001 - click passes flags by name
    limit: int,
    config_file: Path | None,
    output: str,
) -> int:
    """List recorded events, newest first. Their numbers are what `show` and `explain --event-id` take."""
    settings = config.load(config_file, with_plugins=False)
    rows = from_store(settings, lambda store: store.events(nsid=nsid, repo=repo, rule=rule, matched=matched, limit=limit))
    if output == "json":
        show.as_json([row_tree(row) for row in rows])
    else:
        show.table(("NUMBER", "HEARD", "SOURCE", "NSID", "REF", "RULES", "DELIVERIES"), [_cells(row) for row in rows])
    return FINE


@click.command("show")
@click.argument("number", metavar="NUMBER", shell_complete=names.events)
@config_option
@output_option
def show_one(number: str, config_file: Path | None, output: str) -> int:
    """Show one event: its record as sent, the fields that rules see, and the deliveries that it led to.

    Takes its number, its id, or the id of one of its deliveries.
    """
    settings = config.load(config_file, with_plugins=False)
    row, led = from_store(settings, lambda store: _found(store, number))
    if row is None:
        raise BadInput(f"The store has no event {number}: `router events list` shows which there are.")
    if output == "json":
        show.as_json({**row_tree(row), "led_to": led})
    else:
        show.tree({**row_tree(row), "heard": show.moment(row.heard), "led_to": led})
    return FINE


async def _found(store: Store, name: str) -> tuple[EventRow | None, list[dict[str, Any]]]:
    """The event, and each of its deliveries in a few words."""
    row = await store.event(name)
    if row is None and (delivery := await store.delivery(name)) is not None:
        row = await store.event(str(delivery.event))
    if row is None:
        return None, []
    rows = await store.deliveries(event=row.number, limit=plan.MAX_DELIVERIES)
    named = ("id", "rule", "provider", "state", "status", "reason")
    return row, [{key: str(getattr(one, key)) for key in named if getattr(one, key)} for one in reversed(rows)]


def _cells(row: EventRow) -> Sequence[object]:
    event = row.event
    rules = ", ".join(row.matched) or ("undecided" if row.undecided else "none")
    ref = event.fields.get("ref", "")
    return (row.number, show.moment(row.heard), event.source, event.nsid, ref, rules, row.deliveries)
