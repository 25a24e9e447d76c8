"""`router capture`: a recorded event becomes the event of a test, without the names of those who were in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router import library
from router.cli import FINDINGS, FINE, names, show
from router.cli.opening import config_option, rulebook
from router.core import envelope, jsonpath, match, plan
from router.core.errors import BadInput
from router.core.model import State
from router.core.outline import outline, reasons
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.config import Config
    from router.core.model import Event, Plan, Tree
    from router.core.outline import Part
    from router.core.rulebook import Rule, Rulebook
    from router.scrub import Scrubber

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@click.command
@click.argument("event_id", metavar="EVENT_ID", shell_complete=names.events)
@click.option("--into", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="A folder of rules.")
@click.option("--name", metavar="NAME", help="How to name the files; without it, by the event's nsid and number.")
@click.option("--keep", multiple=True, metavar="X", help="A field, a key, a JSONPath or a value to leave as it is.")
@click.option("--no-scrub", "as_it_is", is_flag=True, help="Write the event as it was recorded, with every name in it.")
@config_option
def capture(
    event_id: str,
    folder: Path | None,
    name: str | None,
    keep: Sequence[str],
    as_it_is: bool,  # noqa: FBT001 - click passes flags by name
    config_file: Path | None,
) -> int:
    """Write a recorded event (its number or id) as NAME.json, what the rules in DIR make of it as NAME.golden.yaml, and
    NAME.test.yaml, a test of the two.

    Names, addresses, messages and secrets in it get stand-ins, save those that the rules themselves name. Exits with 1 where
    the rules make something else of it then: --keep says what they need. DIR is the first folder of rules that the
    configuration lists. Overwrites nothing. Read the event before you publish it.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.cli.explain import recorded  # noqa: PLC0415 - as above
    from router.core.written import event_to  # noqa: PLC0415 - as above
    from router.ruletests import golden  # noqa: PLC0415 - as above
    from router.scrub import Scrubber  # noqa: PLC0415 - as above

    settings = config.load(config_file, with_plugins=False)
    folder = folder or _folder(settings)
    row, known = recorded(event_id, settings)
    event, book = row.event, rulebook(_entries(folder))
    name = name or f"{re.sub(r'[^A-Za-z0-9-]', '-', event.nsid.rpartition('.')[2])}-{row.number}"
    files = _files(folder, name)
    who = {handle: {**known, **settings.identity.pins}.get(handle) for handle in book.handles}
    sent, told = event_to(event), who
    scrubber = None if as_it_is else Scrubber(sent, [*keep, *_values(event, keep)], [one.text for one in book.rulesets])
    if scrubber is not None:
        sent = scrubber.event(sent)
        told = {handle: did and scrubber.inline(did) for handle, did in who.items()}
    now = envelope.event_from(sent)
    made = plan.plan(now, book, told)
    _write(files, (json.dumps(sent, indent=2) + "\n", golden.text(_case(name), made), _test(name, now, told)))
    if scrubber is not None:
        _tell(scrubber)
    return _compare(plan.plan(event, book, who), made, now, book, told)


def _folder(settings: Config) -> Path:
    """Where the operator's own rules are."""
    for entry in settings.rules:
        path = entry.base / entry.text
        if not entry.text.startswith(library.BUNDLED):
            return path if path.is_dir() else path.parent
    raise BadInput("The configuration lists no folder of rules of your own: name one with --into DIR.")


def _entries(folder: Path) -> Sequence[library.Entry]:
    """The rule files that stand beside a test there, as `router test` takes them."""
    files = sorted(path for path in folder.iterdir() if library.is_rule_file(path)) if folder.is_dir() else []
    if not files:
        raise BadInput(f"There is no rule file in {folder}, and a test runs with the rules beside it: name their folder.")
    return library.on_command_line([str(path) for path in files])


