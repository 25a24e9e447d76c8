"""What the analysis must not say: rules whose order is the point, and what cannot be decided."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.core.analysis import analyse
from router.core.problems import Problems
from tests.core.conftest import load


def found(*rules: dict[str, Any], strategy: str = "first") -> list[str]:
    """The codes and the rules that the analysis names, of rules that each say something else."""
    named = [{"name": f"r{number}", "do": [{"note": {"text": str(number)}}], **rule} for number, rule in enumerate(rules)]
    problems = Problems()
    analyse(load(json.dumps({"strategy": strategy, "rules": named})), problems)
    return [f"{problem.code} {problem.message.split('`')[1]}" for problem in problems.found]


def when(**fields: Any) -> dict[str, Any]:
    return {"when": fields}


SILENT = {
    "a special case first": (when(branch="release/1.*"), when(branch="release/*")),
    "an exception that does nothing": ({**when(paths={"every": "docs/**"}), "do": []}, when(branch="main")),
    "what is left, last": (when(trigger="push", branch="main"), when(trigger="push"), when()),
    "a branch and a tag": (when(trigger="push", branch="**"), when(trigger="push", tag="**")),
    "a push and the end of a ref": (
        when(trigger="push", branch="**"),
        when(nsid="sh.tangled.git.refUpdate", operation="delete"),
    ),
    "two people": (when(repo="@alice.example/*", branch="main"), when(repo="@bob.example/*", branch="dev*")),
    "two people's repos": (when(owner="@alice.example"), when(owner="@bob.example", branch="main")),
    "a handle and a DID": (when(repo="@alice.example/core"), when(repo="did:plc:corecorecorecorecorecore", branch="x")),
    "an expression beyond the everyday": (
        when(**{"$.title": {"regex": "(?i)wip"}}),
        when(**{"$.title": {"regex": "(?i)^wip"}}, branch="main"),
    ),
    "what may be of several values": (when(paths="src/**"), when(paths={"not": "src/**"})),
    "both of several values": (when(all=[{"paths": "src/**"}, {"paths": "docs/**"}]),),
    "statuses that a general rule is not shown": (when(), when(source="spindle")),
    "an absent number, then": (when(**{"$.n": {"lte": 5}}), when(**{"$.n": {"not": {"gt": 5}}})),
    "text where a number is compared": (when(**{"$.n": {"gt": 0}}), when(**{"$.n": "many"})),
    "a handle that may not be resolved": (
        when(any=[{"owner": "@alice.example"}, {"owner": {"not": "@alice.example"}}]),
        {**when(owner={"exists": True}), "do": []},
    ),
    "an nsid of which nothing is known": (when(nsid="com.example.push", trigger="pull_request", paths="src/**", tag="v1"),),
    "an nsid among unknown ones": (when(nsid="sh.tangled.*", paths="src/**", trigger="pull_request"),),
    "other hours": ({**when(), "active": {"between": ["08:00", "20:00"]}}, when(branch="main")),
    "a rule that is off": ({**when(), "mode": "off"}, when(branch="main")),
    "a rule that is off and cannot match": ({**when(branch="a", all=[{"branch": "b"}]), "mode": "off"},),
    "the same thing done": (
        {**when(branch="release/*"), "do": [{"note": {"text": "x"}}]},
        {**when(branch="*/1.0"), "do": [{"note": {"text": "x"}}]},
    ),
    "a dedupe that knows the repo": ({**when(trigger="push"), "dedupe": {"key": "{{ repo.did }}", "within": "1m"}},),
    "a dedupe that knows owner and name": (
        {**when(trigger="push"), "dedupe": {"key": "{{ repo.owner }}/{{ repo.name }}", "within": "1m"}},
    ),
    "a dedupe by commit": ({**when(trigger="push"), "dedupe": {"key": "{{ sha }}", "within": "1m"}},),
    "a dedupe within one repo": ({**when(repo="@alice.example/core"), "dedupe": {"key": "{{ branch }}", "within": "1m"}},),
    "a dedupe of a schedule": ({**when(trigger="schedule"), "dedupe": {"within": "1m"}},),
    "a dedupe of a source of the operator's": ({**when(source="nightly"), "dedupe": {"within": "1m"}},),
    "a queue for all": ({**when(trigger="push"), "concurrency": {"group": "one at a time"}},),
    "a throttle for all": ({**when(trigger="push"), "throttle": {"limit": 5, "per": "1m"}},),
}


@pytest.mark.parametrize("name", SILENT)
def test_it_is_silent(name: str) -> None:
    """Rules that say what they mean are left alone."""
    assert found(*SILENT[name]) == []


TOLD = {
    "a canary takes what it matches": (
        ({**when(), "mode": {"canary": "10%"}}, when(branch="main")),
        ["R061 r1"],
    ),
    "a shadow takes what it matches": (({**when(), "mode": "shadow"}, when(branch="main")), ["R061 r1"]),
    "the same hours": (
        (
            {**when(), "active": {"between": ["08:00", "20:00"]}},
            {**when(branch="main"), "active": {"between": ["08:00", "20:00"]}},
        ),
        ["R061 r1"],
    ),
    "a list within a list": ((when(branch=["a", "b", "c*"]), when(branch=["cc", "b"])), ["R061 r1"]),
    "one's own handle": ((when(owner="@alice.example"), when(owner="@alice.example", branch="x")), ["R061 r1"]),
    "a repo among its owner's": ((when(repo="@alice.example/*"), when(repo="@alice.example/core")), ["R061 r1"]),
    "a repo among several": ((when(repo=["@a.example/x", "@a.example/y*"]), when(repo="@a.example/yy")), ["R061 r1"]),
    "the paths of a pull request": ((when(nsid="sh.tangled.repo.pull", paths="src/**"),), ["R060 r0"]),
    "a workflow of a repo": ((when(nsid="sh.tangled.repo", workflow="ci"),), ["R060 r0"]),
    "a repo's schedule": ((when(trigger="schedule", repo="@alice.example/core"),), ["R060 r0"]),
    "a failed pull request": ((when(nsid="sh.tangled.repo.pull", status="failed"),), ["R060 r0"]),
    "true and not true": ((when(**{"$.n": True}, all=[{"$.n": {"not": [True, 3]}}]),), ["R060 r0"]),
    "a handle that is and is not": ((when(owner="@alice.example", all=[{"owner": {"not": "@alice.example"}}]),), ["R060 r0"]),
    "every path, and one that is another": (
        (when(paths={"every": "docs/**", "any": "src/**"}),),
        ["R060 r0"],
    ),
    "a network within a network": (
        (when(**{"$.ip": {"cidr": "10.0.0.0/8"}}), when(**{"$.ip": {"cidr": "10.1.0.0/16"}})),
        ["R061 r1"],
    ),
    "a time within a time": (
        (when(**{"$.at": {"after": "2026-01-01T00:00:00Z"}}), when(**{"$.at": {"after": "2026-06-01T00:00:00+02:00"}})),
        ["R061 r1"],
    ),
    "an expression within a prefix": ((when(tag={"prefix": "v"}), when(tag={"regex": r"^v\d+\.\d+$"})), ["R061 r1"]),
    "another case of the same": (
        (when(branch={"equals_ignore_case": "main"}), when(branch=["MAIN", "Main"])),
        ["R061 r1"],
    ),
    "a rule and its opposite leave nothing": ((when(branch="a*"), when(branch={"not": "a*"}), when()), ["R061 r2"]),
    "under all": ((when(branch="main", tag="v1"), when(), when()), ["R060 r0"]),
}


@pytest.mark.parametrize("name", TOLD)
def test_it_tells(name: str) -> None:
    """Rules that never act are told of, however they are written."""
    rules, expected = TOLD[name]
    assert found(*rules, strategy="all" if name == "under all" else "first") == expected


def test_an_off_rule_hides_nothing_and_a_hidden_one_is_not_blamed() -> None:
    """What never acts is not given as the reason for another's silence."""
    assert found(when(branch="m*"), when(branch="ma*"), when(branch="mai*")) == ["R061 r1", "R061 r2"]
    problems = Problems()
    texts = [{"name": name, "when": {"branch": glob}, "do": []} for name, glob in (("a", "m*"), ("b", "ma*"), ("c", "mai*"))]
    analyse(load(json.dumps({"strategy": "first", "rules": texts})), problems)
    assert ["`b`" in problem.message for problem in problems.found] == [True, False]


