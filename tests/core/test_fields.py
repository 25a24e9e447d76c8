"""The named fields of everything that knots and Jetstream send, from recorded frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import envelope, members, tid, usual, workflows
from router.core.fields import named_fields
from router.core.members import canonical_host

WIRE = Path(__file__).parent.parent / "wire"
KNOT = "knot1.example.com"
OWNER, REPO = "did:plc:bcf5hva3le7u4qexk2iyiajl", "did:plc:5nbfzjybiycs65opjs7yjya6"
STRANGER = "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"
NEW, OLD = "6e13e68d383190280012b07f7a62f830da739b41", "e8ce712530443f70d7f0c8ceb1a049f3f272ccc5"
GREET = "312d5e08bd58c21de18adbc4192d7d20c2a05006"
PULL = f"at://{OWNER}/sh.tangled.repo.pull/3mvhu2bfpc222"

BY_DID = {"knot": KNOT, "did": REPO, "owner": OWNER, "clone_url": f"https://{KNOT}/{REPO}"}
BY_NAME = {"knot": KNOT, "owner": OWNER, "name": "hello-world", "clone_url": f"https://{KNOT}/{OWNER}/hello-world"}
BY_BOTH = BY_DID | {"name": "hello-world", "default_branch": "main"}
FROM_KNOT = {"knot": KNOT, "owner": OWNER}
PUSHED = FROM_KNOT | {"actor": OWNER, "trust": "owner", "trigger": "push"}
MAIN = {"ref": "refs/heads/main", "branch": "main", "sha": NEW, "old_sha": OLD}
GREETED = {"ref": "refs/heads/feature/greet", "branch": "feature/greet", "sha": GREET}
PULLED = {"branch": "feature/greet", "target_branch": "main"}

KNOTS: dict[str, dict[str, Any]] = {
    "knot_refupdate": PUSHED | MAIN | {"operation": "update", "repo": BY_NAME},
    "knot_refupdate_v2": PUSHED
    | MAIN
    | {"operation": "update", "repo": BY_DID, "paths": ["src/app.py", ".tangled/workflows/ci.yml"]},
    "knot_refupdate_v2_skip_ci": PUSHED | MAIN | {"operation": "update", "repo": BY_DID, "paths": ["README.md"]},
    "knot_refupdate_v2_new_branch": PUSHED | GREETED | {"operation": "create", "repo": BY_DID, "paths": ["src/app.py"]},
    "knot_refupdate_v2_minimal_other_knot": PUSHED | GREETED | {"operation": "create", "repo": BY_DID},
    "knot_refupdate_v2_tag": PUSHED
    | {"operation": "create", "repo": BY_DID, "ref": "refs/tags/v1.0.0", "tag": "v1.0.0", "sha": NEW},
    "knot_refupdate_v2_delete": FROM_KNOT
    | {"operation": "delete", "repo": BY_DID, "ref": "refs/heads/feature/greet", "actor": OWNER, "trust": "owner"},
    "knot_pipeline_push": FROM_KNOT | MAIN | {"trigger": "push", "repo": BY_NAME},
    "knot_pipeline_push_v2": FROM_KNOT | MAIN | {"trigger": "push", "repo": BY_BOTH},
    "knot_pipeline_pull_request": FROM_KNOT | PULLED | {"trigger": "pull_request", "repo": BY_NAME, "sha": GREET},
    "knot_pipeline_pull_request_v2": FROM_KNOT
    | PULLED
    | {"trigger": "pull_request", "repo": BY_BOTH, "sha": GREET, "pull": PULL},
    "knot_pipeline_manual": FROM_KNOT | {"trigger": "manual", "repo": BY_NAME},
    "knot_pipeline_manual_v2": FROM_KNOT
    | {"trigger": "manual", "repo": BY_BOTH, "sha": NEW, "ref": "refs/heads/main", "branch": "main"},
    "knot_collaborator_update_v2": {
        "knot": KNOT,
        "operation": "create",
        "repo": {"knot": KNOT, "did": REPO, "clone_url": f"https://{KNOT}/{REPO}"},
    },
    "knot_member_update_v2": {"knot": KNOT, "operation": "create"},
    "knot_did_assign_v2": FROM_KNOT | {"repo": BY_DID | {"name": "hello-world"}},
}
WROTE = {"actor": OWNER, "trust": "unknown"}
OWN = {"actor": OWNER, "owner": OWNER, "trust": "owner"}
OPENED = {"operation": "create", "trigger": "pull_request", "pull": PULL, "repo": {"did": REPO}}
JETSTREAM: dict[str, dict[str, Any]] = {
    "jetstream_repo_create": OWN | {"operation": "create", "repo": BY_NAME},
    "jetstream_repo_create_v2": OWN | {"operation": "create", "repo": BY_DID | {"name": "hello-world"}},
    "jetstream_repo_create_v2_with_cursor": OWN | {"operation": "create", "repo": BY_DID | {"name": "hello-world"}},
    "jetstream_repo_update": OWN | {"operation": "update", "repo": BY_NAME},
    "jetstream_repo_update_unassigned": OWN | {"operation": "update", "repo": BY_NAME},
    "jetstream_repo_update_reassigned": OWN | {"operation": "update", "repo": BY_NAME},
    "jetstream_repo_delete": OWN | {"operation": "delete", "repo": {"owner": OWNER}},
    "jetstream_collaborator_create": OWN | {"operation": "create", "repo": {"owner": OWNER}},
    "jetstream_collaborator_create_v2": WROTE | {"operation": "create", "repo": {"did": REPO}},
    "jetstream_collaborator_delete": WROTE | {"operation": "delete"},
    "jetstream_pull_create_v2": WROTE | PULLED | OPENED,
    "jetstream_identity": WROTE,
    "jetstream_account": WROTE,
    "jetstream_account_deleted": WROTE,
}


def frame(name: str) -> Any:
    """A recorded frame."""
    return json.loads((WIRE / name.partition("_")[0] / f"{name}.json").read_bytes())


def record_of(name: str) -> dict[str, Any]:
    """The record in a frame of a knot."""
    record: dict[str, Any] = frame(name)["event"]
    return record


@pytest.mark.parametrize("name", KNOTS)
def test_what_a_knot_says(name: str) -> None:
    """Every frame of a knot has exactly these named fields, and its workflows beside them."""
    event = envelope.knot(frame(name), source="k", host=KNOT).event
    assert event is not None
    fields = dict(event.fields)
    listed = fields.pop("workflows", None)
    assert fields == KNOTS[name]
    sent = event.record.get("workflows")
    assert listed == (None if sent is None else [item | workflows.asked(item["raw"]) for item in sent])


@pytest.mark.parametrize("name", JETSTREAM)
def test_what_jetstream_says(name: str) -> None:
    """Every frame of Jetstream has exactly these named fields."""
    event = envelope.jetstream(frame(name), source="j").event
    assert event is not None
    assert event.fields == JETSTREAM[name]


@pytest.mark.parametrize("pair", [("knot_refupdate", "knot_refupdate_v2"), ("knot_pipeline_push", "knot_pipeline_push_v2")])
@pytest.mark.acceptance("P-05")
def test_one_push_reads_the_same_in_both_generations(pair: tuple[str, str]) -> None:
    """A push has the same named fields whichever generation tells of it; each says more or less of the repo and the files."""
    older, newer = (envelope.event_from({**frame(name), "knot": KNOT}).fields for name in pair)
    varying = {"repo", "paths", "workflows"}
    assert {key: value for key, value in older.items() if key not in varying} == {
        key: value for key, value in newer.items() if key not in varying
    }
    shared = set(older["repo"]) & set(newer["repo"]) - {"clone_url"}
    assert {"owner", "knot"} <= shared
    assert all(older["repo"][key] == newer["repo"][key] for key in shared)


@pytest.mark.parametrize("nothing", ["", None, "0" * 40, 7, "--upload-pack=x", "main"])
@pytest.mark.acceptance("P-19")
def test_a_ref_without_a_new_commit_is_deleted(nothing: Any) -> None:
    """Zeros, an empty text, nothing at all and what is no commit say that the ref is gone: no rule that builds may match."""
    record = {**record_of("knot_refupdate_v2"), "newSha": nothing}
    if nothing is None:
        del record["newSha"]
    fields = named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT)
    assert fields["operation"] == "delete"
    assert fields["ref"] == "refs/heads/main"
    assert not {"trigger", "branch", "tag", "sha", "old_sha", "paths"} & set(fields)


def test_an_actor_who_is_not_the_owner_is_unknown() -> None:
    """Only the owner's own push is trusted by what a push says."""
    record = {**record_of("knot_refupdate_v2"), "committerDid": STRANGER}
    assert named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT)["trust"] == "unknown"


