"""What templates take from their context, and which of it must be there."""

from __future__ import annotations

from typing import Any

import pytest

from router.core import render, templates
from router.core.chains import Chain, chains
from router.core.errors import RenderError

#: What every template below is rendered with. `nope` is nowhere.
CONTEXT: dict[str, Any] = {"record": {"a": {"b": ["c"]}, "ab": "x"}, "branch": "main", "key": "a", "none": None}


def taken(text: str) -> list[tuple[str | int | None, ...]]:
    return [chain.parts for chain in chains(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no template", []),
        ("{{ 'record.a' }} record.a", []),
        ("{{ record.a.b }}", [("record", "a", "b")]),
        ("{{ record['a']['b'][0].c }}", [("record", "a", "b", 0, "c")]),
        ("{{ branch }} {{ branch }}", [("branch",)]),
        ("{{ branch.upper() ~ record.a.items() }}", [("branch",), ("record", "a")]),
        ("{{ record.get('nope').b }}", [("record",)]),
        ("{{ record[key].b }} {{ branch[1:] }} {{ branch[-1] }}", [("record",), ("key",), ("branch",)]),
        ("{{ record.a.b | first | default(key) }}", [("record", "a", "b"), ("key",)]),
        ("{{ [record.a, {'x': branch}] }}", [("record", "a"), ("branch",)]),
        ("{% for it in record.a.b %}{{ it.c }} {{ loop.index }}{% endfor %}", [("record", "a", "b")]),
        ("{% set it = record.a %}{{ it.b }}{{ range(3) }}", [("record", "a")]),
        ("{{ record[true] }} {{ record[1.5] }}", [("record",)]),
    ],
)
def test_chains_are_what_is_written_out(text: str, expected: list[tuple[str | int | None, ...]]) -> None:
    """Attributes and constant subscripts belong to a chain; a method, what is computed and what the template makes do not."""
    assert taken(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ record.nope }}",
        "{{ record['nope'] }}",
        "{{ record.nope.b }}",
        "{{ record.nope.b | default('') }}",
        "{{ record.nope.b is defined }}",
        "{{ record.nope | upper | default('') }}",
        "{{ nope | default(record.nope) }}",
        "{% if record.nope %}{% endif %}",
        "{% for it in record.nope %}{% endfor %}",
        "{{ 'b' in record.nope }}",
        "{{ record.nope.upper() }}",
        "{{ nope == 3 }}",
        "{{ record.nope | default('') }} {{ record.nope }}",
        "{{ [record.nope] | select('eq', 1) | list }}",
        "{{ [record.nope.b] | select('defined') | list }}",
    ],
)
def test_a_template_cannot_be_rendered_without_what_is_sure(text: str) -> None:
    """Where a name is not there and a chain is sure of it, the template fails, as it is said to."""
    assert any("nope" in chain.parts[: chain.sure] for chain in chains(text))
    with pytest.raises(RenderError):
        render.compiled(text)(CONTEXT)


@pytest.mark.parametrize(
    "text",
    [
        "{{ nope | default('') }}",
        "{{ record.nope | d('') | upper }}",
        "{{ nope | default(record.nope | default('')) }}",
        "{{ record.nope is defined }} {{ record.nope is undefined }}",
        "{% if record.nope is defined %}{{ record.nope.b }}{% endif %}",
        "{{ record.nope.b if record.nope is defined and record.nope.b is defined else '' }}",
        "{% if 'nope' in record %}{{ record.nope.b }}{% endif %}",
        "{{ '' if record.nope is undefined else record.nope.b }}",
        "{{ '' if 'nope' not in record else record.nope.b }}",
        "{{ [record.nope, branch] | select('defined') | first }}",
    ],
)
def test_a_template_can_be_rendered_without_what_is_not_sure(text: str) -> None:
    """A name that has a default, or that the template asks for, need not be there."""
    assert not any("nope" in chain.parts[: chain.sure] for chain in chains(text))
    render.compiled(text)(CONTEXT)


def test_a_chain_knows_its_line() -> None:
    """In a text of several lines, each chain is told where it is first used."""
    assert chains("{{ a }}\n{{ b.c }}\n{{ b.c }}") == (Chain(("a",), 1, 1), Chain(("b", "c"), 2, 2), Chain(("b", "c"), 2, 3))


def test_a_template_that_does_not_compile_has_none() -> None:
    """It is a mistake of its own."""
    with pytest.raises(templates.TemplateMistake):
        chains("{{ a")
