"""Of which nsids nothing needs to be decoded: no rule may match what they tell, or be about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import match
from router.core.fields import named_fields
from router.core.lexicons import ALL, KNOWN
from router.core.members import present
from router.core.model import Event
from router.core.rulebook import Rulebook
from router.core.view import View
from tests.core.conftest import ALICE, BOB, CORE
from tests.core.test_index import FILES, WHO, load

if TYPE_CHECKING:
    from router.core.model import Tree

STAR, REPO, PULL, PUSH = "sh.tangled.feed.star", "sh.tangled.repo", "sh.tangled.repo.pull", "sh.tangled.git.refUpdate"
NSIDS = sorted({*KNOWN, STAR, "app.bsky.feed.post", "a.b.c"})
SHA = "6e13e68d383190280012b07f7a62f830da739b41"
TEXTS = [ALICE, BOB, CORE, SHA, "main", "refs/heads/main", "refs/tags/v1", f"at://{ALICE}/{REPO}/core", "add", "remove", "push"]
LEAF = st.sampled_from([*TEXTS, "pull_request", "manual", "knot1.example.com", "", 3, None])
SAID = {
    "repo",
    "branch",
    "sha",
    "kind",
    "newSha",
    "oldSha",
    "ref",
    "sourceBranch",
    "targetBranch",
    "sourceSha",
    "did",
    "knot",
    "name",
}
PART = st.dictionaries(st.sampled_from(sorted(SAID)), LEAF, max_size=5)
TRIGGER = st.dictionaries(st.sampled_from(["kind", "repo", "push", "pullRequest", "manual", "sourceRepo"]), LEAF | PART)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("ref", "newSha", "oldSha", "committerDid", "ownerDid", "repoDid", "repoName", "op", "subject"), LEAF),
    **dict.fromkeys(("repo", "name", "knot", "pull", "n", "deep"), LEAF),
    "target": PART,
    "source": PART,
    "changedFiles": st.lists(LEAF, max_size=2),
    "workflows": st.lists(st.fixed_dictionaries({"name": LEAF}), max_size=2),
    "triggerMetadata": TRIGGER,
}
RECORDS = st.fixed_dictionaries({}, optional=MEMBERS)


def told(nsid: str, kind: str, record: Tree, operation: str) -> Event:
    """As a knot or Jetstream tells it."""
    own: dict[str, Any] = {"host": "knot1.example.com"} if kind == "knot" else {"did": ALICE, "operation": operation}
    fields = named_fields(nsid, kind, record, rkey="3mvhu2bfpc222", **own)
    time = 1_795_435_201_000_000
    return Event(origin=kind, id="1", source=kind, kind=kind, nsid=nsid, time=time, record=record, fields=fields)


EVENTS = st.builds(
    told,
    st.sampled_from(NSIDS),
    st.sampled_from(["knot", "jetstream"]),
    RECORDS,
    st.sampled_from(["create", "update", "delete"]),
)


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_no_event_has_more_than_its_kind_may_have(event: Event) -> None:
    """What is demanded of an event and is not in the table of its nsid, it does not have."""
    lexicon = KNOWN.get(event.nsid)
    named = {name for name in present(event.fields) if name not in ("workflows", "old_sha")}
    assert named <= (ALL if lexicon is None else ALL | lexicon.named)
    assert event.fields.get("trigger") in (None, *(lexicon.triggers if lexicon is not None else ()))


@settings(max_examples=300, deadline=None)
@given(file=FILES, events=st.lists(EVENTS, min_size=1, max_size=6), who=WHO)
def test_what_is_not_heeded_leads_to_nothing(file: dict[str, Any], events: list[Event], who: dict[str, str | None]) -> None:
    """Whatever rules there are: no rule matches, none is undecided, and none is about it."""
    rulebook = load(json.dumps(file))
    for event in events:
        if not rulebook.heeds(event.nsid):
            selection = match.select(View(event, who), rulebook)
            assert (selection.chosen, selection.troubles, selection.wanted) == ((), (), False)


def heeded(when: dict[str, Any]) -> list[str]:
    rulebook = load(json.dumps({"rules": [{"name": "r", "when": when, "do": []}]}))
    return [nsid for nsid in (STAR, REPO, PULL, PUSH) if rulebook.heeds(nsid)]


@pytest.mark.parametrize(
    ("when", "nsids"),
    [
        ({"nsid": PULL}, [PULL]),
        ({"nsid": "sh.tangled.repo*"}, [REPO, PULL]),
        ({"trigger": "push"}, [PUSH]),
        ({"trigger": ["push", "pull_request"]}, [PULL, PUSH]),
        ({"trigger": {"not": "push"}}, [STAR, REPO, PULL, PUSH]),
        ({"trigger": "push", "nsid": STAR}, []),
        ({"repo": CORE}, [REPO, PULL, PUSH]),
        ({"branch": "main"}, [PULL, PUSH]),
        ({"branch": {"exists": False}}, [STAR, REPO, PULL, PUSH]),
        ({"actor": ALICE}, [STAR, REPO, PULL, PUSH]),
        ({"$.subject": "x"}, [STAR, REPO, PULL, PUSH]),
        ({"nsid": STAR, "branch": "main"}, [STAR]),
        ({"source": "jetstream", "branch": "main"}, [STAR, REPO, PULL, PUSH]),
        ({"status": "failed"}, []),
        ({"not": {"branch": "main"}}, [STAR, REPO, PULL, PUSH]),
    ],
)
def test_which_nsids_a_rule_asks_for(when: dict[str, Any], nsids: list[str]) -> None:
    """By its nsid, or by what it asks for that only some have; one that may be about anything leaves nothing undecoded."""
    assert heeded(when) == nsids


def test_what_is_remembered_of_nsids_is_bounded() -> None:
    """Strangers choose them."""
    rulebook = Rulebook(load('{"rules": [{"name": "r", "when": {"trigger": "push"}, "do": []}]}').rulesets)
    for number in range(3 * rulebook.REMEMBERED):
        assert not rulebook.heeds(f"a.b.c{number}")
    assert len(rulebook._heeded) <= rulebook.REMEMBERED
