"""The script of the demo: what the network says, when, and what a router should make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.model import Tree


@dataclass(frozen=True, slots=True)
class Expect:
    """What should come of a line: the ids of the rules that match, in order, and the last status of every delivery.

    `rules` is None where nobody knows them: whatever is planned has to be done, and whatever is built to be over. `status` is
    None where nothing is built; `bad` says that the line is no event, and must be counted as a bad frame.
    """

    rules: tuple[str, ...] | None = ()
    status: str | None = None
    bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happens: `after` so many seconds, `on` a server. Exactly one of `frame` and `raw` is set.

    A frame lacks what is different at each run (`rkey`, `created`, `time_us`, `rev`): the servers stamp it. Texts in it that
    begin with `$` are filled in: see `filled`. `breaks` is a commit whose build fails.
    """

    after: float
    on: str
    title: str
    frame: Mapping[str, Tree] | None = None
    raw: str | None = None
    breaks: str = ""
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True, slots=True)
class Played:
    """A line that was said. `key` is a text that is in the event's id whatever the router makes of the rest."""

    line: Line
    key: str = ""


def read() -> list[Line]:
    """The script that ships with the router."""
    text = files("router.demo").joinpath("script.jsonl").read_text(encoding="utf-8")
    return [_line(json.loads(row)) for row in text.splitlines() if row]


def for_other_rules(lines: Sequence[Line]) -> list[Line]:
    """The lines for a router with rules of somebody's own, of whom nothing but the end of what they begin is expected."""
    return [replace(line, expect=Expect(rules=None, bad=line.expect.bad)) for line in lines]


def _line(row: dict[str, Tree]) -> Line:
    expect = row.pop("expect", {})
    return Line(**row, expect=Expect(**expect | {"rules": tuple(expect.get("rules", ()))}))


def filled(tree: Tree, values: Mapping[str, str]) -> Tree:
    """The tree with each text that is one of `values`' names (`$now`, `$knot-a`) replaced."""
    if isinstance(tree, dict):
        return {key: filled(value, values) for key, value in tree.items()}
    if isinstance(tree, list):
        return [filled(value, values) for value in tree]
    return values.get(tree, tree) if isinstance(tree, str) else tree