def _files(folder: Path, name: str) -> Sequence[Path]:
    if _NAME.fullmatch(name) is None:
        raise BadInput("--name takes letters, digits, dots, hyphens and underscores: it becomes the names of files.")
    files = [folder / f"{name}{ending}" for ending in (".json", ".golden.yaml", ".test.yaml")]
    for file in files:
        if file.exists():
            raise BadInput(f"{file} is there already, and nothing is overwritten: choose another --name.")
    return files


def _values(event: Event, keep: Sequence[str]) -> Iterator[str]:
    """The texts that `--keep` means by a named field or a JSONPath."""
    for item in keep:
        try:
            found = jsonpath.finder(item)(event.record) if item.startswith("$") else [event.fields.get(item)]
        except jsonpath.PathError as error:
            raise BadInput(f"--keep {item}: {error}") from None
        yield from _texts(found)


def _texts(value: Tree) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(child)


def _case(name: str) -> str:
    return f"{name}, as it was captured"


def _test(name: str, event: Event, who: Mapping[str, str | None]) -> str:
    """A test file. Values are written as JSON, which YAML reads as the same."""
    identities = {handle: did for handle, did in sorted(who.items()) if did is not None}
    lines = [
        f"# {event.nsid}, recorded at {match.moment(event.time):%Y-%m-%dT%H:%M:%SZ}. `router test` runs this.",
        f"- name: {json.dumps(_case(name))}",
        f"  event: {json.dumps(f'{name}.json')}",
        *([f"  identities: {json.dumps(identities)}"] if identities else []),
        f"  golden: {json.dumps(f'{name}.golden.yaml')}",
    ]
    return "\n".join(lines) + "\n"


def _write(files: Sequence[Path], texts: Sequence[str]) -> None:
    for file, text in zip(files, texts, strict=True):
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
        show.line(f"wrote {file}")


def _tell(scrubber: Scrubber) -> None:
    counts = ", ".join(show.counted(len(known), kind) for kind, known in scrubber.replaced.items() if known)
    redacted = f"; {show.counted(scrubber.redacted, 'secret')} redacted" if scrubber.redacted else ""
    show.line(f"Replaced: {counts or 'nothing'}{redacted}. Read the event before you publish it.")
    if scrubber.kept:
        show.line(f"Kept, as the rules or --keep name them: {', '.join(scrubber.kept)}.")


def _compare(recorded: Plan, now: Plan, event: Event, book: Rulebook, who: Mapping[str, str | None]) -> int:
    """Tell which rules do something else with the scrubbed event, and what they ask for."""
    before, after = _outcomes(recorded), _outcomes(now)
    lost = [rule for rule in book.rules if before.get(rule.id) != after.get(rule.id)]
    for rule in lost:
        show.line(f"{rule.name} does something else with the event than it did as it was recorded.", fg="yellow")
        for part in _failing(rule, event, who):
            show.line(f"  {part.text}, and it is {part.saw}: --keep {part.field} leaves it.")
    dead = [delivery for delivery in now.deliveries if delivery.state is State.DEAD]
    for sentence in [*(trouble.sentence for trouble in now.troubles), *(delivery.reason for delivery in dead)]:
        show.line(f"The test fails until this is mended: {sentence}", fg="yellow")
    return FINDINGS if lost or dead or now.troubles else FINE


def _outcomes(made: Plan) -> dict[str, Counter[Any]]:
    """What each rule did, names aside."""
    done: dict[str, Counter[Any]] = {rule: Counter() for rule in made.matched}
    for delivery in made.deliveries:
        done[delivery.rule][delivery.step, delivery.provider, delivery.state] += 1
    for trouble in made.troubles:
        done.setdefault(trouble.rule, Counter())["undecided"] += 1
    return done


def _failing(rule: Rule, event: Event, who: Mapping[str, str | None]) -> Iterator[Part]:
    """The conditions on fields that settle that the rule does not match."""
    waiting = [reasons(outline(rule.when, View(event, who)))]
    while waiting:
        part = waiting.pop()
        waiting += part.parts
        if part.kind == "field" and not part.held:
            yield part
