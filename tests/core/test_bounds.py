"""What templates may cost: whatever a stranger puts into a record, rendering ends soon, and says why."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import filters, plan, render, templates, work
from router.core.errors import RenderError
from router.core.model import State
from tests.core.conftest import WHO, load, pushed

#: A frame is at most a mebibyte: the longest text, the longest list and so on that fit.
TEXT = "a" * 1_000_000
RECORD: dict[str, Any] = {
    "text": TEXT,
    "half": "a" * 500_000 + "b",
    "lines": "\n" * 1_000_000,
    "list": [0] * 300_000,
    "texts": ["a" * 10] * 60_000,
    "sorted": ["a" * 1000 + str(number) for number in range(900)],
    "lists": [[[0] * 100] * 100] * 30,
    "map": dict.fromkeys(map(str, range(60_000)), 0),
    "digits": "9" * 4000,
    "hex": "f" * 1_000_000,
    "number": 10**9,
    "large": 10**4000,
    "format": "%0999999999d",
    "key": "k" * 1_000_000,
}
REPEATED = ("text", "half", "lines", "list", "texts", "sorted", "lists", "map", "hex")
BOMBS = [
    # What the reference lists: padding, powers, repetition, ranges, loops.
    *("{{ r.text * 1000000000 }}", "{{ r.list * r.number }}", "{{ 9 ** 9 ** 7 }}", "{{ '%0999999999d' % 1 }}"),
    *("{{ r.text.center(r.number) }}", "{{ r.text | center(1000000000) }}", "{{ r.text.ljust(r.number) }}"),
    *("{{ r.text.zfill(r.number) }}", "{{ '{:>999999999}'.format(1) }}", "{{ r.text.expandtabs(r.number) }}"),
    *("{{ range(r.number) | list }}", "{{ r.number.to_bytes(r.number, 'big') }}", "{{ r.text.encode('idna') }}"),
    "{% for a in r.list %}{% for b in r.list %}x{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "{% call range(3) %}x{% endcall %}",
    # Loops that copy, compare or look through large values each time.
    "{% for a in r.list %}{{ r.text }}{% endfor %}",
    "{% for a in r.list %}{% if a in r.texts %}x{% endif %}{% endfor %}",
    "{% for a in r.texts %}{% if a in r.text %}{% endif %}{% endfor %}",
    "{% for a in r.texts %}{% if r.text ~ a == r.text %}{% endif %}{% endfor %}",
    "{% for a in r.texts %}{% if r.text[1:] == a %}{% endif %}{% endfor %}",
    "{% for a in r.texts %}{% if r.lists == r.lists[1:] %}{% endif %}{% endfor %}",
    "{% for a in r.texts if r.text | upper == a %}{% endfor %}",
    "{% for a in r.texts %}{% if r.text is lower %}{% endif %}{% endfor %}",
    "{% for a in r.texts %}{% if r.text.startswith(r.text) and r.text.count('b') %}{% endif %}{% endfor %}",
    "{% for a in r.texts %}{{ loop.changed(r.lists) }}{% endfor %}",
    "{% set t %}{% for a in r.texts %}{{ r.text }}{% endfor %}{% endset %}{{ t | length }}",
    "{% set t %}{% for a in r.texts %}{{ r.lists }}{% endfor %}{% endset %}{{ t | length }}",
    "{% filter upper %}{% for a in r.texts %}{{ r.text }}{% endfor %}{% endfilter %}",
    "{% set b = [r.list, r.list] %}" + "{% set b = [b, b] %}" * 60 + "{{ b }}",
    *("{{ r.format is odd }}", "{{ r.format is even }}", "{{ r.format is divisibleby(3) }}", "{{ r.format % 3 }}"),
    "{% for a in r.list %}{{ r[r.key] is defined }}{% endfor %}",
    "{% for a in r.list %}{% if r.text | int == 3 or r.text | float == 3 %}{% endif %}{% endfor %}",
    "{% set b = r.text %}" + "{% set b = b ~ b %}" * 30 + "{{ b | length }}",
    "{% set b = r.list %}" + "{% set b = b + b %}" * 30 + "{{ b | length }}",
    "{% set b = r.large %}" + "{% set b = b * b %}" * 30 + "{{ b > 1 }}",
    *("{{ r.hex | int(base=16) * r.hex | int(base=16) > 1 }}", "{{ r.hex | int(base=16) // (r.hex | int(base=16)) }}"),
    # Filters and methods that grow, or look through one text for each character of another.
    *("{{ r.lines | indent(1000) }}", "{{ r.lines | indent(r.text) }}", "{{ 'x' | indent(r.number, true) }}"),
    *("{{ r.list | batch(r.number, 'x') | list }}", "{{ r.list | batch(linecount=r.number, fill_with='x') | list }}"),
    *("{{ [1] | slice(r.number) | list }}", "{{ 1.5 | round(r.number) }}", "{{ 1.5 | round(r.number, 'ceil') }}"),
    *("{{ r.lists | tojson(indent=r.number) }}", "{{ r.lists | tojson(r.text) }}", "{{ r.texts | join(r.text) }}"),
    *("{{ r.text.join(r.texts) }}", "{{ r.texts | map('replace', 'a', r.text) | join }}"),
    *("{{ r.text | replace('a', r.text) }}", "{{ r.texts | sort(attribute=r.text) }}", "{{ r.text | sort | first }}"),
    *("{{ r.text | trim(r.text) }}", "{{ r.text.strip(r.half) }}", "{{ r.text.rfind(r.half) }}", "{{ r.text.rsplit(r.half) }}"),
    *("{{ r.text.rpartition(r.half) }}", "{{ r.text | list | join(',') }}", "{{ r.lists | sum(start=[]) }}"),
    *("{{ r.texts | map('urlencode') | map('upper') | map('lower') | list | length }}", "{{ r.map | dictsort }}"),
    *("{{ r.texts | map('in', r.texts) | list }}", "{{ r.texts | select('in', r.texts) | list }}"),
    *("{{ r.texts | select('in', r.text) | list }}", "{{ r.texts | reject('eq', r.text) | map('default', r.text) | join }}"),
    *("{{ r.sorted | sort | unique | list | length }}", "{{ r.lists | sort }}", "{{ r.list | groupby('x') }}"),
    *("{{ r.map.items() | sort | list }}", "{{ r.map.values() | map('string') | join(r.text) }}", "{{ range(*r.list) }}"),
    *("{{ r[r.key] }}", "{{ r.text | escape | escape | escape }}", "{{ r.lists | string }}", "{{ r }}", "{{ [r, r, r] }}"),
    *("{{ r.texts | wordcount }}", "{{ r.text | wordcount }}", "{{ r.text | title | capitalize }}", "{{ r.digits | int }}"),
]


def tried(template: str, context: Any) -> str:
    """What was said of it. What is not bounded ends by the time that a test may take: these are meant to need ages."""
    try:
        render.compiled(template)(context)
    except (RenderError, templates.TemplateMistake) as error:
        return str(error)
    return ""


@pytest.mark.threat("S-06")
@pytest.mark.fault("T-35")
@pytest.mark.parametrize("template", BOMBS)
def test_bombs(template: str) -> None:
    """Each is over soon, with an answer or with a sentence."""
    assert tried(template, {"r": RECORD}).isprintable()


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.threat("S-06")
@pytest.mark.parametrize("name", sorted(filters.FILTERS - {"d", "count", "e"}))
def test_no_filter_is_a_bomb(name: str) -> None:
    """Of any large value, with any large argument, once and for each item of a list."""
    for value in REPEATED:
        for argument in ("", "(r.text)", "(r.number)", "('a', r.text)"):
            for around in ("{{ %s }}", "{%% for a in r.texts %%}{{ %s | length }}{%% endfor %%}"):
                assert tried(around % f"r.{value} | {name}{argument}", {"r": RECORD}).isprintable()


@pytest.mark.threat("S-06")
@pytest.mark.parametrize("template", [bomb for bomb in BOMBS if "{%" not in bomb or "set t" in bomb])
def test_bombs_need_no_memory(template: str) -> None:
    """What would be too large is not made first."""
    tracemalloc.start()
    try:
        tried(template, {"r": RECORD})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000


@pytest.mark.threat("S-06")
def test_the_same_work_gives_out_at_the_same_place() -> None:
    """It is counted, not timed: no machine renders what another does not."""
    template = render.compiled("{% for a in r %}{{ '' if a in r else a }}{% endfor %}")

    def fits(items: int) -> bool:
        try:
            template({"r": [0] * items})
        except RenderError:
            return False
        return True

    low, high = 1, 100_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    assert 1000 < low < 4000
    assert all(fits(low) and not fits(high) for _ in range(3))


@pytest.mark.threat("S-06")
@pytest.mark.parametrize(
    "template",
    ["{% for a in r %}{% endfor %}x", "{{ r | map('abs') | last }}", "{{ r | reject('none') | first }}", "{{ r | list }}"],
)
def test_every_step_is_paid_for(template: str) -> None:
    """Of a loop that does nothing, and of those that filters make."""
    with pytest.raises(RenderError, match="too much work"):
        render.compiled(template)({"r": [0 if "reject" not in template else None] * 250_000})


@pytest.mark.fault("T-35")
def test_what_is_usual_is_far_from_the_bounds() -> None:
    """A push of a thousand files and a hundred commits, each looked at several times."""
    paths = [f"src/module{number}/file.py" for number in range(1000)]
    commits = [{"message": "a line. " * 100, "author": {"name": "Alice"}} for _ in range(100)]
    text = (
        "{% for path in paths if path.startswith('src/') and not path.endswith('.md') %}"
        "{{ path | upper | truncate(9) }}{% endfor %}"
        "{% for one in commits %}{{ loop.index }} {{ one.message.split('.')[0] | title }} {{ one.author.name }}{% endfor %}"
        "{{ paths | map('replace', '/', '.') | sort | unique | select('in', paths) | list | length }}"
    )
    assert len(render.compiled(text)({"paths": paths, "commits": commits})) > 10_000


@pytest.mark.fault("T-35")
def test_all_templates_of_an_event_share_a_bound() -> None:
    """Many deliveries of one event are no way around it; those that cannot be rendered are dead, and say why."""
    rules = """\
