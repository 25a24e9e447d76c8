"""Templates: which values they give, what they refuse when rules are loaded, and what they survive."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError, meta

from router.core import filters, render, templates
from router.core.errors import RenderError

CONTEXT: dict[str, Any] = {
    "sha": "1234567",
    "zeros": "0012",
    "branch": "release/1.0",
    "n": 3,
    "flag": True,
    "nothing": None,
    "list": ["a", "b"],
    "numbers": [1, 2, 3],
    "map": {"k": [1, {"d": 2}]},
    "code": "{{ sha }}",
    "two": "a\nb",
    "nan": "nan",
    "inf": "-Infinity",
    "record": {"message": "hi", "items": [{"n": 1}, {"n": 2}]},
    "paths": ["a.md", "b.py"],
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ sha }}", "1234567"),
        ("{{sha}}", "1234567"),
        ("{{- sha -}}", "1234567"),
        ("{{+ sha }}", "1234567"),
        ("{{ zeros }}", "0012"),
        ("{{ n }}", 3),
        ("{{ n + 1 }}", 4),
        ("{{ -1 }}", -1),
        ("{{ n / 2 }}", 1.5),
        ("{{ flag }}", True),
        ("{{ not flag }}", False),
        ("{{ nothing }}", None),
        ("{{ list }}", ["a", "b"]),
        ("{{ map }}", {"k": [1, {"d": 2}]}),
        ("{{ map.k[1].d }}", 2),
        ("{{ n, sha }}", [3, "1234567"]),
        ("{{ list | map('upper') }}", ["A", "B"]),
        ("{{ {'a': n} }}", {"a": 3}),
        ("{{ sha if flag else branch }}", "1234567"),
        ("{{ missing | default('x') }}", "x"),
        ("{{ record.missing | default(n) }}", 3),
        ("{{ code }}", "{{ sha }}"),
        ("{{ '}}' }}", "}}"),
        ("{{ '{{' ~ sha ~ '}}' }}", "{{1234567}}"),
        ("{{ paths | select('equalto', 'a.md') | list }}", ["a.md"]),
        ("{{ record.items | length }}", RenderError),
        ("{{ record['items'] | sum(attribute='n') }}", 3),
        ("{{ range(3) | list }}", [0, 1, 2]),
        ("{{ sha }}{{ n }}", "12345673"),
        ("{{ n }}{{ '' }}", "3"),
        ("{{ n }} ", "3 "),
        (" {{ n }}", " 3"),
        ("{{ n }}\n", "3\n"),
        ("{{ n }}{# why #}", "3"),
        ("{# why #}{{ n }}", "3"),
        ("n={{ n }}", "n=3"),
        ("{% if flag %}{{ n }}{% endif %}", "3"),
        ("{% for x in numbers %}{{ x }}{% endfor %}", "123"),
        ("{{ sha }} -{{- n -}}- x", "1234567 -3- x"),
        ("{{ branch | slug }}", "release-1-0"),
        ("{{ '1234567890abc' | short }}", "12345678"),
        ("{{ sha | short(3) }}", "123"),
        ("{{ 'a.b' | replace('.', '-') }}", "a-b"),
        ("{{ two }}", "a\nb"),
        ("{{ record | tojson }}", '{"items": [{"n": 1}, {"n": 2}], "message": "hi"}'),
        ("{{ '<b>' }}", "<b>"),
    ],
)
def test_values(template: str, value: Any) -> None:
    """A string that is one whole expression keeps the value's type; anything beside it makes a text."""
    if value is RenderError:
        with pytest.raises(RenderError):
            render.compiled(template)(CONTEXT)
        return
    rendered = render.compiled(template)(CONTEXT)
    assert rendered == value
    assert type(rendered) is type(value)


