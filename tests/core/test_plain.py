"""Plain templates are read without Jinja, and mean what Jinja reads in them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.core import chains, expressions, firm, plain, render, templates

_NAMES = ("sha", "repo.did", "record.a.b", "pull", "vars.x", "range", "true", "None", "not", "loop.index", "a.for", "é", "x.0")
_FILTERS = (
    "",
    " | short",
    "|lower",
    " | default('')",
    ' | d("a|b")',
    "|default('a') | trim",
    " | short | d('')",
    " | nope",
    "|shorts",
)
_TEXTS = ("", "-", "--", "x", "{", "}", "{{", "}}", "{%", "{#", "#}", "\n", "\r\n", "'", " ", "%}", "\u2028")
_USES = st.builds(
    lambda opens, name, filtered, closes: f"{opens}{name}{filtered}{closes}",
    st.sampled_from(("{{ ", "{{", "{{-", "{{\n", "{{{")),
    st.sampled_from(_NAMES),
    st.sampled_from(_FILTERS),
    st.sampled_from((" }}", "}}", "-}}", "\t}}", "}}}")),
)
_TEMPLATES = st.lists(st.one_of(st.sampled_from(_TEXTS), _USES), max_size=5).map("".join)


@settings(max_examples=400, deadline=None)
@given(text=_TEMPLATES)
@example("{{{ sha }}")
@example("{# {{ sha }} #}")
@example("--{{ sha | default('') }}")
@example("{{ record.a | short | d('') }}\n{{ pull }}")
def test_jinja_sees_the_same(text: str) -> None:
    """Whatever is read as plain compiles, takes the same names and is judged alike as part of a command."""
    if plain.pieces(text) is None or not templates.is_template(text):
        return
    render.compiled(text)
    assert templates.names(text) == render.names(text)
    assert [tuple(chain) for chain in _told(text)] == list(dict.fromkeys(expressions.chains(text)))
    assert firm.is_firm(text) == expressions.are_firm(text, firm.FIRM)
    beginning = expressions.begins_with(text)
    expected = beginning in ("-", "--") and not firm.is_firm(text) if beginning is not None else None
    if expected is None:
        expected = not expressions.begins_firm(text, firm.LEADING)
    assert firm.may_be_option(text) is expected


def _told(text: str) -> list[tuple[object, ...]]:
    return [(chain.parts, chain.sure, chain.line) for chain in chains.chains(text)]


@pytest.mark.parametrize(
    "text",
    ["{{ sha }}", "Push to {{ branch }} ({{ sha | short }})", "{{ repo.did }}", "{{ tag | default('') }}", "no template"],
)
def test_what_most_rules_write_is_plain(text: str) -> None:
    assert plain.pieces(text) is not None


@pytest.mark.parametrize("text", ["{{ a + b }}", "{{ a[0] }}", "{{ a }}{% if b %}c{% endif %}", "{{ range }}", "{{ a | map }}"])
def test_what_is_more_is_left_to_jinja(text: str) -> None:
    assert plain.pieces(text) is None