def test_nobody_is_not_an_actor() -> None:
    """An empty committer is none, and where there is no actor there is no trust either."""
    record = {**record_of("knot_refupdate_v2"), "committerDid": ""}
    fields = named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT)
    assert not {"actor", "trust"} & set(fields)


@pytest.mark.parametrize("name", ["knot_refupdate_v2", "knot_pipeline_push_v2"])
def test_a_record_that_calls_itself_a_push_is_none(name: str) -> None:
    """Anybody may write such a record into their own account: heard from Jetstream it has no trigger, repo or commit."""
    sent = frame(name)
    fields = named_fields(sent["nsid"], "jetstream", sent["event"], did=STRANGER, operation="create", rkey=sent["rkey"])
    assert fields == {"operation": "create", "actor": STRANGER, "trust": "unknown"}


def test_a_knot_cannot_speak_for_an_account() -> None:
    """A repo record that comes from a knot instead of Jetstream says nothing of a repo."""
    record = frame("jetstream_repo_create_v2")["commit"]["record"]
    assert named_fields("sh.tangled.repo", "knot", record, host=KNOT) == {"knot": KNOT}


def test_the_knot_is_the_one_that_was_asked() -> None:
    """A payload that names another knot decides neither the `knot` field nor where to clone from."""
    record = record_of("knot_pipeline_push_v2")
    record["triggerMetadata"]["repo"]["knot"] = "evil.example"
    fields = named_fields("sh.tangled.pipeline", "knot", record, host=KNOT)
    assert fields["knot"] == KNOT
    assert fields["repo"]["knot"] == "evil.example"
    assert fields["repo"]["clone_url"] == f"https://{KNOT}/{REPO}"


