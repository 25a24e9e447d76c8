"""Recorded events without the names that were in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.core import envelope
from router.core.errors import BadFrame
from router.core.identity import DID, HANDLE
from router.scrub import REDACTED, Scrubber

WIRE = Path(__file__).parent / "wire"
ALICE, REPO = "did:plc:alicealicealicealicealic", "did:plc:corecorecorecorecorecore"


def scrubbed(record: dict[str, Any], *keep: str, texts: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    sent = {"nsid": "sh.tangled.git.refUpdate", "record": record, **more}
    found = Scrubber(sent, keep, texts).event(sent)
    assert found == Scrubber(sent, keep, texts).event(sent)
    return found


def test_the_same_value_has_the_same_stand_in_everywhere() -> None:
    """In keys' own values, in URIs, ids and addresses, so that what belonged together still does; and each is well-formed."""
    record = {
        "repo": {"did": REPO, "owner": ALICE, "name": "core", "knot": "knot.acme.dev"},
        "pull": f"at://{ALICE}/sh.tangled.repo.pull/3mvhu2bfpc222",
        "clone": f"https://knot.acme.dev/{ALICE}/core",
        "told": f"see {ALICE}, knot.acme.dev and {REPO}.",
        "handle": "alice.acme.dev",
        "about": "@alice.acme.dev wrote",
    }
    found = scrubbed(record, id=f"{ALICE}/sh.tangled.repo/core@3mvhtzz257j22:create", origin="knot:knot.acme.dev")
    repo, inner = found["record"]["repo"], found["record"]
    alice = repo["owner"]
    assert DID.fullmatch(alice)
    assert len(alice) == len(ALICE)
    assert HANDLE.fullmatch(inner["handle"])
    assert (repo["name"], repo["knot"], found["origin"]) == ("repo1", "knot1.example.com", "knot:knot1.example.com")
    assert inner["pull"] == f"at://{alice}/sh.tangled.repo.pull/3mvhu2bfpc222"
    assert inner["clone"] == f"https://knot1.example.com/{alice}/repo1"
    assert inner["told"] == f"see {alice}, knot1.example.com and {repo['did']}."
    assert inner["about"] == "@alice.example wrote"
    assert found["id"] == f"{alice}/sh.tangled.repo/repo1@3mvhtzz257j22:create"
    assert alice != repo["did"]


def test_people_and_what_they_wrote_are_replaced() -> None:
    """Names, addresses, messages and patches, in lists and below other things; a DID of the web is a host's."""
    record = {
        "author": {"name": "Zoe Quux", "email": "zoe@quux.dev"},
        "commits": [{"message": "Fix Zoe's bug", "authorName": "Zoe Quux"}, {"message": "Fix Zoe's bug"}],
        "byEmail": [{"email": "zoe@quux.dev", "count": 2}],
        "note": "Signed-off-by: zoe@quux.dev",
        "patch": "From: Zoe",
        "spindle": "did:web:ci.quux.dev",
    }
    assert scrubbed(record)["record"] == {
        "author": {"name": "Alice Example", "email": "alice@example.com"},
        "commits": [{"message": "text 1", "authorName": "Alice Example"}, {"message": "text 1"}],
        "byEmail": [{"email": "alice@example.com", "count": 2}],
        "note": "Signed-off-by: alice@example.com",
        "patch": "text 2",
        "spindle": "did:web:knot1.example.com",
    }


