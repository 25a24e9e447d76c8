"""`router explain`: an event against the rules, rule by rule, and then what would be done."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router import library
from router.cli import FINE, show
from router.cli.opening import config_option, from_store, output_option, rulebook
from router.core.errors import BadInput
from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.config import Config
    from router.core.conditions import Verdict
    from router.core.match import RuleVerdict
    from router.core.model import Delivery, Event, Plan, Tree
    from router.engine.store.base import EventRow, Store


@click.command
@click.argument("arguments", nargs=-1, metavar="EVENT [RULES]...")
@click.option("--event-id", metavar="N", help="A recorded event, by its number or id, in place of EVENT.")
@click.option("--all", "everything", is_flag=True, help="Show every condition, not only the first that fails.")
@config_option
@output_option
def explain(
    arguments: Sequence[str],
    event_id: str | None,
    everything: bool,  # noqa: FBT001 - click passes flags by name
    config_file: Path | None,
    output: str,
) -> int:
    """Say for each rule that it matches EVENT, or which condition fails on which value; then show the rendered actions.

    EVENT is a JSON file, or - for stdin. RULES are folders and files; without them, what the configuration lists.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.core import match, plan  # noqa: PLC0415 - as above

    settings = config.load(config_file, with_plugins=False)
    event, paths, known = _event(arguments, event_id, settings)
    book = rulebook(library.on_command_line(paths) if paths else settings.rules)
    identities = {**known, **settings.identity.pins}
    verdicts = match.explain(event, book, identities)
    made = plan.plan(event, book, identities)
    if output == "json":
        show.as_json(_tree(event, verdicts, made))
    else:
        _print(event, verdicts, everything=everything)
        _print_plan(made)
    return FINE


def _event(
    arguments: Sequence[str], event_id: str | None, settings: Config
) -> tuple[Event, Sequence[str], Mapping[str, str | None]]:
    """The event, the RULES, and which handles the store knows."""
    if event_id is not None:
        event, known = _recorded(event_id, settings)
        return event, arguments, known
    if not arguments:
        raise click.UsageError("Name an EVENT: a JSON file, - for stdin, or --event-id N for a recorded one.")
    return _from_file(arguments[0]), arguments[1:], {}


def _from_file(name: str) -> Event:
    from router.core import envelope  # noqa: PLC0415 - verbs import what they use

    try:
        raw = json.loads(sys.stdin.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise BadInput(f"The event file {name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not JSON: {error}.") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{name} holds no JSON object, and an event is one.")
    return envelope.event_from(raw)


def _recorded(event_id: str, settings: Config) -> tuple[Event, Mapping[str, str | None]]:
    async def look(store: Store) -> tuple[EventRow | None, Mapping[str, Any]]:
        return await store.event(event_id), await store.facts("handle")

    row, handles = from_store(settings, look)
    if row is None:
        raise BadInput(f"The store has no event {event_id}: `router events list` shows which there are.")
    return row.event, handles


def _print(event: Event, verdicts: Sequence[RuleVerdict], *, everything: bool) -> None:
    about = event.fields.get("branch") or event.fields.get("tag") or event.fields.get("ref") or ""
    show.line(f"{event.nsid} from {event.source}{', ' + str(about) if about else ''}")
    show.line()
    for found in verdicts:
        if found.matched:
            show.line(f"matches    {found.rule.name}", fg="green")
        else:
            show.line(f"no         {found.rule.name}")
            _print_reason(found)
        if everything:
            for leaf in found.verdict.leaves():
                show.line(f"             {_word(leaf)} {leaf.text}{_seen(leaf)}")


def _print_reason(found: RuleVerdict) -> None:
    failed = found.verdict.failed()
    if failed is not None:
        show.line(f"             {failed.text}{_seen(failed)}")
        show.line(f"             {failed.place}")
    if found.note:
        show.line(f"             {found.note}")


def _word(verdict: Verdict) -> str:
    return {True: "yes", False: "no ", None: "?  "}[verdict.held]


def _seen(verdict: Verdict) -> str:
    if verdict.error:
        return f"  cannot be evaluated: {verdict.error}"
    return f"  is {verdict.saw}" if verdict.saw else ""


def _print_plan(made: Plan) -> None:
    show.line()
    for trouble in made.troubles:
        show.line(f"undecided  {trouble.rule}: {trouble.sentence}", fg="yellow")
    for delivery in made.deliveries:
        state = (
            "" if delivery.state is State.READY else f" ({delivery.state}{': ' if delivery.reason else ''}{delivery.reason})"
        )
        item = f" for {delivery.item}" if delivery.item is not None else ""
        show.line(f"{delivery.provider}{item}, by {delivery.rule}{state}", bold=True)
        for below in json.dumps(delivery.options, indent=2, ensure_ascii=False).splitlines():
            show.line(f"  {below}")
    if not made.deliveries:
        show.line("Nothing is done.")


def _tree(event: Event, verdicts: Sequence[RuleVerdict], made: Plan) -> dict[str, Any]:
    return {
        "event": {"source": event.source, "id": event.id, "nsid": event.nsid},
        "rules": [
            {
                "rule": found.rule.id,
                "matched": found.matched,
                "note": found.note,
                "conditions": [
                    {"text": leaf.text, "held": leaf.held, "saw": leaf.saw, "error": leaf.error, "place": str(leaf.place)}
                    for leaf in found.verdict.leaves()
                ],
            }
            for found in verdicts
        ],
        "troubles": [{"rule": trouble.rule, "sentence": trouble.sentence} for trouble in made.troubles],
        "deliveries": [_delivery_tree(delivery) for delivery in made.deliveries],
    }


def _delivery_tree(delivery: Delivery[Tree]) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "rule": delivery.rule,
        "step": delivery.step,
        "item": delivery.item,
        "provider": delivery.provider,
        "state": str(delivery.state),
        "reason": delivery.reason,
        "options": delivery.options,
    }