def test_progress_is_told_for_each_rule() -> None:
    """Whoever waits for ten thousand rules sees them pass."""
    steps: list[int] = []
    analyse(
        load('{"rules": [{"name": "a", "do": []}, {"name": "b", "mode": "off", "do": []}]}'),
        Problems(),
        lambda: steps.append(1),
    )
    assert len(steps) == 2


def test_thousands_of_rules_for_as_many_repos_are_not_asked_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that name different repos are never compared, so ten times the rules are ten times the questions."""
    from router.core.analysis import findings  # noqa: PLC0415 - patched here only

    asked: list[object] = []

    def may_be(*formulas: object) -> bool:
        asked.append(formulas)
        return True

    monkeypatch.setattr(findings, "may_be", may_be)
    rules = [when(repo=f"@alice.example/r{number}", branch=f"b{number % 7}*") for number in range(300)]
    assert found(*rules) == []
    assert len(asked) == 300


def test_an_analysis_takes_so_many_steps_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that would take minutes to compare are not decided, and nothing else is limited by that."""
    from router.core.analysis import findings, texts  # noqa: PLC0415 - patched here only

    rules = [when(branch="*[xy]*/seldom-seen"), when(branch="seldom*/*[dxz]*")]
    monkeypatch.setattr(findings, "_MOST_STEPS", 3)
    assert found(*rules) == []
    assert texts.effort.left > 1_000_000
    monkeypatch.undo()
    assert found(*rules) == ["R062 r0"]
