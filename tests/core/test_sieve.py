"""What is left out before it is read matches no rule when it is read, and troubles none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import envelope, glance, match, sieve
from router.core.errors import BadFrame
from router.core.frame import DEEPEST, MOST
from router.core.truth import Identities
from router.core.view import View
from tests.core.conftest import ALICE, BOB, CORE
from tests.core.test_heeds import SHA
from tests.core.test_index import FILES, WHO, load

REPO, PULL = "sh.tangled.repo", "sh.tangled.repo.pull"
STRANGER = "did:plc:strangerstrangerstranger"
MINE = f"at://{ALICE}/{REPO}/core"
LEAF = st.sampled_from(["main", "rel/1", "dev", "x", "", SHA, "0" * 40, 3, None, True])
REPOS = st.sampled_from(
    [MINE, f"at://{BOB}/{REPO}/core", f"at://{STRANGER}/{REPO}/it", f"at://{ALICE}/{REPO}/..", CORE, "", None]
)
PART = st.fixed_dictionaries({}, optional={"repo": REPOS, "branch": LEAF, "sha": LEAF})
USUAL = {
    "title": st.sampled_from(["[1] Mend it", "x", "abcdxyz", "", 7, None]),
    "target": st.fixed_dictionaries({"repo": REPOS, "branch": LEAF}, optional={"sha": LEAF}) | PART,
    "source": st.fixed_dictionaries({"branch": LEAF}, optional={"sha": LEAF, "repo": REPOS}) | PART | LEAF,
    "n": LEAF,
    "deep": LEAF,
}
RECORDS = st.fixed_dictionaries(
    {name: USUAL[name] for name in ("title", "target", "source")}, optional={name: USUAL[name] for name in ("n", "deep")}
) | st.fixed_dictionaries({}, optional=USUAL)
ASKED: dict[str, list[Any]] = {
    "trigger": ["pull_request", "push", ["push", "pull_request"]],
    "nsid": [PULL, "sh.tangled.*", REPO],
    "repo": [f"{ALICE}/core", "@alice.example/core", "@nobody.example/*", f"{BOB}/c*", CORE, "*"],
    "owner": [ALICE, "@alice.example", {"not": BOB}],
    "actor": [BOB, "@carol.example"],
    "branch": ["main", "rel/**", {"not": "main"}],
    "target_branch": ["main", ["rel/**", "!rel/2"]],
    "operation": ["create", {"not": "create"}],
    "trust": ["owner", {"not": "member"}],
    "tag": ["v*", {"exists": False}],
    "source": ["jetstream", "j", "knot"],
    "$.source.sha": [SHA, {"exists": False}],
    "$.title": [{"prefix": "[1] "}, {"suffix": "xyz"}, "x", {"exists": False}, {"gt": 1}],
    "$.source.branch": ["main", {"not": "wip"}, {"exists": False}],
    "$.n": [3, {"gt": 2}],
}
WHEN = st.fixed_dictionaries(
    {"trigger": st.sampled_from(ASKED["trigger"])},
    optional={name: st.sampled_from(asked) for name, asked in ASKED.items() if name != "trigger"},
) | st.fixed_dictionaries({}, optional={name: st.sampled_from(asked) for name, asked in ASKED.items()})
ABOUT_PULLS = st.lists(WHEN.filter(bool), min_size=1, max_size=12).map(
    lambda rules: {"rules": [{"name": f"r{number}", "do": [], "when": when} for number, when in enumerate(rules)]}
)


def frame(record: Any, operation: str = "create", did: str = BOB) -> bytes:
    commit = {"rev": "3l3qo2vutsw2b", "operation": operation, "collection": PULL, "rkey": "3l3qo2vuowo2b", "record": record}
    return json.dumps({"did": did, "time_us": 1_795_435_201_000_000, "kind": "commit", "commit": commit}).encode()


def pull(**changed: Any) -> dict[str, Any]:
    return {
        "title": "Mend it",
        "target": {"repo": f"at://{STRANGER}/{REPO}/it", "branch": "main"},
        "source": {"branch": "x"},
    } | changed


def leaves_out(rules: Any, sent: bytes, who: Identities | None = None) -> bool:
    """Whether it is left out. Then it is an event that no rule matches, and for which every rule is decided."""
    rulebook = load(json.dumps(rules))
    seen, made, who = glance.jetstream(sent), rulebook.sieve(PULL), who or {}
    if seen is None or made is None or not made.leaves_out(who, seen):
        return False
    event = envelope.jetstream(sent, source="j").event
    assert event is not None
    selection = match.select(View(event, who), rulebook)
    assert (selection.chosen, selection.troubles) == ((), ())
    return True


@given(RECORDS, st.sampled_from(["create", "update", "delete"]), st.sampled_from([ALICE, BOB]))
@settings(deadline=None, max_examples=400)
def test_what_is_read_is_what_the_whole_event_has(record: Any, operation: str, did: str) -> None:
    """Of every field that the index is shown."""
    sent = frame(record, operation, did)
    event, seen = envelope.jetstream(sent, source="j").event, glance.jetstream(sent)
    shown: list[View] = []

    class Looking:
        def near(self, view: View) -> list[int]:
            shown.append(view)
            return []

    assert event is not None
    assert seen is not None
    sieve.Sieve(Looking()).leaves_out({}, seen)  # type: ignore[arg-type]
    for view in shown:
        assert view.event.nsid == event.nsid
        assert [view.values(field) for field in sieve.TOLD] == [View(event, {}).values(field) for field in sieve.TOLD]


def about(**when: Any) -> dict[str, Any]:
    return {"rules": [{"name": "it", "do": [], "when": {"trigger": "pull_request", **when}}]}


@given(FILES | ABOUT_PULLS, RECORDS, st.sampled_from(["create", "update", "delete"]), st.sampled_from([ALICE, BOB]), WHO)
@settings(deadline=None, max_examples=400)
def test_what_is_left_out_matches_nothing(rules: Any, record: Any, operation: str, did: str, who: Identities) -> None:
    leaves_out(rules, frame(record, operation, did), who)


@pytest.mark.parametrize(
    "when",
    [
        {"repo": f"{ALICE}/core"},
        {"repo": f"{ALICE}/*", "$.source.branch": {"not": "wip"}},
        {"repo": "@alice.example/core"},
        {"target_branch": "release"},
        {"branch": "rel/**", "trust": "owner"},
        {"$.title": {"prefix": "[1] "}},
        {"actor": ALICE},
        {"tag": "v1"},
    ],
)
def test_a_strangers_pull_is_left_out(when: dict[str, Any]) -> None:
    assert leaves_out(about(**when), frame(pull()), {"alice.example": ALICE})


@pytest.mark.parametrize(
    ("when", "record"),
    [
        ({"repo": f"{ALICE}/core"}, pull(target={"repo": MINE, "branch": "main"})),
        ({"repo": "@nobody.example/it"}, pull()),
        ({"$.n": 3}, pull(n=3)),
        ({"source": "jetstream"}, pull()),
        ({"$.source.sha": SHA}, pull()),
        ({"tag": {"exists": False}}, pull()),
        ({}, pull()),
        ({"repo": f"{ALICE}/core"}, pull(title=3)),
        ({"repo": f"{ALICE}/core"}, pull(target={"repo": CORE, "branch": "main"})),
        ({"repo": f"{ALICE}/core"}, pull(source={"branch": ""})),
        ({"repo": f"{ALICE}/core"}, pull(source=None)),
    ],
)
def test_what_may_match_and_what_is_unusual_is_read_whole(when: dict[str, Any], record: dict[str, Any]) -> None:
    assert not leaves_out(about(**when), frame(record))


def test_what_an_index_within_the_index_asks_for_is_read() -> None:
    """Many rules are about one repo: there the index asks for more than was read."""
    whens = [{"trigger": "pull_request", "repo": f"{ALICE}/core", "$.n": {"gt": number}} for number in range(20)]
    rules = {"rules": [{"name": f"r{number}", "do": [], "when": when} for number, when in enumerate(whens)]}
    assert not leaves_out(rules, frame(pull(target={"repo": MINE, "branch": "main"}, n=7)))
    assert leaves_out(rules, frame(pull()))


def test_what_is_deleted_is_read() -> None:
    assert not leaves_out(about(repo=f"{ALICE}/core"), frame(pull(), "delete"))


def test_bounds_on_what_decoding_makes_are_not_looked_at() -> None:
    """As with the records of kinds that nobody asks for: nothing is made of the other members."""
    rulebook = load(json.dumps(about(repo=f"{ALICE}/core")))
    made, deep = rulebook.sieve(PULL), "[" * DEEPEST + "]" * DEEPEST
    assert made is not None
    for odd in (deep, json.dumps([0] * MOST), "1e999"):
        sent = frame(pull(n="HERE")).replace(b'"HERE"', odd.encode())
        seen = glance.jetstream(sent)
        assert seen is not None
        assert made.leaves_out({}, seen)
        with pytest.raises(BadFrame):
            envelope.jetstream(sent, source="j")


def test_names_said_twice_mean_the_last() -> None:
    rules = about(repo=f"{ALICE}/core")
    mine, other = (
        json.dumps({"repo": MINE, "branch": "main"}),
        json.dumps({"repo": f"at://{STRANGER}/{REPO}/it", "branch": "main"}),
    )
    sent = frame(pull(target="HERE"))
    assert not leaves_out(rules, sent.replace(b'"HERE"', f'{other}, "target": {mine}'.encode()))
    assert leaves_out(rules, sent.replace(b'"HERE"', f'{mine}, "targ\\u0065t": {other}'.encode()))
    assert not leaves_out(
        rules, frame(pull()).replace(STRANGER.encode(), ALICE.replace("a", "\\u0061").encode()).replace(b"/it", b"/core")
    )


def test_other_kinds_are_read() -> None:
    assert load(json.dumps(about(repo=f"{ALICE}/core"))).sieve("sh.tangled.git.refUpdate") is None