def test_what_rules_decide_by_stays() -> None:
    """Refs, paths, commits, times, kinds, workflow names and numbers, also where a repo is called like a branch."""
    record = {
        "ref": "refs/heads/main",
        "newSha": "6e13e68d383190280012b07f7a62f830da739b41",
        "changedFiles": ["main/app.py", "docs/core.md"],
        "repo": {"name": "main", "defaultBranch": "main"},
        "workflows": [{"name": "ci.yml", "raw": "steps: [make]"}],
        "count": 3,
        "forced": False,
        "nothing": None,
    }
    kept = scrubbed(record, id="3n2y3eq2hgk2e", time="2026-11-23T12:00:00Z", source="acme-knot")
    assert kept.pop("record") == {**record, "repo": {"name": "repo1", "defaultBranch": "main"}}
    assert kept["source"] == "acme-knot"


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"webhookSecret": "hunter2"}, {"webhookSecret": REDACTED}),
        ({"headers": {"Authorization": "Bearer x"}}, {"headers": {"Authorization": REDACTED}}),
        ({"api_key": 12345}, {"api_key": REDACTED}),
        ({"token": {"value": "x"}}, {"token": REDACTED}),
        ({"passwords": ["a", "b"]}, {"passwords": [REDACTED, REDACTED]}),
        ({"key": "c3VwZXItc2VjcmV0LXZhbHVlLTk4Nw"}, {"key": REDACTED}),
        ({"key": "environment"}, {"key": "environment"}),
        ({"url": "https://zoe:pw@host.dev/a?sig=1#b"}, {"url": "https://knot1.example.com/a?redacted#b"}),
        ({"raw": "env:\n  API_TOKEN: abc\n  MODE: fast\n"}, {"raw": f"env:\n  API_TOKEN: {REDACTED}\n  MODE: fast\n"}),
        ({"note": f"use ghp_{'a' * 36} here"}, {"note": f"use {REDACTED} here"}),
        ({"note": "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n."}, {"note": f"{REDACTED}\n."}),
    ],
)
def test_what_looks_like_a_secret_is_redacted(record: dict[str, Any], found: dict[str, Any]) -> None:
    """By its key, by what it looks like, and inside of longer texts."""
    assert scrubbed(record)["record"] == found


def test_what_rules_name_stays() -> None:
    """It is in the rule files already, and without it they would not match; a part of a longer name is no name."""
    record = {"repo": {"name": "core", "owner": ALICE, "knot": "knot.acme.dev"}, "sourceRepo": {"name": "co"}}
    texts = (f'rules: [{{when: {{repo: "{ALICE}/core", knot: x.knot.acme.dev}}}}]',)
    assert scrubbed(record, texts=texts)["record"]["repo"] == {"name": "core", "owner": ALICE, "knot": "knot1.example.com"}


def test_what_is_asked_for_stays() -> None:
    """A key with all that is below it, or a value wherever it is."""
    record = {"title": "Fix it", "author": {"name": "Zoe"}, "committer": {"name": "Max"}, "handle": "zoe.dev"}
    kept = scrubbed(record, "title", "committer", "zoe.dev")["record"]
    assert kept == {**record, "author": {"name": "Alice Example"}}


def test_a_stand_in_is_nobody_elses() -> None:
    """An event that speaks of alice.example already does not get a second one."""
    found = scrubbed({"a": {"handle": "zoe.dev"}, "b": {"handle": "alice.example"}})["record"]
    assert found["a"]["handle"] != found["b"]["handle"]


def _events() -> list[object]:
    found: list[object] = []
    for path in sorted(WIRE.glob("*/*.json")):
        try:
            found.append(pytest.param(envelope.event_from(json.loads(path.read_text())), id=path.stem))
        except (BadFrame, AttributeError):
            continue
    return found


@pytest.mark.parametrize("event", _events())
def test_recorded_events_stay_events_and_tell_nobodys_name(event: Any) -> None:
    """Every frame that we have: no DID, host, repo or address of it is left, and rules see the same fields."""
    sent = envelope.event_to(event)
    scrubber = Scrubber(sent, (), ())
    found = scrubber.event(sent)
    text = json.dumps(found)
    for kind, known in scrubber.replaced.items():
        for value in known:
            assert kind == "repo" or value not in text, value
    again = envelope.event_from(found)
    assert (again.nsid, again.kind, again.time, set(again.fields)) == (event.nsid, event.kind, event.time, set(event.fields))
    assert not set(DID.findall(text)) & set(DID.findall(json.dumps(sent)))
