"""docs/reference/rules.md: the words of the rule language, made of the tables that the loader reads rules by.

What a word means is a sentence here. A word without one, or a sentence without a word, is a KeyError or a failed assertion of
the test that makes this page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import filters, grammar, render, rules, steps
from router.core.lexicons import ALWAYS, KNOWN, WORKFLOW_ITEM
from router.core.model import Busy
from router.core.rulebook import Mode, Strategy, Unmatched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.core.shapes import Shape

_ABOUT = """\
# Rules

Every word of the rule language. [The rule language](../rules.md) explains them, with examples; `router schema` prints a JSON
Schema of rule files for editors.

"""
_FILE = {
    "strategy": "whether the first rule that matches wins, or each that does acts",
    "unmatched": "whether a push that none of the rules acts on says so in Tangled",
    "defaults": "keys of rules, merged under each rule",
    "vars": "values for conditions (`{in: vars.name}`) and templates (`{{ vars.name }}`)",
    "rules": "the rules, in order. Needed",
}
_RULE = {
    "name": "who it is; unique in its file. Needed",
    "id": "what its deliveries are known by, in place of `ruleset/name`",
    "description": "a sentence for people",
    "when": "the conditions, all of which must hold. Without any, every event",
    "do": "the steps; `[]` does nothing, on purpose",
    "mode": "whether it delivers",
    "report": "`{workflow: ci}`: its deliveries have a status under this name",
    "each": "`workflows`, or a JSONPath: one delivery for each item",
    "as": "what an item is called in templates; `workflow` or `item` where nothing is said",
    "where": "conditions on an item, by JSONPath",
    "concurrency": "`{group, policy}`: one delivery of a group at a time",
    "dedupe": "`{key, within}`: once in that time",
    "throttle": "`{limit, per, key}`: what is over the limit waits",
    "debounce": "`{for, key}`: only the last of those that follow each other so closely",
    "retry": "`{attempts, base, factor, cap}` or `{schedule}`, for steps that do not say",
    "timeout": "how long an attempt may take, for steps that do not say",
    "active": "`{between, timezone}`: matches only then",
    "allow_untrusted": "strangers may set it off, and that is meant",
}
_STEP = {
    "id": "its name in the deliveries' ids; without one, its position",
    "timeout": "how long an attempt may take",
    "retry": "when it is tried again",
    "if_trust": "the step is taken only for these trust classes",
    "idempotent": "doing it twice does no harm",
    "allow": "what an option may be, where an event chooses it",
    "secrets": "names of secrets of the event's repo that it is given",
}
_FIELDS = {
    "nsid": "the record type; globs, in which `*` crosses dots",
    "source": "the kind of the source, or its name",
    "trigger": "what it is about",
    "operation": "what happened to the record or the ref",
    "trust": "who set it off, as far as the repo knows them",
    "status": "of our own status events",
    "repo": "`@handle/name`, `did/name`, or a DID; globs in the name",
    "owner": "a handle or a DID",
    "actor": "a handle or a DID",
    "knot": "a host",
    "workflow": "the name of a workflow file; a glob",
    "branch": "a glob",
    "tag": "a glob",
    "ref": "the whole ref; a glob",
    "target_branch": "of a pull request; a glob",
    "paths": "the changed files: globs, or `{any: …}`, `{every: …}`, `{none: …}`",
}
_OPERATORS = {
    "not": "the value, list or operator in it does not hold",
    "exists": "the field is there (`true`) or is not (`false`)",
    "glob": "the text fits the glob",
    "prefix": "the text begins so",
    "suffix": "the text ends so",
    "contains": "the text is in it",
    "regex": "the RE2 expression is found in the text",
    "equals_ignore_case": "the text is the same, but for case",
    "gt": "the number is greater",
    "gte": "the number is greater, or the same",
    "lt": "the number is less",
    "lte": "the number is less, or the same",
    "before": "the time is before this one (RFC 3339)",
    "after": "the time is after this one",
    "cidr": "the address is in the network",
    "in": "the value is in a list of the file's `vars`: `vars.name`",
}
_TEMPLATES = """\
## Templates: names

In every template: {always}; `vars` with the file's variables; and what `as` names. An item of `each: workflows` has {item}.

By what the event is of, the named fields, and the members of `record`. What only some events of an nsid have is listed, too:
say `{{{{ tag | default(branch) }}}}`. Of other nsids any name may be asked for, and what is not there is an error.

| nsid | fields | `record` |
|---|---|---|
{rows}
## Templates: filters and tests

Filters: {filters}. `short` is the first 8 characters of a sha (`short(12)`: 12), `slug` is lower-case letters, digits and
hyphens; the others are Jinja's.

Tests: {tests}.

A rendered text has at most {characters:,} characters, and `range()` at most {steps:,} steps.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        (
            _ABOUT,
            _words("A file", "key", rules.FILE_KEYS, _FILE, {"strategy": Strategy, "unmatched": Unmatched}),
            _words("A rule", "key", rules.RULE_KEYS, _RULE, {"mode": Mode, "concurrency": Busy}),
            f"`defaults` may have all of these but {_listed(set(rules.RULE_KEYS) - set(rules.DEFAULTABLE))}.\n",
            _words("A step", "key", steps.STEP_KEYS, _STEP, {}),
            "Beside these a step has one key more, the name of a provider, with its [options](providers.md).\n",
            _words("Conditions: fields", "field", grammar.FIELDS, _FIELDS, grammar.WORDS),
            f"A key that begins with `$` is a JSONPath into the record. {_listed(grammar.NESTING)} nest conditions.\n",
            _words("Conditions: operators", "operator", grammar.OPERATORS, _OPERATORS, {}),
            _templates(),
        )
    ).replace("\n\n\n", "\n\n")


def _words(title: str, what: str, names: Iterable[str], about: Mapping[str, str], words: Mapping[str, Iterable[str]]) -> str:
    """A table of names, in the code's order, and what each may be where that is one of a few words."""
    names = tuple(names)
    if set(names) != set(about):
        raise KeyError(f"{title} and the sentences here differ: {set(names) ^ set(about)}")
    if not words:
        rows = [f"| `{name}` | {about[name]} |" for name in names]
        return "\n".join([f"## {title}", "", f"| {what} | means |", "|---|---|", *rows, ""])
    rows = [f"| `{name}` | {about[name]} | {_listed(words.get(name, ()))} |" for name in names]
    return "\n".join([f"## {title}", "", f"| {what} | means | one of |", "|---|---|---|", *rows, ""])


def _listed(words: Iterable[str]) -> str:
    made = sorted(words) if isinstance(words, (set, frozenset)) else words
    return ", ".join(f"`{word}`" for word in made)


def _templates() -> str:
    rows = [f"| `{nsid}` | {_names(lexicon.fields)} | {_names(lexicon.record)} |\n" for nsid, lexicon in KNOWN.items()]
    return _TEMPLATES.format(
        always=_names(ALWAYS),
        item=_names(WORKFLOW_ITEM),
        rows="".join(rows),
        filters=_listed(filters.FILTERS),
        tests=_listed({name for name in render.environment().tests if name.isalpha()}),
        characters=filters.MAX_TEXT,
        steps=filters.MAX_RANGE,
    )


def _names(shape: Shape) -> str:
    """The names in a mapping, with those a level below: `repo.did`."""
    if not isinstance(shape, dict):
        return "anything"
    made = []
    for name, below in shape.items():
        inner = below if isinstance(below, dict) else {}
        made += [f"{name}.{key}" for key in inner] or [f"{name}[]" if isinstance(below, list) else name]
    return _listed(made)
