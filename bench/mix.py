"""Rules and events as they might be: every kind of condition, half of the events match one rule.

Rule n is about repo n, or about a branch, a title or an account of its own. Numbers are drawn with a fixed seed.
"""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from router.core import glance, match, rules
from router.core.problems import Problems
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.model import Event
    from router.core.rulebook import Rulebook

SEED = 6
NOW = 1_795_435_201_000_000
SHA, OLD = "6e13e68d383190280012b07f7a62f830da739b41", "9f3b07b7f62a3d1ef2cd4d3d4ec3b0c9d3c77e21"


class Log(BaseModel):
    """A provider's options for rules that are only matched."""

    message: str = ""


def did(number: int, kind: str = "repo") -> str:
    return f"did:plc:{kind}{number:0{24 - len(kind)}}"


def rule(number: int) -> dict[str, Any]:
    """One rule's conditions."""
    kinds: Sequence[Callable[[int], dict[str, Any]]] = (
        lambda n: {"trigger": "push", "repo": did(n), "branch": "main"},
        lambda n: {"trigger": "push", "repo": did(n), "branch": ["release/**", "!release/old/*"], "paths": {"any": "src/**"}},
        lambda n: {"trigger": "pull_request", "repo": f"{did(n, 'own')}/tool-{n}", "$.source.branch": {"not": "wip"}},
        lambda n: {"trigger": "push", "branch": f"feature/{n}-*", "not": {"trust": "member"}},
        lambda n: {"nsid": "sh.tangled.repo.pull", "$.title": {"prefix": f"[{n}] "}, "target_branch": "main"},
        lambda n: {"trigger": "push", "actor": did(n, "who"), "operation": {"not": "create"}, "$.meta.isDefaultRef": True},
    )
    return kinds[number % len(kinds)](number)


def push(number: int, **changed: Any) -> bytes:
    """A frame of a knot."""
    record = {
        "$type": "sh.tangled.git.refUpdate",
        "ref": "refs/heads/main",
        "committerDid": did(number, "who"),
        "repo": did(number),
        "ownerDid": did(number, "own"),
        "newSha": SHA,
        "oldSha": OLD,
        "changedFiles": ["src/app.py", "docs/index.md", "src/lib/a.py"],
        "meta": {
            "isDefaultRef": True,
            "commitCount": {"byEmail": [{"email": "a@example.com", "count": 2}]},
            "langBreakdown": {},
        },
    }
    frame = {"rkey": f"3n2y3{number % 10**8:08}", "nsid": record["$type"], "event": record | changed, "created": NOW * 1000}
    return json.dumps(frame, separators=(",", ":")).encode()


def pull(number: int, **changed: Any) -> bytes:
    """A frame of Jetstream."""
    record = {
        "$type": "sh.tangled.repo.pull",
        "title": f"Mend what {number} broke",
        "body": "It was broken, and this mends it. " * 3,
        "target": {"repo": f"at://{did(number, 'own')}/sh.tangled.repo/tool-{number}", "branch": "main"},
        "source": {"branch": "feature", "sha": SHA},
        "createdAt": "2026-11-22T10:00:00Z",
    }
    commit = {"rev": "3l3qo2vutsw2b", "operation": "create", "collection": record["$type"], "rkey": f"3l3qo{number % 10**8:08}"}
    frame = {
        "did": did(number, "who"),
        "time_us": NOW,
        "kind": "commit",
        "commit": commit | {"record": record | changed, "cid": "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi"},
    }
    return json.dumps(frame, separators=(",", ":")).encode()


_MATCHING: Sequence[Callable[[int], bytes]] = (
    push,
    lambda n: push(n, ref="refs/heads/release/1.2"),
    pull,
    lambda n: push(n + 10**7, ref=f"refs/heads/feature/{n}-colour"),
    lambda n: pull(n + 10**7, title=f"[{n}] Mend it"),
    push,
)


def frames(number_of_rules: int, count: int = 2000) -> list[bytes]:
    """Frames of which every second one matches one of so many rules, drawn at random."""
    draw = random.Random(SEED)
    made: list[bytes] = []
    for at in range(count):
        number = draw.randrange(number_of_rules)
        if at % 2:
            made.append(_MATCHING[number % len(_MATCHING)](number))
        else:
            made.append((push, pull)[at // 2 % 2](number + 10**7))
    return made


def text(number_of_rules: int, steps: str = "- log: {message: it}") -> str:
    """The rules as a file, as somebody writes it."""
    lines = ["rules:"]
    for number in range(number_of_rules):
        lines += [f"  - name: rule-{number}", "    when:"]
        lines += [f"      {key}: {json.dumps(value)}" for key, value in rule(number).items()]
        lines += ["    do:", f"      {steps}"]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=8)
def book(number_of_rules: int) -> Rulebook:
    """The rules, ready for events."""
    problems = Problems()
    made = rules.load([rules.RuleText("mix", "mix.yaml", text(number_of_rules))], {"log": Log}, problems)
    assert not problems.errors, problems.errors[:3]
    assert made.index.rules
    return made


def heard(frame: bytes) -> Event:
    """The event of a frame, as sources make it where it is wanted."""
    if frame.startswith(b'{"did"'):
        made = glance.event_of_commit(glance.jetstream(frame, whole=True), frame, "stream")  # type: ignore[arg-type]
    else:
        made = glance.event_of_knot(glance.knot(frame, whole=True), frame, "knot1", "knot1.example.com")  # type: ignore[arg-type]
    assert made is not None
    return made


def match_all(given: Sequence[bytes], rulebook: Rulebook) -> int:
    """Decode and match; how many rules did."""
    who: dict[str, str | None] = {}
    return sum(len(match.select(View(heard(frame), who), rulebook).chosen) for frame in given)