@pytest.mark.parametrize("wrong", [None, 3, [], {}, True, ["a", 1], {"a": {}}, "\x00", "not a did"])
@pytest.mark.parametrize("name", sorted(KNOTS))
def test_a_member_of_the_wrong_type_is_absent(name: str, wrong: Any) -> None:
    """Whatever a stranger puts in place of a member, the fields that remain keep their types and none is null."""
    sent = frame(name)
    for key in sent["event"]:
        fields = named_fields(sent["nsid"], "knot", {**sent["event"], key: wrong}, host=KNOT)
        assert None not in fields.values()
        assert all(isinstance(value, str) for key, value in fields.items() if key not in ("repo", "paths", "workflows"))
        assert all(isinstance(value, str) for value in fields.get("repo", {}).values())
        assert all(isinstance(path, str) for path in fields.get("paths", []))


def test_one_wrong_path_makes_all_paths_unknown() -> None:
    """`{every: docs/**}` must not hold because the file that it would not hold for was left out."""
    record = {**record_of("knot_refupdate_v2"), "changedFiles": ["docs/a.md", 7]}
    assert "paths" not in named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT)


def test_a_pull_of_the_older_shape_names_its_commit_and_owner() -> None:
    """In 2025 a pull named its target by the AT-URI of a repo, and its commit."""
    record = {"target": {"repo": f"at://{OWNER}/sh.tangled.repo/3mvfdkqum2222", "branch": "main"}, "source": {"sha": GREET}}
    fields = named_fields("sh.tangled.repo.pull", "jetstream", record, did=STRANGER, operation="create", rkey="3mvhu2bfpc222")
    assert fields["sha"] == GREET
    assert fields["repo"] == {"owner": OWNER}
    assert (fields["owner"], fields["actor"], fields["trust"]) == (OWNER, STRANGER, "unknown")


