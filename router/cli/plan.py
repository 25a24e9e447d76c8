"""`router plan`: what a change of rules would have changed about recorded events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import library
from router.cli import FINDINGS, FINE, against, names, show
from router.cli.opening import config_option, output_option
from router.core import differences, durations, values
from router.core.differences import ABSENT, Kind
from router.core.errors import BadInput
from router.core.problems import Problems
from router.loaded import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from router.cli.recorded import Recorded, Unread
    from router.config import Config
    from router.core.differences import Change, Group, Pair, Tally, Term
    from router.core.model import Event, Tree

#: Characters of a value that are shown, and those of them before the place where two long texts begin to differ.
_WIDTH, _BEFORE = 60, 20
_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


@click.command
@click.argument("paths", nargs=-1, metavar="[RULES]...", shell_complete=names.rulesets)
@click.option(
    "--against",
    "other",
    metavar="live|PATH|GIT_REV",
    default=against.LIVE,
    show_default=True,
    help="The rules to compare with. `live` are those of the running router, or else those that the configuration lists.",
)
@click.option(
    "--events",
    "file",
    metavar="FILE",
    shell_complete=names.paths,
    help="Events to plan: JSON lines, an array, a folder, or - for stdin.",
)
@click.option("--since", metavar="DURATION", help="In place of FILE: the store's events of the last 24h, 7d, …")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
@config_option
@output_option
def plan(
    paths: Sequence[str],
    other: str,
    file: str | None,
    since: str | None,
    exit_code: bool,  # noqa: FBT001 - click passes flags by name
    config_file: Path | None,
    output: str,
) -> int:
    """Say which deliveries RULES would have added, removed or changed, had recorded events met them.

    RULES are folders and files, all of those that the router is to load; without them, what the configuration lists.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.cli.recorded import Unread  # noqa: PLC0415 - as above

    if (file is None) == (since is None):
        raise click.UsageError("Name the events to plan: --events FILE, or --since 24h for those in the store.")
    settings = config.load(config_file, with_plugins=False)
    pair, whose = _pair(paths, other, settings)
    unread = Unread()
    events, total = _events(file, since, settings, unread)
    tally = _tallied(pair, events, total, settings)
    if output == "json":
        show.as_json(_tree(tally, unread, whose))
    else:
        _print(tally, unread, whose, same=pair.same)
    return FINDINGS if exit_code and tally.differing else FINE


def _pair(paths: Sequence[str], other: str, settings: Config) -> tuple[Pair, str]:
    """The two rulebooks, and whose the old one is. Raises BadInput with the problems of either."""
    entries = library.on_command_line(paths) if paths else settings.rules
    problems = Problems()
    new = compiled(library.rule_texts(entries, problems), problems)
    found = against.find(other, entries, settings, problems := Problems())
    old = compiled(found.texts, problems, f"The rules to compare with ({other})")
    return differences.Pair(old, new), found.whose


def _events(file: str | None, since: str | None, settings: Config, unread: Unread) -> tuple[Iterable[Recorded], int | None]:
    """The events, and how many there are as far as that is known."""
    from router.cli import recorded  # noqa: PLC0415 - verbs import what they use

    if file is not None:
        return recorded.from_files(file, unread), recorded.count_files(file)
    moment = _moment(since or "")
    return recorded.from_the_store(settings, moment), recorded.count_store(settings, moment)


def _moment(since: str) -> int:
    from router.host import SystemClock  # noqa: PLC0415 - as above

    try:
        return SystemClock().now() - int(durations.seconds(since) * 1_000_000)
    except ValueError as error:
        raise BadInput(f"--since: {error}") from None


def _tallied(pair: Pair, events: Iterable[Recorded], total: int | None, settings: Config) -> Tally:
    from router.cli.progress import progress  # noqa: PLC0415 - as above
    from router.cli.recorded import known_handles  # noqa: PLC0415 - as above

    tally = differences.Tally()
    if pair.same:
        return tally
    identities = known_handles(settings)
    with progress(total, "events") as step:
        for one in events:
            tally.add(one.name, one.event, *pair.plans(one.event, identities))
            step()
    return tally


