"""`router approvals` and `router approve`: pull requests of strangers, and who lets them run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINDINGS, FINE, names, show
from router.cli.asking import ask
from router.cli.opening import config_option, from_store, output_option
from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.engine.store.base import EventRow


@click.command
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@config_option
@output_option
def approvals(limit: int, config_file: Path | None, output: str) -> int:
    """List the events that wait for approval, newest first: pull requests of strangers, and those from forks."""
    from router.engine.approvals import MARK  # noqa: PLC0415 - only where there is a store

    settings = config.load(config_file, with_plugins=False)
    rows = from_store(settings, lambda store: store.waiting(MARK, limit))
    if output == "json":
        show.as_json([_tree(row) for row in rows])
    else:
        headings = ("NUMBER", "HEARD", "REPO", "PULL REQUEST", "BY", "TRUST", "COMMIT", "FORK")
        show.table(headings, [_cells(row) for row in rows])
    return FINE


def _tree(row: EventRow) -> dict[str, Any]:
    fields = row.event.fields
    named = ("repo", "pull", "actor", "trust", "sha", "branch", "target_branch", "source_repo")
    return {"number": row.number, "id": row.event.id, "heard": row.heard} | {name: fields.get(name) for name in named}


def _cells(row: EventRow) -> Sequence[object]:
    fields = row.event.fields
    repo = fields.get("repo") or {}
    named = f"{repo.get('owner', '')}/{repo.get('name', '')}" if repo.get("name") else repo.get("did", "")
    about = (fields.get(name, "") for name in ("pull", "actor", "trust", "sha", "source_repo"))
    return (row.number, show.moment(row.heard), named, *about)


@click.command
@click.argument("events", nargs=-1, required=True, metavar="NUMBER...", shell_complete=names.waiting)
@click.option("--deny", is_flag=True, help="Let them never run.")
@config_option
@output_option
def approve(events: Sequence[str], deny: bool, config_file: Path | None, output: str) -> int:  # noqa: FBT001
    """Let events run that wait for approval, by the numbers that `router approvals` shows. The router must be running.

    Each runs once. It is trusted no more than before: it gets no secrets of the repo, and runs nothing on this machine
    where the rule has no `allow_untrusted: true`.
    """
    settings = config.load(config_file, with_plugins=False)
    said = ask(settings, "POST", f"/api/v1/events/{'deny' if deny else 'approve'}", {"events": list(events)})
    if said is None:
        raise RouterError(f"No router runs on {settings.store_path}: approving takes one, to make the run.")
    if output == "json":
        show.as_json(said)
    else:
        for name in said["changed"]:
            show.line(f"{name} {'is denied' if deny else 'runs'}.")
        for name, why in said["refused"].items():
            show.line(f"{name}: {why}", err=True)
    return FINDINGS if said["refused"] else FINE
