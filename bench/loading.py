"""Loading rules, beside what PyYAML's C loader needs to read the same text as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from bench import mix
from bench.harness import Row, ratio, side_by_side
from router import plugins
from router.core import rules
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.rulebook import Rulebook

#: Rules, and how often they are loaded.
SIZES = {1_000: 3, 10_000: 1, 100_000: 1}
STEP = (
    '- webhook: {url: "https://ci.example.com/hook", json: '
    """{sha: "{{ sha | default('') }}", branch: "{{ branch | default('') }}"}}"""
)


def load(text: str) -> Rulebook:
    """Ready for the first event."""
    problems = Problems()
    book = rules.load([rules.RuleText("mix", "mix.yaml", text)], plugins.OptionModels(), problems)
    assert not problems.errors
    assert book.index.rules
    assert book.topics
    return book


def rows() -> Iterator[Row]:
    points: dict[str, list[tuple[float, float]]] = {"load": [], "yaml.CSafeLoader": []}
    for size, rounds in SIZES.items():
        text = mix.text(size, STEP)
        sides = {
            "load": lambda text=text: load(text),
            "yaml.CSafeLoader": lambda text=text: yaml.load(text, Loader=yaml.CSafeLoader),
        }
        taken = side_by_side(sides, rounds=rounds, warm=False)
        for name, times in taken.items():
            points[name].append((size, times.median))
    yield Row(
        f"load {size:,} rules, against PyYAML's C loader",
        ratio(taken["load"], taken["yaml.CSafeLoader"]),
        4,
        sides=taken,
        unit="s",
        points=points,
        plot="load",
    )