def _print(tally: Tally, unread: Unread, whose: str, *, same: bool) -> None:
    show.line(f"Compared with {whose}.")
    if same:
        show.line("The rules are the same, so nothing differs, whatever the events.")
        return
    for rule, groups in tally.by_rule().items():
        show.line()
        show.line(rule, bold=True)
        for group in groups:
            for line in _group(group):
                show.line(line)
    if tally.doubts or unread.count:
        show.line()
    for line in _warnings(tally, unread):
        show.line(line, fg="yellow")
    show.line()
    show.line(_summary(tally), bold=True)


def _group(group: Group) -> Iterator[str]:
    change, made = group.change, group.change.delivery
    state = "" if made.state == "ready" else f" ({made.state}{': ' + made.reason if made.reason else ''})"
    many = show.counted(group.count, "delivery", "deliveries")
    yield f"  {_SIGNS[change.kind]} {many} {change.kind}: {made.provider}, step {made.step}{state}"
    yield f"      first for {' '.join(part for part in _about(group) if part)}"
    for term in change.terms:
        old, new = _shown(term)
        yield f"        {term.path}"
        yield f"          - {old}"
        yield f"          + {new}"
    if change.kind is not Kind.CHANGED and isinstance(made.options, dict):
        for key, value in made.options.items():
            yield f"        {key}: {values.show(value, _WIDTH)}"


def _about(group: Group) -> tuple[str, str, str]:
    subject = group.change.delivery.subject
    return f"event {group.where},", subject.repo, subject.ref


def _shown(term: Term) -> tuple[str, str]:
    """The two values, cut; two long texts from shortly before the place where they differ."""
    old, new = term.old, term.new
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _WIDTH:
        same = next((n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new)))
        start = max(0, same - _BEFORE)
        cut = "…" if start else ""
        return cut + values.show(old[start:], _WIDTH), cut + values.show(new[start:], _WIDTH)
    return _one(old), _one(new)


def _one(value: Tree) -> str:
    return "absent" if value is ABSENT else values.show(value, _WIDTH)


def _warnings(tally: Tally, unread: Unread) -> Iterator[str]:
    for rule, doubt in sorted(tally.doubts.items()):
        yield f"{rule} could not be decided for {show.counted(doubt.count, 'event')}: {doubt.sentence}"
    if unread.count:
        yield f"{show.counted(unread.count, 'item')} could not be read as an event:"
        yield from (f"  {sentence}" for sentence in unread.first)


def _summary(tally: Tally) -> str:
    if not tally.differing:
        return f"{show.counted(tally.events, 'event')}: nothing differs."
    counts = ", ".join(f"{number} {kind}" for kind in Kind if (number := tally.counted(kind)))
    differ = "differs" if tally.differing == 1 else "differ"
    return f"{tally.differing} of {show.counted(tally.events, 'event')} {differ}: {counts}."


def _tree(tally: Tally, unread: Unread, whose: str) -> dict[str, Any]:
    return {
        "against": whose,
        "events": tally.events,
        "differing": tally.differing,
        "counts": {str(kind): tally.counted(kind) for kind in Kind},
        "groups": [_group_tree(group) for groups in tally.by_rule().values() for group in groups],
        "undecided": [
            {"rule": rule, "events": doubt.count, "sentence": doubt.sentence} for rule, doubt in sorted(tally.doubts.items())
        ],
        "unread": {"count": unread.count, "first": unread.first},
    }


def _group_tree(group: Group) -> dict[str, Any]:
    made = group.change.delivery
    return {
        "rule": made.rule,
        "kind": str(group.change.kind),
        "provider": made.provider,
        "step": made.step,
        "state": str(made.state),
        "differs": list(group.change.names),
        "count": group.count,
        "example": {"event": group.where, **_event_tree(group.event), **_example(group.change)},
    }


def _event_tree(event: Event) -> Mapping[str, Tree]:
    return {"id": event.id, "nsid": event.nsid}


def _example(change: Change) -> dict[str, Any]:
    """What differs: a value that one side lacks is no key there."""
    made = change.delivery
    about = {"delivery": made.id, "repo": made.subject.repo, "ref": made.subject.ref, "item": made.item}
    if change.kind is not Kind.CHANGED:
        return {**about, "reason": made.reason, "options": made.options}
    sides = [
        {"path": term.path} | {side: value for side, value in (("old", term.old), ("new", term.new)) if value is not ABSENT}
        for term in change.terms
    ]
    return {**about, "terms": sides}