rules:
  - name: heavy
    each: $.x
    do: [{note: {text: "{% for a in record.y %}{{ '' if a in record.y else a }}{% endfor %}{{ item }}"}}]
  - name: light
    do: [{note: {text: "{{ sha }}"}}]
"""
    made = plan.plan(pushed(record={"x": ["a"] * 256, "y": [0] * 1500}), load(rules), WHO)
    states = [delivery.state for delivery in made.deliveries]
    assert State.READY in states
    assert State.DEAD in states
    assert "too much work" in next(one.reason for one in made.deliveries if one.state is State.DEAD)


@pytest.mark.fault("T-35")
def test_a_template_that_fails_takes_no_other_with_it() -> None:
    """Its delivery is dead with the reason; the rule's other steps, and other rules, are made."""
    rules = """\
rules:
  - name: one
    do: [{note: {text: "{{ record.missing }}"}}, {note: {text: "{{ sha }}"}, id: good}]
  - name: two
    do: [{note: {text: "{{ branch }}"}}]
"""
    made = plan.plan(pushed(), load(rules), WHO)
    assert [one.state for one in made.deliveries] == [State.DEAD, State.READY, State.READY]


TREES: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=40) | st.integers(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5),
)


@given(TREES)
def test_weight_is_what_is_there(value: Any) -> None:
    """Each text, member, item and number counts once for every time that it stands there."""

    def weight(one: Any) -> int:
        if isinstance(one, str):
            return 1 + len(one) // 8
        if isinstance(one, dict):
            return 1 + len(one) + sum(map(weight, one)) + sum(map(weight, one.values()))
        return 1 + len(one) + sum(map(weight, one)) if isinstance(one, list) else 1

    assert work.weight(value, 10**9) == weight(value)
