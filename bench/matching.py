"""Decoding and matching: how the cost of an event grows with the number of rules, beside a bare decode and beside a loop."""

from __future__ import annotations

import fnmatch
import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from bench import mix
from bench.harness import Row, ratio, side_by_side
from router.core import match
from router.core.view import View
from router.engine import heap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from router.core.model import Event

SIZES = (10, 100, 1_000, 10_000, 100_000)
COUNT = 2000


def rows() -> Iterator[Row]:
    given = {size: mix.frames(size, COUNT) for size in SIZES}
    for size in SIZES:
        assert mix.match_all(given[size], mix.book(size)) == COUNT // 2, size
    # As the router does once its rules are read.
    heap.built()
    taken = side_by_side(
        {f"{size:,} rules": lambda size=size: mix.match_all(given[size], mix.book(size)) for size in SIZES},  # type: ignore[misc]
        units=COUNT,
    )
    few, many = taken["10 rules"], taken[f"{SIZES[-1]:,} rules"]
    points = {"decode + match": [(size, taken[f"{size:,} rules"].median * 1e6) for size in SIZES]}
    yield Row("decode + match, 100,000 rules against 10", ratio(many, few), 1.6, sides=taken, points=points, plot="rules")
    yield from _decoding(given[10_000])
    yield from _loop(given[10_000])


def _decoding(given: list[bytes]) -> Iterator[Row]:
    """Nothing is kept on either side: memory that is new for each frame would take as long again as `json.loads` does."""
    book = mix.book(10_000)
    sides: dict[str, Callable[[], Any]] = {
        "decode + match": lambda: mix.match_all(given, book),
        "json.loads": lambda: deque(map(json.loads, given), maxlen=0),
        "msgspec.json.decode": lambda: deque(map(msgspec.json.decode, given), maxlen=0),
    }
    taken = side_by_side(sides, units=COUNT)
    bare = "json.loads"
    against = f"{ratio(taken['decode + match'], taken['msgspec.json.decode']):.2f} times msgspec's bare decode"
    yield Row(
        "decode + match, 10,000 rules, against a bare json.loads",
        ratio(taken["decode + match"], taken[bare]),
        2.2,
        sides=taken,
        note=against,
    )


def _loop(given: list[bytes]) -> Iterator[Row]:
    """What somebody writes who has no index: each rule in turn, its globs compiled."""
    book, events = mix.book(10_000), [mix.heard(frame) for frame in given]
    tests = [_compiled(mix.rule(number)) for number in range(10_000)]
    few = events[:20]
    taken = side_by_side(
        {
            "index": lambda: [match.select(View(event, {}), book) for event in events],
            "loop": lambda: [[number for number, test in enumerate(tests) if test(event)] for event in few],
        },
        rounds=5,
        units={"index": len(events), "loop": len(few)},
    )
    for event in few:
        expected = [rule.name for _, rule in match.select(View(event, {}), book).chosen]
        assert [f"rule-{number}" for number, test in enumerate(tests) if test(event)] == expected
    yield Row(
        "a loop over 10,000 rules with compiled globs, against the index",
        ratio(taken["loop"], taken["index"]),
        300,
        least=True,
        sides=taken,
    )


def _compiled(when: dict[str, Any]) -> Callable[[Event], bool]:
    tests = [_test(key, asked) for key, asked in when.items()]
    return lambda event: all(test(event) for test in tests)


def _test(key: str, asked: Any) -> Callable[[Event], bool]:
    if key == "nsid":
        return lambda event: event.nsid == asked
    if key == "not":
        inner = _compiled(asked)
        return lambda event: not inner(event)
    if key == "repo":
        owner, slash, name = asked.partition("/")
        if not slash:
            return lambda event: event.fields.get("repo", {}).get("did") == asked
        return lambda event: (repo := event.fields.get("repo", {})).get("owner") == owner and repo.get("name") == name
    if key.startswith("$."):
        path, value = key[2:].split("."), _value(asked)
        return lambda event: value(_walk(event.record, path))
    value = _value(asked)
    if key == "paths":
        return lambda event: any(map(value, event.fields.get("paths", ())))
    return lambda event: value(event.fields.get(key))


def _walk(tree: Any, path: list[str]) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _value(asked: Any) -> Callable[[Any], bool]:
    if isinstance(asked, list):
        wanted = [_value(one) for one in asked if not one.startswith("!")]
        without = [_value(one[1:]) for one in asked if one.startswith("!")]
        return lambda value: any(test(value) for test in wanted) and not any(test(value) for test in without)
    if isinstance(asked, dict):
        ((word, inner),) = asked.items()
        test = _value(inner)
        if word == "not":
            return lambda value: not test(value)
        if word == "any":
            return test
        return lambda value: isinstance(value, str) and value.startswith(inner)
    if isinstance(asked, str) and "*" in asked:
        found = re.compile(fnmatch.translate(asked)).match
        return lambda value: isinstance(value, str) and found(value) is not None
    return lambda value: value == asked
