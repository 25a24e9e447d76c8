"""Whether what comes of a template has a grammar that begins with no hyphen and has no blanks.

A sha, a DID or a host has one; a branch's name, a message or a path has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import plain, templates

if TYPE_CHECKING:
    from router.core.plain import Use

#: Names of templates whose values have such a grammar, or are the operator's.
FIRM = frozenset(
    (
        *("sha", "old_sha", "owner", "actor", "knot", "nsid", "source", "trigger", "operation", "trust", "status"),
        *("repo.did", "repo.owner", "repo.knot", "repo.clone_url", "event", "rule", "vars", "delivery"),
    )
)
#: A pull request is an AT-URI, of which only the beginning is sure.
LEADING = FIRM | {"pull"}
OPERATORS = frozenset(("vars", "rule"))
#: Filters that leave a grammar as it is, and those whose values have one.
KEEPING = frozenset(("short", "lower", "upper", "string", "trim"))
MAKING = frozenset(("slug", "length", "count", "wordcount"))
DEFAULTS = frozenset(("default", "d"))


def is_firm(text: str) -> bool:
    """Whether all that a template puts in has a grammar. Raises TemplateMistake."""
    if not templates.is_template(text):
        return True
    used = plain.uses(text)
    if used is not None:
        return all(_has_grammar(use, FIRM) for use in used)
    from router.core import expressions  # noqa: PLC0415 - only what is not plain needs Jinja

    return expressions.are_firm(text, FIRM)


def may_be_option(text: str) -> bool:
    """Whether what comes of a template may begin with a hyphen that its author did not write. Raises TemplateMistake."""
    if not templates.is_template(text):
        return False
    read = plain.pieces(text)
    if read:
        first = read[0]
        return first in ("-", "--") and not is_firm(text) if isinstance(first, str) else not _has_grammar(first, LEADING)
    from router.core import expressions  # noqa: PLC0415 - as above

    beginning = expressions.begins_with(text)
    if beginning is not None:
        return beginning in ("-", "--") and not is_firm(text)
    return not expressions.begins_firm(text, LEADING)


def _has_grammar(use: Use, names: frozenset[str]) -> bool:
    for name in reversed(use.filters):
        if name in MAKING:
            return True
        if name not in KEEPING and name not in DEFAULTS:
            return False
    return ".".join(use.parts) in names or use.parts[0] in names
