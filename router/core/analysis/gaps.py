"""R063: keys of gates that take different things for one, so that one is dropped for the other's sake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.core import templates
from router.core.analysis import facts
from router.core.analysis.automata import TooHard
from router.core.analysis.logic import PART, Each, Fact, Present, Some, possible
from router.core.model import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.analysis.logic import Formula
    from router.core.problems import Problems
    from router.core.rulebook import Key, Rule

#: Names of templates that no two repos have the same of.
_TELLING = frozenset(("record", "event", "delivery", "sha", "old_sha", "pull"))
_REPO = re.compile(r"\brepo\b(?:\s*\.\s*(\w+))?")
#: Kinds of sources whose events are about repos; another name is the operator's own, and may stand for anything.
_ABOUT_REPOS = ("jetstream", "knot", "spindle")


def keys_with_gaps(rule: Rule, formula: Formula, problems: Problems) -> None:
    """Report each key that does not tell apart what the rule's events may be about. `formula` says when the rule acts."""
    for name, key in _dropping(rule):
        if rule.each is not None and name == "concurrency" and rule.item_name not in _names(key):
            sentence = f"`{name}` of `{rule.name}` lets one item of an event act, and drops the others: its group is the same."
            hint = f"Put what tells them apart into it, like {{{{ {rule.item_name}.name }}}}."
            problems.warning("R063", key.place, sentence, hint)
        elif not _tells_repos(key, rule) and _several_repos(formula):
            sentence = f"`{name}` of `{rule.name}` takes different repos for one: what one does drops what another does."
            problems.warning("R063", key.place, sentence, _hint(key))


def _dropping(rule: Rule) -> Iterator[tuple[str, Key]]:
    """The gates that drop what they take for the same."""
    if rule.dedupe is not None:
        yield "dedupe", rule.dedupe.key
    if rule.debounce is not None:
        yield "debounce", rule.debounce.key
    if rule.group is not None and rule.busy is not Busy.QUEUE:
        yield "concurrency", rule.group


def _names(key: Key) -> frozenset[str]:
    return templates.names(key.text) if key.text and templates.is_template(key.text) else frozenset()


def _tells_repos(key: Key, rule: Rule) -> bool:
    names = _names(key)
    if names & _TELLING or (rule.each is not None and rule.item_name in names and rule.item_name != "workflow"):
        return True
    members = set(_REPO.findall(key.text)) if "repo" in names else set()
    if "name" in members:
        return bool(members & {"owner", "did", "clone_url"}) or "owner" in names
    return bool(members & {"", "did", "clone_url"})


def _several_repos(formula: Formula) -> bool:
    """Whether the rule's events may be about more than one repo."""
    parts = list(_parts(formula))
    listed = {part.field: part.values.texts.listed() for part in parts if isinstance(part, Some)}
    if any(listed.get(f"repo{PART}{one}") and len(listed[f"repo{PART}{one}"] or ()) == 1 for one in ("did", "name")):
        return False
    named = [part.values.texts for part in parts if isinstance(part, Some) and part.field == "source"]
    if any(not any(map(texts.has, _ABOUT_REPOS)) for texts in named):
        return False
    try:
        return possible(facts.about(formula, Present("repo")), formula, Present("repo"))
    except TooHard:
        return False


def _parts(formula: Formula) -> Iterator[Formula]:
    if isinstance(formula, Each):
        for part in formula.parts:
            yield from _parts(part)
    elif not isinstance(formula, Fact):
        yield formula


def _hint(key: Key) -> str:
    if not key.text:
        return 'Give it a key, like key: "{{ repo.did | default(repo.owner ~ repo.name) }}".'
    return "Put the repo into it: {{ repo.did }}, or {{ repo.owner }}/{{ repo.name }}."
