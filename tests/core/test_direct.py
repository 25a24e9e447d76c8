"""What is rendered without Jinja comes to what Jinja makes of it, and is paid for alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.core import direct, render, work
from router.core.errors import RenderError
from router.core.filters import MAX_TEXT
from router.core.render import Given

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
