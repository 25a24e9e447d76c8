"""`router explain`: an event against the rules, rule by rule, and then what would be done."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router import library
from router.cli import FINE, findings, names, show
from router.cli.opening import config_option, from_store, output_option, rulebook
from router.core import explained
from router.core.errors import BadFrame, BadInput
from router.core.model import State
from router.core.outline import reasons, wants_another_nsid
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.config import Config
    from router.core.explained import Explained
    from router.core.model import Event, Plan
    from router.core.outline import Part
    from router.core.problems import Problem
    from router.core.rulebook import Rule, Rulebook
    from router.engine.store.base import EventRow, Store

#: Columns of a terminal that everything fits into.
_WIDTH = 80
_WORDS = {True: "yes", False: "no", None: "?"}


@click.command
@click.argument("arguments", nargs=-1, metavar="EVENT [RULES]...", shell_complete=names.rulesets)
@click.option(
    "--event-id", metavar="N", shell_complete=names.events, help="A recorded event, by its number or id, in place of EVENT."
)
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
    from router.core import plan  # noqa: PLC0415 - as above

    settings = config.load(config_file, with_plugins=False)
    event, paths, known = _event(arguments, event_id, settings)
    problems = Problems()
    book = rulebook(library.on_command_line(paths) if paths else settings.rules, problems)
    identities = {**known, **settings.identity.pins}
    told = explained.every_rule(event, book, identities)
    made = plan.plan(event, book, identities)
    said = _said(book, made, problems)
    if output == "json":
        show.as_json(explained.tree(event, told, made, said))
    else:
        _print(event, told, everything=everything)
        _print_plan(made)
        _print_validation(made, said)
    return FINE


def _event(
    arguments: Sequence[str], event_id: str | None, settings: Config
) -> tuple[Event, Sequence[str], Mapping[str, str | None]]:
    """The event, the RULES, and which handles the store knows."""
    if event_id is not None:
        row, known = recorded(event_id, settings)
        return row.event, arguments, known
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
    try:
        return envelope.event_from(raw)
    except BadFrame as error:
        raise BadInput(f"{name} is no event: {error}") from None


def recorded(event_id: str, settings: Config) -> tuple[EventRow, Mapping[str, str | None]]:
    """An event of the store by its number or id, and the handles that the store knows. Raises BadInput where there is none."""

    async def look(store: Store) -> tuple[EventRow | None, Mapping[str, Any]]:
        return await store.event(event_id), await store.facts("handle")

    row, handles = from_store(settings, look)
    if row is None:
        raise BadInput(f"The store has no event {event_id}: `router events list` shows which there are.")
    return row, handles


def _said(book: Rulebook, made: Plan, problems: Problems) -> list[Problem]:
    """What validation says of the rules that matched."""
    from router.core.analysis import analyse  # noqa: PLC0415 - verbs import what they use

    analyse(book, problems)
    matched = {rule.place for rule in book.rules if rule.id in made.matched}
    return [problem for problem in problems.found if _owner(problem, book.rules) in matched]


def _owner(problem: Problem, rules: Sequence[Rule]) -> object:
    """Where the rule begins that a problem stands in; None for one before the first."""
    before = [rule.place for rule in rules if rule.place.file == problem.place.file and rule.place <= problem.place]
    return max(before, default=None)


def _print(event: Event, told: Sequence[Explained], *, everything: bool) -> None:
    about = event.fields.get("branch") or event.fields.get("tag") or event.fields.get("ref") or ""
    show.line(f"{event.nsid} from {event.source}{', ' + str(about) if about else ''}")
    show.line()
    others = 0
    for one in told:
        if not everything and not one.verdict.matched and wants_another_nsid(one.part):
            others += 1
        else:
            _print_rule(one, everything=everything)
    if others:
        more = "more " if others < len(told) else ""
        show.line(f"{show.counted(others, more + 'rule wants', more + 'rules want')} another nsid (--all shows them).")


def _print_rule(one: Explained, *, everything: bool) -> None:
    found = one.verdict
    word = "yes" if found.matched else _WORDS[None if one.part.held is None else False]
    note = f": {found.note}" if found.note else ""
    show.line(f"{word:<4} {found.rule.name}{note}", fg="green" if found.matched else None)
    if everything or not (found.matched or one.part.held):
        for line in _branches((one.part if everything else reasons(one.part)).parts, ""):
            show.line(line)


def _branches(parts: Sequence[Part], indent: str) -> Iterator[str]:
    """A tree: each condition with what it saw, and below it what it consists of."""
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        below = indent + ("   " if last else "│  ")
        yield from _leaf(part, indent + ("└─ " if last else "├─ "), below)
        yield from _branches(part.parts, below)


def _leaf(part: Part, first: str, below: str) -> Iterator[str]:
    """A condition on one line with what it saw, where both fit; what fails says where it is written."""
    text = f"{_WORDS[part.held]:<4} {part.text}"
    saw = f"cannot be evaluated: {part.error}" if part.error else f"is {part.saw}" if part.saw else ""
    if saw and len(first) + len(text) + 2 + len(saw) <= _WIDTH:
        text, saw = f"{text}  {saw}", ""
    yield from _wrapped(text, first, below)
    for told in (saw, str(part.place) if part.kind == "field" and not part.held else ""):
        if told:
            yield from _wrapped(told, f"{below}     ", f"{below}     ")


def _wrapped(text: str, first: str, below: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=below if first == below else f"{below}       ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print_plan(made: Plan) -> None:
    show.line()
    for trouble in made.troubles:
        show.line(f"undecided  {trouble.rule}: {trouble.sentence}", fg="yellow")
    for delivery in made.deliveries:
        state = "" if delivery.state is State.READY else f" ({delivery.state})"
        item = f" for {delivery.item}" if delivery.item is not None else ""
        show.line(f"{delivery.provider}{item}, by {delivery.rule}{state}", bold=True)
        for below in json.dumps(delivery.options, indent=2, ensure_ascii=False).splitlines():
            show.line(f"  {below}")
    if not made.deliveries:
        show.line("Nothing is done.")


def _print_validation(made: Plan, said: Sequence[Problem]) -> None:
    """What is wrong with what was rendered, and with the rules that asked for it."""
    if not made.matched:
        return
    show.line()
    faults = [delivery for delivery in made.deliveries if delivery.reason]
    for delivery in faults:
        show.line(f"{delivery.provider}, by {delivery.rule}: {delivery.reason}", fg="red")
    findings.problems(said)
    if not faults and not said:
        show.line("Validation: no problems.")