def test_a_deleted_pull_triggers_nothing() -> None:
    """A pull that goes away is known by its address alone."""
    fields = named_fields("sh.tangled.repo.pull", "jetstream", {}, did=OWNER, operation="delete", rkey="3mvhu2bfpc222")
    assert fields == WROTE | {"operation": "delete", "pull": PULL}


def test_an_unknown_record_has_only_its_envelope() -> None:
    """A record type of tomorrow still has an operation and an actor."""
    fields = named_fields("com.example.thing", "jetstream", {"repo": REPO}, did=OWNER, operation="update", rkey="a")
    assert fields == WROTE | {"operation": "update"}


@pytest.mark.parametrize("name", ["../../etc", "..", "a b", "x" * 101, "a/b", "q?x=1"])
def test_a_name_that_is_no_name_makes_no_address(name: str) -> None:
    """A repo's name reaches a clone URL only where it can be one segment of it."""
    record = {**record_of("knot_refupdate"), "repoName": name}
    assert "clone_url" not in named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT)["repo"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Knot1.Example.com", KNOT),
        ("https://knot1.example.com/", KNOT),
        ("http://localhost:5555", "localhost:5555"),
        ("knot1.example.com/events?cursor=1", None),
        ("user@knot1.example.com", None),
        ("", None),
        (7, None),
    ],
)
def test_a_host_has_one_spelling(text: object, host: str | None) -> None:
    """Knots are compared as text, so scheme and case are gone, and what is no host name is nothing."""
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("3n2y3epywm22e", 1795435201000000),
        ("2222222222222", 0),
        ("3n2y3epywm22", None),
        ("3n2y3epywm2201", None),
        ("zn2y3epywm22e", None),
        ("3N2Y3EPYWM22E", None),
        (7, None),
    ],
)
def test_a_tid_tells_its_time(text: object, micros: int | None) -> None:
    """13 letters of a 32-letter alphabet, the first one small enough that it fits 64 bits; anything else is no TID."""
    assert tid.micros(text) == micros


_ALICE = "did:plc:alicealicealicealicealic"
_BOB = "did:plc:bobbobbobbobbobbobbobbob"
_DIDS = st.sampled_from([_ALICE, _BOB, "did:web:a.example", "did:plc:short", "", None, 3, f"{_ALICE}\n", f"did:plc:{'é' * 24}"])
_SHAS = st.sampled_from(
    ["6e13e68d383190280012b07f7a62f830da739b41", "0" * 40, "0" * 64, "A" * 40, "ab" * 32, "g" * 40, "", None, 1]
)
_PUSHES = st.fixed_dictionaries(
    {},
    optional={
        "committerDid": _DIDS,
        "repo": _DIDS,
        "ownerDid": _DIDS,
        "newSha": _SHAS,
        "oldSha": _SHAS,
        "ref": st.sampled_from(["refs/heads/main", "refs/heads/a\nb", "refs/heads/", "refs/tags/v1", "main", "", None, 1]),
        "changedFiles": st.sampled_from([[], ["a"], ["a", 1], "a", None]),
    },
)
_USUAL = {
    "committerDid": "did:plc:alicealicealicealicealic",
    "repo": "did:plc:corecorecorecorecorecore",
    "ownerDid": "did:plc:bobbobbobbobbobbobbobbob",
    "newSha": "6e13e68d383190280012b07f7a62f830da739b41",
    "oldSha": "9f3b07b7f62a3d1ef2cd4d3d4ec3b0c9d3c77e21",
    "ref": "refs/heads/main",
    "changedFiles": ["a"],
}


