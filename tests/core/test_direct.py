"""What is rendered without Jinja comes to what Jinja makes of it, and is paid for alike."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.core import direct, fused, plain, render, work
from router.core.errors import RenderError
from router.core.filters import MAX_TEXT
from router.core.render import Given
from router.core.templates import TemplateMistake, is_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.core.templates import Renderer

_NAMES = ("sha", "repo.name", "repo.at.path", "repo", "number", "nothing", "repo.none", "sha.x", "repo.items", "none.x", "long")
_FILTERS = ("", " | short", "|lower", " | upper", "|trim", " | slug", "|string", " | default('d x')", ' | d("") | upper')
_USES = st.builds(lambda name, more: "{{ " + name + more + " }}", st.sampled_from(_NAMES), st.sampled_from(_FILTERS))
_PLAIN = st.lists(st.one_of(_USES, st.sampled_from(["x", " ", "\n", "}", "é/"])), min_size=1, max_size=5).map("".join)
_CONTEXT: dict[str, Any] = {
    "sha": " 6E13e68dß ",
    "repo": {"name": "core", "at": {"path": "a b"}, "none": None, "items": "x"},
    "number": 7,
    "long": "é " * 40_000,
}
_USUAL = ("{{ sha }}", "{{ repo.name }}", "{{ repo.owner | default('?') }}", "{{ sha | short }} of {{ repo.name | upper }}")


def outcome(made: Callable[[], Any]) -> tuple[object, int]:
    """What it comes to, and what it cost."""
    with work.bounded(work.EVENT):
        before = work.left()
        try:
            found: object = made()
        except RenderError as error:
            return str(error), 0
        return found, before - work.left()


@settings(max_examples=300, deadline=None)
@given(text=_PLAIN)
@example("{{ long | short }}")
@example("{{ long }}")
@example("{{ repo.none | default('x') }}")
@example("{{ repo.name.x | default('x') }}")
@example("{{ sha | short | slug | upper | lower }}{{ sha }}")
def test_it_is_what_jinja_makes_of_it(text: str) -> None:
    """Values and errors alike; and no template is cheaper for it, but by the rounding of what it puts together."""
    quick, quick_cost = outcome(lambda: render.compiled(text)(_CONTEXT))
    slow, slow_cost = outcome(lambda: render.by_jinja(text)(_CONTEXT))
    assert quick == slow
    assert type(quick) is type(slow)
    assert quick_cost >= slow_cost - 5


def _never(context: Any) -> Any:
    raise AssertionError(f"Jinja was asked, with {len(context)} names.")


def made(text: str, otherwise: Renderer = _never) -> Renderer:
    found = direct.renderer(text, otherwise)
    assert found is not None
    return found


@pytest.mark.parametrize("text", _USUAL)
def test_what_is_usual_needs_no_jinja(text: str) -> None:
    made(text)({"sha": "6e13e68d38", "repo": {"name": "core"}})


@pytest.mark.parametrize("text", ["{{ repo.items }}", "{{ repo.keys | d('') }}", "{{ sha }}" * 17, "{{ a + b }}"])
def test_what_may_mean_more_is_left_to_jinja(text: str) -> None:
    """Methods of mappings, and more uses than are surely within the bound of a template."""
    assert direct.renderer(text, _never) is None


@pytest.mark.threat("S-06")
@pytest.mark.parametrize("text", ["{{ a | upper }}", "{{ a }} {{ a }}", "{{ a | lower }}/{{ a | short }}"])
def test_it_is_paid_for(text: str) -> None:
    """Without Jinja as well: what an event has left is not enough for it."""
    with work.bounded(3000), pytest.raises(RenderError, match="too much work"):
        render.compiled(text)({"a": "x" * 30_000})


@pytest.mark.threat("S-06")
def test_no_template_comes_to_more_than_a_text_may_have() -> None:
    half = "x" * (MAX_TEXT // 2)
    assert render.compiled("{{ a }}{{ a }}")({"a": half}) == half * 2
    for text in ("{{ a }}{{ a }}-", "{{ b | upper }}"):
        with pytest.raises(RenderError, match="more than"):
            render.compiled(text)({"a": half, "b": "ß" * MAX_TEXT})


def test_what_is_made_later_is_made_once_and_only_if_it_is_asked_for() -> None:
    """By name, or by whatever asks Jinja."""
    told: list[str] = []

    def make() -> dict[str, str]:
        told.append("made")
        return {"id": "e1"}

    given_ = Given({"sha": "6e13"}, {"event": make})
    assert render.compiled("{{ sha }}")(given_) == "6e13"
    assert told == []
    assert render.compiled("{{ event.id }} {{ event.id }}")(given_) == "e1 e1"
    assert render.compiled("{{ event.id ~ sha }}")(given_) == "e16e13"
    assert told == ["made"]
    assert render.compiled("{{ event.id ~ '!' }}")(Given({}, {"event": make})) == "e1!"


_TREES: st.SearchStrategy[Any] = st.recursive(
    _PLAIN
    | st.sampled_from(["{{ sha }}", "{{ repo.name }}/{{ sha | short }}", "{{ tag | default('it\\'s') }}", "x{y}", 7, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b'", "{c}", "é"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(options=st.dictionaries(st.sampled_from(["url", "json"]), _TREES, min_size=1))
@example({"a": "{{ sha }}{{ tag | d('\"') }}", "b": ["{{ repo.at.path | upper }}", {"c": None}]})
@example({"a": "{{ repo.size | default('?') }} {{ repo.name.x | default('?') }}"})
def test_a_tree_is_what_its_parts_are(options: Any) -> None:
    """Rendered by one function or by one for each part, with the same work; and nothing of one event is in another's."""
    by_parts = render._tree(options)
    for context in (_CONTEXT, _CONTEXT | {"sha": "6e13e68d", "long": "short", "number": "7", "nothing": "", "none": {"x": ""}}):
        quick, cost = outcome(partial(render.tree(options), context))
        slow, by_parts_cost = outcome(partial(by_parts, context))
        assert repr(quick) == repr(slow)
        assert abs(cost - by_parts_cost) <= 64
    assert render.tree(options) is not render.tree(options)


