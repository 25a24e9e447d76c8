"""The judge is judged: it knows what rules ask for, and each way in which what came of it can be wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults import oracle
from tests.faults.oracle import Expected, Seen
from tests.faults.scene import REPOS, Rule, Ruleset, Said

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = (
    Ruleset(
        "builds",
        "first",
        (
            Rule("docs", "nothing", paths=("every", "docs/**")),
            Rule("build", "build", repos=REPOS[:2], branches=("release/*", "main", "!release/old"), workflow="ci"),
            Rule("rest", "build", branches=("d*",), paths=("none", "src/**"), workflow="ci"),
        ),
    ),
    Ruleset(
        "others",
        "all",
        (
            Rule("hook", "hook", paths=("any", "src/**")),
            Rule("tags", "hook", kind="tag"),
            Rule("once", "once", branches=("main",)),
            Rule("often", "often", branches=("main",)),
        ),
    ),
)


def said(ref: str, *files: str, kind: str = "push", repo: int = 0) -> Said:
    return Said(7, kind, REPOS[repo], ref, files)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "rules"),
    [
        (said("refs/heads/main", "src/a.py", "docs/b.md"), {"build", "hook", "once", "often"}),
        (said("refs/heads/main", "docs/b.md"), {"once", "often"}),
        (said("refs/heads/main", "Makefile", repo=5), {"once", "often"}),
        (said("refs/heads/release/7", "Makefile"), {"build"}),
        (said("refs/heads/release/7/hot", "Makefile"), set()),
        (said("refs/heads/release/old", "Makefile"), set()),
        (said("refs/heads/dev", "Makefile", repo=5), {"rest"}),
        (said("refs/heads/dev", "Makefile", "src/a.py", repo=5), {"hook"}),
        (said("refs/tags/v1", kind="tag"), {"tags"}),
        (said("refs/heads/main", kind="deletion"), set()),
        (said("", kind="issue"), set()),
    ],
)
def test_it_knows_what_rules_ask_for(one: Said, rules: set[str]) -> None:
    """First and all, globs within and across segments, exclusions, quantifiers of paths, kinds."""
    assert {rule for rule, _ in oracle.expected([(one, RULES)], ()).deeds} == rules


SHA = f"{8:040x}"
BUILD, HOOK, ONCE, OFTEN = (("build", SHA), ("hook", SHA), ("once", SHA), ("often", SHA))


def world() -> tuple[Expected, Seen]:
    """A build that fails, a webhook and two commands, and all as it should be."""
    wanted = oracle.expected([(said("refs/heads/main", "src/a.py"), RULES)], {SHA})
    seen = Seen(
        builds=[(BUILD, "d1")],
        hooks=[(HOOK, "d2"), (HOOK, "d2")],
        told=[("d1", "failed", "d5")],
        ran=Counter({ONCE: 1, OFTEN: 2}),
        causes={"d1": BUILD, "d2": HOOK, "d3": ONCE, "d4": OFTEN},
        states=dict.fromkeys(("d1", "d2", "d3", "d4", "d5"), "done"),
        statuses={"d1": ["pending", "running", "failed"]},
    )
    return wanted, seen


def test_it_finds_nothing_where_nothing_is_wrong() -> None:
    """Also where a command was cut off and says so, having run or not."""
    wanted, seen = world()
    assert oracle.wrong(wanted, seen) == []
    seen.states["d3"] = "dead"
    assert oracle.wrong(wanted, seen) == []
    del seen.ran[ONCE]
    assert oracle.wrong(wanted, seen) == []


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda seen: seen.builds.append((BUILD, "d1")), "built twice"),
        (lambda seen: seen.builds.clear(), "not built"),
        (lambda seen: seen.builds.append((("rest", SHA), "d9")), "built, and nobody asked"),
        (lambda seen: seen.hooks.clear(), "no webhook"),
        (lambda seen: seen.hooks.append((HOOK, "d9")), "webhook: its id changed"),
        (lambda seen: seen.hooks.append((("hook", "other"), "d2")), "webhook: one id for several"),
        (lambda seen: seen.told.clear(), "an end that nobody was told"),
        (lambda seen: seen.told.append(("d1", "success", "d6")), "told an end that is none"),
        (lambda seen: seen.told.append(("d1", "failed", "d6")), "told: its id changed"),
        (lambda seen: seen.ran.update([ONCE]), "a command that ran twice"),
        (lambda seen: seen.ran.pop(ONCE), "a command that is done and never ran"),
        (lambda seen: seen.ran.pop(OFTEN), "an idempotent command that never ran"),
        (lambda seen: seen.causes.pop("d3"), "no delivery"),
        (lambda seen: seen.causes.update(d9=BUILD), "two deliveries"),
        (lambda seen: seen.states.update(d4="dead"), "not done"),
        (lambda seen: seen.statuses.update(d1=["pending", "running"]), "a status that is not its end"),
        (lambda seen: seen.statuses.update(d1=["running", "pending", "failed"]), "statuses out of order"),
        (lambda seen: seen.statuses.update(d1=["pending", "failed", "failed"]), "statuses out of order"),
    ],
)
def test_it_finds_each_breach(breaks: Callable[[Seen], object], says: str) -> None:
    """One thing is wrong, and it says which."""
    wanted, seen = world()
    breaks(seen)
    assert [found for found in oracle.wrong(wanted, seen) if found.startswith(says)]
