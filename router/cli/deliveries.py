"""`router deliveries`: the outbox, as people see it and change it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINDINGS, FINE, names, show
from router.cli.asking import ask, change
from router.cli.group import Verbs
from router.cli.opening import config_option, from_store, output_option
from router.core.errors import BadInput, RouterError
from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.config import Config
    from router.engine.store.base import DeliveryRow, Store

_HERE = "router.cli.deliveries"
#: How much of an id is shown in lists, and is enough to name a delivery.
_SHORT = 12


@click.group(
    cls=Verbs,
    verbs={
        "list": (f"{_HERE}:list_", "List deliveries, newest first."),
        "show": (f"{_HERE}:show_one", "Show one delivery with its attempts and statuses."),
        "retry": (f"{_HERE}:retry", "Make dead, discarded or waiting deliveries once more, now."),
        "discard": (f"{_HERE}:discard", "Never make these deliveries."),
        "destinations": (f"{_HERE}:destinations", "Show where deliveries go, and what is shut there."),
    },
)
def deliveries() -> None:
    """What rules asked for, and what became of it."""


@click.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@click.option("--rule", metavar="ID", default="", shell_complete=names.rules, help="Only those of this rule.")
@click.option("--repo", metavar="DID", default="", help="Only those of this repo.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@config_option
@output_option
def list_(state: str | None, rule: str, repo: str, limit: int, config_file: Path | None, output: str) -> int:
    """List deliveries, newest first."""
    wanted = State(state) if state else None
    settings = config.load(config_file, with_plugins=False)
    rows = from_store(settings, lambda store: store.deliveries(state=wanted, rule=rule, repo=repo, limit=limit))
    if output == "json":
        show.as_json([asdict(row) for row in rows])
    else:
        headings = ("ID", "STATE", "RULE", "PROVIDER", "REPO", "STATUS", "ATTEMPTS", "CREATED", "REASON")
        show.table(headings, [_cells(row) for row in rows])
    return FINE


def _cells(row: DeliveryRow) -> Sequence[object]:
    made = show.moment(row.created)
    return (row.id[:_SHORT], row.state, row.rule, row.provider, row.repo, row.status, row.attempt, made, row.reason)


@click.command("show")
@click.argument("delivery_id", metavar="ID", shell_complete=names.deliveries)
@config_option
@output_option
def show_one(delivery_id: str, config_file: Path | None, output: str) -> int:
    """Show one delivery: its options, receipt, attempts and statuses. The beginning of its ID will do."""
    settings = config.load(config_file, with_plugins=False)
    row = from_store(settings, lambda store: store.delivery(delivery_id))
    if row is None:
        raise BadInput(f"There is no delivery `{delivery_id}`, or several begin so: `router deliveries list` shows them.")
    if output == "json":
        show.as_json(asdict(row))
        return FINE
    tree = asdict(row)
    for key in ("created", "updated", "due"):
        tree[key] = show.moment(tree[key])
    show.tree({key: value for key, value in tree.items() if value not in (None, "", [], ())})
    return FINE


def _changing(command: Any) -> Any:
    """The arguments that `retry` and `discard` share."""
    for add in (
        output_option,
        config_option,
        click.option("--all", "everything", is_flag=True, help="With --state: all of them."),
        click.option(
            "--since", metavar="WHEN", default="", help="With --state: since then, like 2h (ago) or 2026-11-30T08:00Z."
        ),
        click.option("--repo", metavar="DID", default="", help="With --state: those of this repo."),
        click.option("--provider", metavar="NAME", default="", help="With --state: those of this provider."),
        click.option("--rule", metavar="ID", default="", help="With --state: those of this rule."),
        click.option(
            "--state", type=click.Choice([State.DEAD.value]), help="Those in this state: --all, or some by the options below."
        ),
        click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=names.deliveries),
    ):
        command = add(command)
    return command


@click.command
@_changing
def retry(ids: Sequence[str], config_file: Path | None, output: str, **chosen: Any) -> int:
    """Make these deliveries again, at once, their attempts counted anew: dead, discarded or waiting ones.

    One that may have happened is looked up first. Works beside a running router, and without one.
    """
    return _change("retry", ids, chosen, file=config_file, output=output)


@click.command
@_changing
def discard(ids: Sequence[str], config_file: Path | None, output: str, **chosen: Any) -> int:
    """Give these deliveries up: they are kept, and never made."""
    return _change("discard", ids, chosen, file=config_file, output=output)


@click.command
@config_option
@output_option
def destinations(config_file: Path | None, output: str) -> int:
    """Show where deliveries went since the router started: free requests, failures in a row, what is shut and until when."""
    settings = config.load(config_file, with_plugins=False)
    rows = ask(settings, "GET", "/api/v1/destinations")
    if rows is None:
        raise RouterError(f"No router runs on the store {settings.store_path}: destinations are known while it does.")
    if output == "json":
        show.as_json(rows)
        return FINE
    headings = ("DESTINATION", "STATE", "UNTIL", "SLOTS", "REQUESTS LEFT", "FAILURES", "REASON")
    cells = [
        (
            row["name"],
            row["state"],
            show.moment(row["until"]) if row.get("until") else "",
            *("" if row.get(key) is None else row[key] for key in ("slots", "requests_left", "failures", "reason")),
        )
        for row in rows
    ]
    show.table(headings, cells)
    return FINE


def _change(verb: str, ids: Sequence[str], chosen: dict[str, Any], *, file: Path | None, output: str) -> int:
    filters = {key: chosen[key] for key in ("rule", "provider", "repo") if chosen[key]}
    state, since = chosen["state"], _since(chosen["since"])
    if bool(ids) == bool(state) or bool(state) != bool(chosen["everything"] or filters or since):
        raise click.UsageError(
            "Name deliveries by their IDs, or dead ones by --state dead with --all, --rule, --since and so on."
        )
    settings = config.load(file, with_plugins=False)
    whole = [_whole_id(settings, one) for one in ids]
    body: dict[str, Any] = {"ids": whole} if ids else {"state": state, **filters, "since": since}
    changed = change(settings, f"/api/v1/deliveries/{verb}", body, partial(_directly, verb, body))
    if output == "json":
        show.as_json({"changed": changed})
    else:
        for one in changed:
            show.line(one)
        for one in (one for one in whole if one not in changed):
            show.line(f"{one} cannot be changed: it is done, under way, or could never be rendered.", err=True)
        show.line(f"{show.counted(len(changed), 'delivery', 'deliveries')} to {verb}.", err=True)
    return FINDINGS if set(whole) - set(changed) else FINE


def _since(text: str) -> int:
    """Microseconds of a moment, or of so long ago; 0 where nothing is said."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as below

    from router.core import durations  # noqa: PLC0415 - only here
    from router.host import SystemClock  # noqa: PLC0415 - as above

    if not text:
        return 0
    try:
        return max(1, SystemClock().now() - round(durations.seconds(text) * 1_000_000))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError("--since is a duration, like 2h, or a moment, like 2026-11-30T08:00Z.") from None
    return max(1, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000))


def _whole_id(settings: Config, beginning: str) -> str:
    row = from_store(settings, lambda store: store.delivery(beginning))
    if row is None:
        raise BadInput(f"There is no delivery `{beginning}`, or several begin so: `router deliveries list` shows them.")
    return row.id


async def _directly(verb: str, body: dict[str, Any], store: Store, now: int) -> Sequence[str]:
    from router.web.deliveries import BY_WHOM, chosen  # noqa: PLC0415 - only where no router runs

    ids = body.get("ids") or await chosen(store, body)
    if verb == "retry":
        return await store.retry(ids, now)
    return await store.discard(ids, BY_WHOM, now)
