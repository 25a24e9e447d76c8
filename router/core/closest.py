"""Why no rule acts on a push, in one sentence for whoever looks at the commit in Tangled.

Anybody may read it. So of the rule that came closest it shows the name, the field that kept it from acting and what the push
has there; what the operator wrote is shown of fields that say which part of a repo is meant, never of repos and people.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from router.core.match import refusal
from router.core.problems import printable
from router.core.topics import KINDS
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.conditions import Verdict
    from router.core.model import Event
    from router.core.rulebook import Rule, Rulebook
    from router.core.truth import Identities

LONGEST = 300
#: Rules that are looked at though the index does not find them. One takes some 20 microseconds, on the event loop.
LOOKED = 500
_SHOWN = ("branch", "tag", "ref", "target_branch", "paths", "action", "workflow", "trigger")
_WORDS = {"push": "push", "pull_request": "pull request", "manual": "manual run"}


def closest(event: Event, rulebook: Rulebook, identities: Identities) -> str:
    """A sentence of at most 300 characters, printable."""
    if why := refusal(event):
        return printable(why)[:LONGEST]
    what = _WORDS.get(str(event.fields.get("trigger")), "event")
    found = min(_candidates(event, rulebook, identities), key=lambda one: one[:2], default=None)
    if found is None:
        return f"No rule of this router is about such a {what}."
    _, _, rule, leaf = found
    return printable(f"No rule acts on this {what}. Closest is `{rule.id}`: {_failed(leaf)}.")[:LONGEST]


def _candidates(event: Event, rulebook: Rulebook, identities: Identities) -> Iterator[tuple[int, int, Rule, Verdict]]:
    """Rules with how many of their conditions fail and hold (fewer and more are closer), and the first that fails.

    Those that the index finds are looked at, and the first LOOKED of the others: a thousand repos' rules fail as one does.
    """
    view = View(event, identities)
    numbers = {*rulebook.index.near(view), *islice(rulebook.topics.of_nsid(event.nsid), LOOKED)}
    for number in sorted(numbers):
        rule = rulebook.index.rules[number]
        verdict = rule.when.answer(view)
        failed = verdict.failed()
        missed = list(_missed(verdict))
        if failed is None or any(_field(leaf) in KINDS for leaf in missed):
            # It is about another kind of thing.
            continue
        first = next((leaf for leaf in failed.leaves() if leaf.held is not True), failed)
        yield len(missed), -len(list(verdict.leaves())), rule, first


def _missed(verdict: Verdict) -> Iterator[Verdict]:
    """The conditions that do not hold; of alternatives of which one does, none."""
    if verdict.held is True:
        return
    if not verdict.children:
        yield verdict
    for child in verdict.children:
        yield from _missed(child)


def _field(leaf: Verdict) -> str:
    return leaf.text.partition(":")[0]


def _failed(leaf: Verdict) -> str:
    field = _field(leaf)
    saw = f", and is {leaf.saw}" if leaf.saw else ", and there is none"
    if field in _SHOWN:
        return f"it asks for {leaf.text}{saw}"
    return f"`{field}` is not what it asks for"