@given(_PUSHES, st.booleans())
def test_what_is_read_in_one_go_is_what_its_members_say(changed: dict[str, Any], whole: bool) -> None:  # noqa: FBT001
    """Most pushes are usual, and read by one expression; member by member they say the same, in the same order."""
    record = {**_USUAL, **changed} if whole else changed
    quickly = usual.push(record, KNOT)
    if quickly is not None:
        assert json.dumps(quickly) == json.dumps(named_fields("sh.tangled.git.refUpdate", "knot", record, host=KNOT))


def test_a_usual_push_is_read_in_one_go() -> None:
    assert usual.push(_USUAL, KNOT) is not None


@pytest.mark.parametrize("owner", ["did:plc:alicealicealicealicealic", "did:web:a.example", "alice.example", ""])
@pytest.mark.parametrize("path", ["sh.tangled.repo/", "", "sh.tangled.repo.pull/"])
@pytest.mark.parametrize(
    "name", ["core", "..", ".", "...", "3mvhu2bfpc222", "3mvhu2bfpc222x", "a/b", "a\n", "x" * 101, "é", ""]
)
def test_an_address_of_a_repo_says_the_same_either_way(owner: str, path: str, name: str) -> None:
    uri = f"at://{owner}/{path}{name}"
    quickly = members.by_name(uri)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(usual, "owner_and_name", lambda _repo: None)
        assert members.by_name(uri) == quickly


_USUAL_PULL: dict[str, Any] = {
    "title": "Mend it",
    "target": {"repo": "at://did:plc:bobbobbobbobbobbobbobbob/sh.tangled.repo/core", "branch": "main"},
    "source": {"branch": "feature", "sha": "6e13e68d383190280012b07f7a62f830da739b41"},
}
_ANY: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        3,
        "",
        "main",
        "a\nb",
        {},
        [],
        "did:plc:corecorecorecorecorecore",
        "at://did:plc:bobbobbobbobbobbobbobbob/sh.tangled.repo/core",
        "at://did:web:a.example/sh.tangled.repo/core",
        "at://did:plc:bobbobbobbobbobbobbobbob/sh.tangled.repo/3mvhu2bfpc222",
        "6e13e68d383190280012b07f7a62f830da739b41",
        "6E13E68D383190280012B07F7A62F830DA739B41",
        "6e13e6",
        "0" * 40,
    ]
)
_PART = _ANY | st.fixed_dictionaries({}, optional={"repo": _ANY, "branch": _ANY, "sha": _ANY})
_PULLS = st.fixed_dictionaries({}, optional={"target": _PART, "source": _PART}) | st.builds(
    lambda target, source: {"target": _USUAL_PULL["target"] | target, "source": _USUAL_PULL["source"] | source},
    st.fixed_dictionaries({}, optional={"repo": _ANY, "branch": _ANY}),
    st.fixed_dictionaries({}, optional={"branch": _ANY, "sha": _ANY}),
)


@given(
    _PULLS,
    st.sampled_from(["create", "update", "delete"]),
    st.sampled_from(["did:plc:bobbobbobbobbobbobbobbob", "did:web:a.example"]),
)
def test_a_pull_that_is_read_in_one_go_is_what_its_members_say(changed: dict[str, Any], operation: str, did: str) -> None:
    record = {**_USUAL_PULL, **changed}
    told: dict[str, Any] = {"did": did, "operation": operation, "rkey": "3mvhu2bfpc222"}
    quickly = usual.pull(record, did, operation, "3mvhu2bfpc222") if operation != "delete" else None
    if quickly is not None:
        assert json.dumps(quickly) == json.dumps(named_fields("sh.tangled.repo.pull", "jetstream", record, **told))


@pytest.mark.parametrize("source", [_USUAL_PULL["source"], {"branch": "feature"}])
def test_a_usual_pull_is_read_in_one_go(source: dict[str, str]) -> None:
    """Those of 2025 name a commit; today's do not."""
    assert usual.pull({**_USUAL_PULL, "source": source}, "did:plc:bobbobbobbobbobbobbobbob", "create", "3mv") is not None