def test_a_tree_keeps_its_shape() -> None:
    """Only strings with templates are rendered; keys, numbers and plain texts stay."""
    tree = {"{{ sha }}": "x", "a": ["{{ n }}", 1, None, {"b": "{{ sha }}!"}], "c": True, "d": "{ sha }"}
    expected = {"{{ sha }}": "x", "a": [3, 1, None, {"b": "1234567!"}], "c": True, "d": "{ sha }"}
    assert render.tree(tree)(CONTEXT) == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ sha", "The template does not compile: unexpected end of template, expected 'end of print statement'"),
        ("{{ }}", "The template does not compile: Expected an expression, got 'end of print statement'"),
        ("{{ a b }}", "The template does not compile: expected token 'end of print statement', got 'b'"),
        ("{{ a ) + ( b }}", "The template does not compile: unexpected ')'"),
        ("{% if x %}", "The template does not compile: Unexpected end of template"),
        ("{{ sha | center }}", "There is no filter `center`"),
        ("{{ sha is pretty }}", "There is no test `pretty`"),
        ("{% if sha is pretty %}{% endif %}", "There is no test `pretty`"),
        ("{% if false %}{{ sha | pretty }}{% endif %}", "There is no filter `pretty`"),
        ("{% for a in list %}{% for b in list %}{% endfor %}{% endfor %}", "A loop in a loop is not available"),
        ("{% for a in list %}{% if a %}{% for b in a %}{% endfor %}{% endif %}{% endfor %}", "A loop in a loop"),
        ("{% macro m() %}{% endmacro %}", "`macro` is not available in rules"),
        ("{% include 'x' %}", "`include` is not available in rules"),
        ("{% import 'x' as y %}", "`import` is not available in rules"),
        ("{% from 'x' import y %}", "`import` is not available in rules"),
        ("{% extends 'x' %}", "`extends` is not available in rules"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "The template is nested too deeply"),
        ("{% if sha %}" * 150 + "{% endif %}" * 150, "The template is nested too deeply"),
    ],
)
def test_what_does_not_compile(template: str, said: str) -> None:
    """A mistake in a template is found when rules are loaded."""
    with pytest.raises(templates.TemplateMistake) as caught:
        render.compiled(template)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{{ record.missing }}", "'dict object' has no attribute 'missing'"),
        ("x {{ record.missing }}", "'dict object' has no attribute 'missing'"),
        ("{{ [record.missing] }}", "its value is no plain data"),
        ("{{ sha if nothing }}", "undefined"),
        ("{{ sha * 1000000000 }}", "`*` is for numbers only"),
        ("{{ n ** 1000000000 }}", "`**` is not available"),
        ("{{ '%0999999d' % n }}", "`%` is not available"),
        ("{{ '{:>999999999}'.format(1) }}", "access to attribute 'format'"),
        ("{{ sha.ljust(999999999) }}", "access to attribute 'ljust'"),
        ("{{ sha.replace('1', branch) }}", "access to attribute 'replace'"),
        ("{{ ''.__class__ }}", "access to attribute '__class__'"),
        ("{{ ''['__class__'].__mro__ }}", "access to attribute '__class__'"),
        ("{{ list.append('x') }}", "access to attribute 'append'"),
        ("{{ range(99999999) | list }}", "range() is limited to 1000 steps"),
        ("{{ range }}", "its value is no plain data"),
        ("{{ sha.upper }}", "its value is no plain data"),
        ("{{ n / 0 }}", "division by zero"),
        ("{{ sha + n }}", "can only concatenate str"),
        ("{{ sha | map('abs') }}", "bad operand type for abs()"),
        ("{{ sha | dictsort }}", "has no attribute 'items'"),
        ("{{ nan | float }}", "it comes to no finite number"),
        ("{{ [1, inf | float] }}", "it comes to no finite number"),
        ("{{ list | join('x' ~ record.big) }}", "undefined"),
        ("{{ big }}", "it comes to more than 65536 characters"),
        ("{{ big }}!", "it comes to more than 65536 characters"),
        ("{{ [big] }}", "it comes to more than 65536 characters"),
        ("{{ big | replace('x', 'xx') }}", "replace() comes to more than 65536 characters"),
        ("{{ deep }}", "its value is no plain data"),
    ],
)
@pytest.mark.threat("S-04")
def test_what_cannot_be_rendered(template: str, said: str) -> None:
    """What is undefined, grows without bound or reaches for Python is a RenderError that names the template."""
    deep: Any = []
    for _ in range(70):
        deep = [deep]
    with pytest.raises(RenderError) as caught:
        render.compiled(template)(CONTEXT | {"big": "x" * 65537, "deep": deep})
    assert said in str(caught.value) or said == "undefined"
    assert str(caught.value).startswith(f"`{template[:60]}")


def test_what_an_error_quotes_is_safe_to_print() -> None:
    """An error's sentence is one short printable line whatever the record holds."""
    with pytest.raises(RenderError) as caught:
        render.compiled("{{ record[x] }}")({"record": {}, "x": "\x1b[2J\u202e\n" * 10_000})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


def test_names_are_those_that_the_context_must_have() -> None:
    """What a template sets or loops over is its own; what it takes is told, conditional or not."""
    template = "{% set a = branch %}{% for x in paths %}{{ x }}{{ a }}{% endfor %}{{ tag | default(ref) }}{{ range(2) }}"
    assert render.names(template) == {"branch", "paths", "tag", "ref"}


