"""What events of each nsid may have: compared with Tangled's lexicons, with recorded frames and with our own statuses."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from router.core import envelope, members
from router.core.errors import BadFrame
from router.core.lexicons import KNOWN
from router.core.model import Entry, Event, Status, changed
from router.core.rulebook import OWN_STATUS
from router.core.shapes import ANYTHING, Shape, along
from router.engine import echo
from router.engine.store.base import Told
from router.spindle.complete import with_repo
from router.spindle.roster import Repo
from tests.core.conftest import ALICE, BOB, SHA

ROOT = Path(__file__).parent.parent
LEXICONS = {path.stem: json.loads(path.read_bytes()) for path in sorted((ROOT / "lexicons").glob("*.json"))}
PULL, COLLABORATOR = "sh.tangled.repo.pull", "sh.tangled.repo.collaborator"
DID = "did:plc:" + "r" * 24
Way = tuple[str | int | None, ...]

#: Records of shapes that no recorded frame has, of knots and of accounts.
OF_KNOTS: list[tuple[str, dict[str, Any]]] = [
    ("sh.tangled.pipeline", {"triggerMetadata": {"kind": "push", "push": {"ref": "refs/tags/v1", "newSha": SHA}}}),
    ("sh.tangled.pipeline", {"workflows": [{"name": "a", "raw": "router: {log: {a: 1}}"}, {"name": "b", "raw": "router: 3"}]}),
]
OF_ACCOUNTS: list[tuple[str, dict[str, Any]]] = [
    (PULL, {"target": {"repo": f"at://{ALICE}/sh.tangled.repo/core"}, "source": {"sha": SHA}, "patch": "From"}),
    (COLLABORATOR, {"repo": f"at://{ALICE}/sh.tangled.repo/core"}),
    ("sh.tangled.spindle", {"createdAt": "2026-01-01T00:00:00Z"}),
]
#: Where the repo is named by its DID alone, the engine asks the knot for these.
ASKED_FOR: dict[str, set[Way]] = {"sh.tangled.repo.collaboratorUpdate": {("owner",), ("repo", "owner"), ("repo", "name")}}


def frames() -> Iterator[Event]:
    for path in sorted((ROOT / "wire").glob("[jk]*/*.json")):
        try:
            yield envelope.event_from(json.loads(path.read_bytes()))
        except BadFrame:
            assert path.stem == "jetstream_options_update"


def made() -> Iterator[Event]:
    for nsid, record in OF_KNOTS:
        yield envelope.event_from({"nsid": nsid, "record": record, "knot": "knot1.example.com"})
    for nsid, record in OF_ACCOUNTS:
        yield envelope.event_from({"nsid": nsid, "record": record, "did": BOB, "operation": "create", "rkey": "a"})
    yield envelope.event_from({"nsid": "router.schedule.fire", "record": {"anything": 1}})


def completed(event: Event) -> Event:
    """A trigger with all that a spindle may add to it, of whichever way it takes."""
    repo = Repo(did=DID, owner=ALICE, name="core", knot="knot1.example.com", rkey="core")
    workflow = {
        "name": "ci.yml",
        "engine": "tack",
        "clone": {"skip": False, "depth": 1, "submodules": True, "tags": True},
        "raw": "tack: {log: {a: 1}}",
    }
    pulled = {"branch": "a", "target_branch": "main", "sha": SHA, "pull": "at://did:plc:a/sh.tangled.repo.pull/b", "actor": BOB}
    added: dict[str, Any] = {
        "pipeline": {"id": "3mabc", "uri": "at://did:web:knot1.example.com/sh.tangled.pipeline/3mabc", "knot": "k", "key": "a"},
        "workflows": [*(members.workflows([workflow]) or []), {"name": "b.yml", "fault": "No."}],
        "inputs": {"to": "production"},
        "trust": "member",
        "action": "opened",
        "source_repo": DID,
        "approval": "needed",
    }
    if event.nsid != "sh.tangled.git.refUpdate":
        added |= {"trigger": "pull_request", **pulled}
    fields = {**event.fields, **added}
    fields["repo"] = {**(fields.get("repo") or {}), "default_branch": "main"}
    return with_repo(changed(event, fields=fields), repo, "https://knot1.example.com")


def triggers() -> Iterator[Event]:
    """What a spindle makes of triggers before rules see them; and of what it is asked for, in both of its kinds."""
    for event in [*frames(), *made()]:
        if event.nsid in ("sh.tangled.git.refUpdate", "sh.tangled.pipeline", PULL, f"{PULL}.status"):
            yield completed(event)
    manual = {
        "$type": "sh.tangled.ci.trigger#manual",
        "sha": SHA,
        "ref": "refs/heads/main",
        "inputs": [{"key": "a", "value": "b"}],
    }
    pull = {
        "$type": "sh.tangled.ci.trigger#pullRequest",
        "sourceSha": SHA,
        "sourceBranch": "a",
        "targetBranch": "main",
        "sourceRepo": DID,
        "pull": "at://did:plc:a/sh.tangled.repo.pull/b",
        "action": "opened",
    }
    for trigger, fields in (
        (manual, {"trigger": "manual", "sha": SHA, "ref": "refs/heads/main", "branch": "main"}),
        (manual, {"trigger": "manual", "sha": SHA, "ref": "refs/tags/v1", "tag": "v1"}),
        (pull, {"trigger": "pull_request"}),
    ):
        record = {"repo": DID, "trigger": trigger, "workflows": ["ci.yml"]}
        event = Event(
            origin="xrpc",
            id="a",
            source="xrpc",
            kind="xrpc",
            nsid="sh.tangled.ci.triggerPipeline",
            time=1,
            record=record,
            fields={"actor": BOB, **fields},
        )
        yield completed(event) if fields["trigger"] != "manual" else event


def statuses() -> Iterator[Event]:
    """Our own, of everything: with whatever a status may say, and what it takes over from the event that it came of."""
    entry = Entry(delivery="d", workflow="ci", status=Status.FAILED, at=0, error="no", exit_code=1, url="https://x.example")
    for number, cause in enumerate([*frames(), *made(), *triggers()]):
        told = Told(number=number, entry=entry, rule="a/b", event=cause, previous=Status.SUCCESS, outdated=True)
        if cause.nsid != OWN_STATUS:
            yield echo._event(told)


EVENTS = [*frames(), *made(), *triggers(), *statuses()]


def ways(value: Any) -> Iterator[Way]:
    """Every way into a value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield (name,)
            yield from ((name, *rest) for rest in ways(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from ((None, *rest) for rest in ways(inner))


def described(nsid: str, value: Any) -> Iterator[Way]:
    """Every way into what a lexicon describes."""
    kind = value.get("type")
    if kind == "ref":
        lexicon, _, name = value["ref"].rpartition("#")
        yield from described(nsid, LEXICONS[lexicon or nsid]["defs"][name])
    elif kind == "record":
        yield from described(nsid, value["record"])
    elif kind == "array":
        yield from ((None, *rest) for rest in described(nsid, value["items"]))
    for name, inner in value.get("properties", {}).items() if kind == "object" else ():
        yield (name,)
        yield from ((name, *rest) for rest in described(nsid, inner))


def shaped(shape: Shape) -> Iterator[Way]:
    """Every way into a shape."""
    if isinstance(shape, dict):
        for name, inner in shape.items():
            yield (name,)
            yield from ((name, *rest) for rest in shaped(inner))
    elif isinstance(shape, list):
        yield from ((None, *rest) for rest in shaped(shape[0]))


def seen(part: str) -> dict[str, set[Way]]:
    """What events have in their `record` or `fields`, by nsid."""
    found: dict[str, set[Way]] = defaultdict(set)
    for event in EVENTS:
        found[event.nsid] |= set(ways(getattr(event, part)))
    return found


@pytest.mark.parametrize("nsid", LEXICONS)
def test_every_name_of_a_lexicon_is_known(nsid: str) -> None:
    """Whatever a lexicon describes may be written in a rule."""
    described_ways = set(described(nsid, LEXICONS[nsid]["defs"]["main"]))
    assert described_ways
    assert {way for way in described_ways if along(KNOWN[nsid].record, way) is None} == set()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.nsid} {event.id}"[:60])
def test_every_name_that_was_ever_sent_is_known(event: Event) -> None:
    """Of no event of any generation is a name called unknown: neither of its record nor of its named fields."""
    known = KNOWN[event.nsid]
    assert {way for way in ways(event.record) if along(known.record, way) is None} == set()
    assert {way for way in ways(event.fields) if along(known.fields, way) is None} == set()


@pytest.mark.parametrize("nsid", KNOWN)
def test_a_named_field_is_known_only_where_events_have_it(nsid: str) -> None:
    """The table says no more than `fields` gives: each named field that it lists is had by some event."""
    assert set(shaped(KNOWN[nsid].fields)) - seen("fields")[nsid] == ASKED_FOR.get(nsid, set())


@pytest.mark.parametrize("nsid", [nsid for nsid in KNOWN if KNOWN[nsid].record is not ANYTHING])
def test_a_name_is_known_only_where_somebody_sends_it(nsid: str) -> None:
    """The table says no more of records than lexicons and recorded frames."""
    lexicon = set(described(nsid, LEXICONS[nsid]["defs"]["main"])) if nsid in LEXICONS else set()
    sent = seen("record")[nsid]
    assert set(shaped(KNOWN[nsid].record)) - lexicon - sent - {("$type",)} == set()


def test_triggers_are_those_that_events_have() -> None:
    """Which events have which trigger is what `fields` makes of them."""
    found: dict[str, set[str]] = {nsid: set() for nsid in KNOWN}
    for event in EVENTS:
        found[event.nsid] |= {event.fields["trigger"]} if "trigger" in event.fields else set()
    assert {nsid: set(lexicon.triggers) for nsid, lexicon in KNOWN.items()} == found