def test_a_tree_of_plain_templates_is_one_function() -> None:
    """It asks nobody else for short texts, and leaves to others what is long, missing or no text."""
    made = fused.renderer({"a": "{{ sha }}", "b": [{"c": "{{ repo.name | d('x') }}!"}], "d": 7}, _never)
    assert made is not None
    assert made({"sha": "6e13", "repo": {}}) == {"a": "6e13", "b": [{"c": "x!"}], "d": 7}
    for odd in ({}, {"sha": 7, "repo": {}}, {"sha": "x" * 1025, "repo": {}}, {"sha": "x", "repo": "core"}):
        with pytest.raises(AssertionError, match="Jinja was asked"):
            made(odd)
    with work.bounded(1), pytest.raises(AssertionError, match="Jinja was asked"):
        made({"sha": "6e13", "repo": {"name": "core"}})


@pytest.mark.parametrize("text", ["{{ a + b }}", "{{ a.items }}", "{{ a }}" * 17, "no template"])
def test_trees_that_are_not_for_it(text: str) -> None:
    assert fused.renderer({"a": text}, _never) is None


@pytest.mark.threat("S-06")
@given(st.text(max_size=12), st.text(max_size=12))
@example("'''", "\\")
@example("{0}", "\ud800\n\r")
def test_texts_of_a_rule_are_only_ever_texts(key: str, text: str) -> None:
    """Whatever a rule's author writes out, nothing of it becomes code."""
    options = {key: [text, text + "{{ sha }}" + text]}
    expected = {key: [text, text + "x" + text]}
    try:
        made = render.tree(options)
    except TemplateMistake:
        return
    if plain.pieces(text + "{{ sha }}" + text) is not None and not is_template(text):
        assert made({"sha": "x"}) == expected
