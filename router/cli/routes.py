"""`router routes`: one line for each event and delivery, to read, and to keep beside the rules as a golden."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from router import library
from router.cli import FINDINGS, FINE, names, show
from router.cli.opening import config_option, output_option, rulebook
from router.core import plan, values
from router.core.errors import BadInput
from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cli.recorded import Recorded
    from router.core.model import Delivery, Tree
    from router.core.rulebook import Rulebook

#: Characters of an option that are shown: a commit is whole, a sentence is not.
_WIDTH = 48


class _Route(NamedTuple):
    """One line. Empty cells have nothing to say."""

    event: str
    rule: str
    provider: str = ""
    options: str = ""
    state: str = ""


@click.command
@click.argument("rules", metavar="RULES", shell_complete=names.rulesets)
@click.argument("events", nargs=-1, required=True, metavar="EVENTS...", shell_complete=names.paths)
@click.option("--check", "golden", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Compare with FILE.")
@click.option("--update", is_flag=True, help="With --check: write FILE anew. Refused in CI.")
@config_option
@output_option
def routes(
    rules: str,
    events: Sequence[str],
    golden: Path | None,
    update: bool,  # noqa: FBT001 - click passes flags by name
    config_file: Path | None,
    output: str,
) -> int:
    """Print a line for each delivery that RULES make of EVENTS: event, rule, provider, needed options, state if not live.

    RULES is a folder, a file or a bundled ruleset; EVENTS are files and folders, shown in the order given. An event that leads
    to nothing has a line with `-`. With --check, exits with 1 where the lines are not those of FILE.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use

    if update and golden is None:
        raise click.UsageError("Say which file to write: --check FILE --update.")
    if update and os.environ.get("CI"):
        raise BadInput("A golden is not written in CI, where nobody reads it: update it where you work, and commit it.")
    settings = config.load(config_file, with_plugins=False)
    book = rulebook(library.on_command_line([rules]))
    found = [route for event in _events(events) for route in _routes(event, book, settings.identity.pins)]
    if output == "json":
        show.as_json([route._asdict() for route in found])
        return FINE
    lines = list(_aligned(found))
    if golden is not None:
        return _write(golden, lines) if update else _compare(golden, lines)
    for line in lines:
        show.line(line)
    return FINE


def _events(sources: Sequence[str]) -> Iterator[Recorded]:
    """Raises BadInput at the first that is none: a golden that passes over an event proves nothing of it."""
    from router.cli.recorded import Unread, from_files  # noqa: PLC0415 - verbs import what they use

    unread = Unread()
    for source in sources:
        for event in from_files(source, unread):
            if not unread.count:
                yield event
        if unread.count:
            raise BadInput(f"{source} holds what is no event: {unread.first[0]}")


def _routes(recorded: Recorded, book: Rulebook, pins: Mapping[str, str]) -> Iterator[_Route]:
    """Who is who is what the configuration pins: a golden must not depend on what some store remembers."""
    made = plan.plan(recorded.event, book, pins)
    for trouble in made.troubles:
        yield _Route(recorded.name, trouble.rule, "?", trouble.sentence)
    for rule in made.matched:
        deliveries = [delivery for delivery in made.deliveries if delivery.rule == rule]
        yield from (_route(recorded.name, delivery, book) for delivery in deliveries)
        if not deliveries:
            yield _Route(recorded.name, rule, "-")
    if not made.matched and not made.troubles:
        yield _Route(recorded.name, "-")


def _route(event: str, delivery: Delivery[Tree], book: Rulebook) -> _Route:
    rule = delivery.rule if delivery.item is None else f"{delivery.rule}[{delivery.item}]"
    state = "" if delivery.state is State.READY else str(delivery.state)
    return _Route(event, rule, delivery.provider, _telling(delivery, book), state)


def _telling(delivery: Delivery[Tree], book: Rulebook) -> str:
    """The options that the provider cannot do without; of one that needs none, the first that the rule sets."""
    options: Mapping[str, Any] = delivery.options if isinstance(delivery.options, dict) else {}
    step = next(step for step in book.by_id[delivery.rule].steps if step.name == delivery.step)
    fields = step.model.model_fields if step.model is not None else {}
    needed = [info.alias or name for name, info in fields.items() if info.is_required()]
    shown = [name for name in needed if name in options] or list(options)[:1]
    return " ".join(f"{name}={values.show(options[name], _WIDTH)}" for name in shown)


def _aligned(found: Sequence[_Route]) -> Iterator[str]:
    """Columns. The last cell of a line does not widen its column: one long line leaves the others as they are."""
    rows = [
        [show.plain(cell) or "-" if number < 2 else show.plain(cell) for number, cell in enumerate(route)] for route in found
    ]
    widths = [
        max((len(row[column]) for row in rows if any(row[column + 1 :])), default=0) for column in range(len(_Route._fields))
    ]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _write(golden: Path, lines: Sequence[str]) -> int:
    try:
        golden.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{golden} cannot be written: {error.strerror}.") from None
    show.line(f"wrote {golden}: {show.counted(len(lines), 'line')}")
    return FINE


def _compare(golden: Path, lines: Sequence[str]) -> int:
    try:
        kept = golden.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise BadInput(f"There is no {golden}: --check {golden} --update writes it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{golden} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if kept == list(lines):
        show.line(f"{show.counted(len(lines), 'line')}: as in {golden}.")
        return FINE
    for line in difflib.unified_diff(kept, lines, str(golden), "now", lineterm=""):
        show.line(line)
    return FINDINGS