HOSTILE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("x" * 100_000) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEMPLATES = [
    f"{{{{ record.x | {name} }}}}" for name in sorted(filters.FILTERS - {"replace", "batch", "slice", "groupby", "map"})
] + [
    "{{ record.x }}",
    "{{ record.x.y.z }}",
    "{{ record.x[0] }}",
    "{{ record.x ~ '!' }}",
    "{{ record.x + 1 }}",
    "{{ record.x > 3 }}",
    "{{ record.x * 3 }}",
    "{{ record.x % 3 }}",
    "{{ -record.x }}",
    "{{ record.x() }}",
    "{{ 'a' in record.x }}",
    "{{ record.x | map('upper') }}",
    "{{ record.x | map(attribute='y') | join }}",
    "{{ record.x | groupby('y') }}",
    "{{ record.x | batch(2) }}",
    "{{ record.x | slice(2) }}",
    "{{ record.x | replace('a', 'b') }}",
    "{{ record.x | indent(record.x) }}",
    "{{ record.x | truncate(record.x) }}",
    "{{ record.x | round(record.x) }}",
    "{{ record.x | short(record.x) }}",
    "{{ record.x | sort(attribute='y') }}",
    "{{ range(record.x) }}",
    "{% for a in record.x %}{{ a }}{% endfor %}",
    "{% for a, b in record.x %}{{ a }}{% endfor %}",
    "{% set a, b = record.x %}{{ a }}",
    "{{ record[record.x] }}",
]


@given(st.sampled_from(TEMPLATES), HOSTILE)
@pytest.mark.threat("S-04")
def test_rendering_raises_render_errors_only(template: str, value: Any) -> None:
    """Whatever a stranger puts into a record, a template gives plain data or a RenderError."""
    said = ""
    try:
        rendered = render.compiled(template)({"record": {"x": value}})
    except RenderError as error:
        rendered, said = None, str(error)
    assert _is_plain(rendered)
    assert said.isprintable()


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_is_plain(inner) for inner in value)
    return value is None or type(value) in (str, bool, int, float)


@given(st.text(st.sampled_from("{}%#ab|'\"() .,-+[]:"), max_size=25))
def test_any_text_compiles_or_is_a_mistake(text: str) -> None:
    """Whatever a rule says, compiling it gives a renderer or a TemplateMistake."""
    with contextlib.suppress(templates.TemplateMistake, RenderError):
        render.names(text)
        render.compiled(text)({"a": "x", "b": [1]})


EXPRESSIONS = [
    "a",
    " a ",
    "a, b",
    "b.c",
    "a ~ '}}' ~ b",
    "b | tojson",
    "{'x': {'y': 1}}",
    "none",
    "not a",
    "a\n ",
    "range(3) | list",
    "missing | default('-')",
    "[a] | join",
]
PARTS = st.one_of(
    st.sampled_from(["x", " ", "\n", "\r\n", "}}", "{", "%}", "\n  y", ""]),
    st.builds(
        lambda left, source, right: "{{" + left + source + right + "}}",
        st.sampled_from(["", "-", " ", "- "]),
        st.sampled_from(EXPRESSIONS),
        st.sampled_from(["", "-", " ", " -"]),
    ),
)


@given(st.lists(PARTS, min_size=1, max_size=5).map("".join))
@example("{{x}}")
def test_expressions_one_by_one_come_to_what_the_template_does(text: str) -> None:
    """A template without statements is rendered in parts, and no blank, line or value is another one for it."""
    try:
        whole = render.environment().from_string(text)
    except TemplateSyntaxError:
        with pytest.raises(templates.TemplateMistake):
            render.compiled(text)
        return
    context = {"a": "one", "b": {"c": 2.5}}
    if "x" in render.names(text):
        with pytest.raises(RenderError, match="undefined"):
            render.compiled("~" + text)(context)
        return
    said = render.compiled("~" + text)(context)
    assert said == "~" + whole.render(context)
    assert render.names(text) == meta.find_undeclared_variables(render.environment().parse(text)) - {"range"}


def test_templates_of_one_context_know_nothing_of_each_other() -> None:
    """They share what Jinja makes of it."""
    given = render.Given({"sha": "6e13e68d", "repo": {"name": "core"}})
    assert render.compiled("{{ sha | upper }}")(given) == "6E13E68D"
    with pytest.raises(RenderError, match="result"):
        render.compiled("{{ result }}")(given)
    assert render.compiled("{{ repo.name | upper }} {{ sha }}")(given) == "CORE 6e13e68d"


@pytest.mark.parametrize("template", ["{{ repo.items }}", "{{ repo.owner }}", "{{ repo.name.first }}", "{{ nothing }}"])
def test_a_path_that_leads_to_no_text_is_what_jinja_says(template: str) -> None:
    """The short way is for what is there; a method is no key, whatever the event calls its keys."""
    with pytest.raises(RenderError):
        render.compiled(template)(render.Given({"repo": {"name": "core", "items": "mine"}}))
