"""R034: which rules strangers may set off, by example, and against strangers' events as they really look."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import rules
from router.core.fields import named_fields
from router.core.problems import Problems
from router.core.truth import Unevaluable
from router.core.view import View
from tests.core.conftest import ALICE, CORE, PROVIDERS, PUSH, SHA, WHO, event

MALLORY = "did:plc:mallorymallorymallorymal"
PULL = "sh.tangled.repo.pull"
COMMAND = "{shell: {argv: [make]}}"
BUILD = "{buildkite: {org: acme, pipeline: core, commit: HEAD, branch: main}}"
MINE = "repo: '@alice.example/core'"


def told(when: str, step: str = COMMAND, **more: str) -> list[str]:
    """What is said of a rule with these conditions (in YAML's flow style) and this step."""
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    problems = Problems()
    text = f"rules: [{{name: it, when: {{{when}}}, do: [{step}]{rest}}}]"
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    assert {found.code for found in problems.found} <= {"R034"}
    return [found.message for found in problems.found]


OPEN_TO_REPOS = [
    "",
    "trigger: push",
    "trigger: push, branch: main",
    "trigger: push, trust: owner",
    "trigger: pull_request, trust: [owner, collaborator]",
    "knot: knot1.example.com, trigger: push",
    "repo: '*'",
    "repo: '*/core', trigger: push",
    "repo: {not: '@alice.example/core'}, trigger: push",
    "owner: {exists: true}, trigger: push",
    "actor: 'did:plc:*'",
    "actor: 'did:web:*'",
    "actor: {not: '@alice.example'}",
    f"any: [{{{MINE}}}, {{branch: main}}], trigger: push",
    "source: nightly",
    "source: {not: jetstream}",
    "trigger: manual",
]
OPEN_TO_PULLS = [
    MINE,
    f"{MINE}, branch: main",
    f"{MINE}, target_branch: main",
    f"{MINE}, trigger: [push, pull_request]",
    f"{MINE}, nsid: sh.tangled.repo.*",
    f"{MINE}, nsid: sh.tangled.pipeline",
    f"{MINE}, trigger: {{not: push}}, trust: {{not: unknown}}",
    "owner: '@alice.example'",
    f"any: [{{{MINE}, trigger: pull_request}}, {{actor: '@alice.example'}}]",
]
OPEN_TO_RECORDS = [
    (f"{MINE}, nsid: sh.tangled.repo.collaborator", "Anybody's record that names a collaborator"),
    (f"repo: '{CORE}', nsid: sh.tangled.repo", "Anybody's record that calls a repo theirs"),
]
BOUND = [
    f"{MINE}, trigger: push",
    f"{MINE}, nsid: {PUSH}",
    f"{MINE}, tag: 'v*'",
    f"{MINE}, paths: 'src/**'",
    f"{MINE}, operation: delete",
    f"{MINE}, trigger: manual",
    f"{MINE}, trust: [owner, member, collaborator]",
    f"{MINE}, nsid: {PULL}, not: {{trust: [unknown, contributor]}}",
    f"{MINE}, nsid: sh.tangled.repo",
    "owner: '@alice.example', trigger: push",
    "actor: '@alice.example'",
    f"actor: [{ALICE}, '@bob.example']",
    f"any: [{{{MINE}}}, {{actor: '@bob.example'}}], trigger: push",
    f"all: [{{{MINE}}}, {{trigger: push}}]",
    "trust: member",
    "trigger: schedule",
    "source: schedule",
    "source: nightly, nsid: router.schedule.fire",
    "source: spindle, status: failed",
    "status: failed, branch: main",
]


@pytest.mark.parametrize("when", OPEN_TO_REPOS)
def test_a_command_is_open_to_whoever_has_a_repo(when: str) -> None:
    """Whoever pushes to a repo of their own is its owner, so neither trust nor a branch keeps anybody off the machine."""
    (message,) = told(when)
    assert (
        message
        == "What happens in anybody's repo may match this rule, and `shell` runs on this machine, with the router's rights."
    )


@pytest.mark.parametrize("when", OPEN_TO_PULLS)
def test_a_named_repo_is_open_to_pull_requests(when: str) -> None:
    """A repo that is named still has anybody's pull requests, whichever generation tells of them."""
    (command,), (build,) = told(when), told(when, BUILD)
    assert command == "Anybody's pull request may match this rule, and `shell` runs on this machine, with the router's rights."
    assert build == "Anybody's pull request may match this rule, and `buildkite` starts what has your secrets."


@pytest.mark.parametrize(("when", "who"), OPEN_TO_RECORDS)
def test_records_that_name_a_repo_are_anybodys(when: str, who: str) -> None:
    """A record may name whatever repo its author likes: it must not reach a command, and starts no build of their code."""
    (message,) = told(when)
    assert message.startswith(f"{who} may match this rule")
    assert told(when, BUILD) == []


@pytest.mark.parametrize("when", BOUND)
def test_what_is_bound_is_not_told(when: str) -> None:
    """A rule that only people match whom it names, or schedules, or our own statuses, is nobody's else."""
    assert told(when) == []
    assert told(when, BUILD) == []


@pytest.mark.parametrize("when", ["trigger: push", "source: nightly", "source: my-knot", "tag: 'v*'", "trigger: schedule"])
def test_builds_of_pushes_are_not_told(when: str) -> None:
    """A CI builds what was pushed by whoever may push; a source by its own name is the operator's choice."""
    assert told(when, BUILD) == []


def test_a_step_may_be_bound_by_itself() -> None:
    """`if_trust` binds as `trust` does, and only its own step."""
    both = f"{BUILD[:-1]}, if_trust: [owner, member]}}, {BUILD}"
    assert len(told(MINE, both)) == 1
    assert told(MINE, f"{BUILD[:-1]}, if_trust: [owner, unknown]}}") != []


def test_a_rule_may_be_meant_for_strangers() -> None:
    """`allow_untrusted: true` says so, a rule that is off sets off nothing, and one in shadow will."""
    assert told("", allow_untrusted="true") == []
    assert told("", mode="off") == []
    assert told("", mode="shadow") != []
    assert told("", allow_untrusted="false") != []


def test_a_provider_that_says_nothing_risks_nothing() -> None:
    """Only options that say what they expose are asked about."""
    assert told("", "{note: {}}") == []


def test_a_mistake_in_a_condition_is_told_alone() -> None:
    """A rule whose conditions were not understood is not called open because of it, and the next one is looked at."""
    problems = Problems()
    text = (
        "rules:\n  - {name: a, when: {rpo: x}, do: [{shell: {argv: [make]}}]}\n  - {name: b, do: [{shell: {argv: [make]}}]}\n"
        "  - {name: c, when: {trigger: push}, do: []}\n"
    )
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    assert [(found.code, found.place.line, found.place.column) for found in problems.found] == [
        ("R003", 2, 22),
        ("R034", 3, 21),
    ]


def test_a_mistake_in_the_defaults_is_told_alone() -> None:
    """What the defaults would have bound every rule to is not known, so no rule is called open."""
    problems = Problems()
    text = "defaults: {when: {rpo: x}}\nrules: [{name: a, when: {trigger: push}, do: [{shell: {argv: [make]}}]}]\n"
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    assert [found.code for found in problems.found] == ["R003"]


# -- against events


def strange(nsid: str, kind: str, record: dict[str, Any], operation: str | None = "create") -> View:
    """An event of Mallory's, with the fields that its record really gets."""
    origin: dict[str, Any] = {"host": "knot1.example.com"} if kind == "knot" else {"did": MALLORY, "rkey": "3n2y3epywm22e"}
    fields = named_fields(nsid, kind, record, **origin, operation=None if kind == "knot" else operation)
    return View(event(nsid, kind=kind, source=kind, record=record, **fields), WHO)


OF_PULL: dict[str, Any] = {"repo": {"did": ALICE, "repo": "core", "repoDid": CORE}, "workflows": [{"name": "ci.yaml"}]}
OF_PULL["triggerMetadata"] = {
    "kind": "pull_request",
    "repo": {"did": ALICE, "repo": "core", "repoDid": CORE},
    "pullRequest": {"sourceBranch": "main", "targetBranch": "main", "sourceSha": SHA},
}
AT_ALICE = f"at://{ALICE}/sh.tangled.repo/core"
TARGETS = [{"repo": AT_ALICE, "branch": "main"}, {"repo": CORE, "branch": "main"}]
PULLS = [
    *(strange(PULL, "jetstream", {"target": target, "source": {"branch": "main"}}) for target in TARGETS),
    strange(PULL, "jetstream", {"target": TARGETS[0]}, "update"),
    strange(PULL, "jetstream", {}, "delete"),
    strange("sh.tangled.repo.pull.status", "jetstream", {"pull": f"at://{MALLORY}/{PULL}/3n2y3epywm22e"}),
    strange("sh.tangled.pipeline", "knot", OF_PULL),
]
PUSHED = {"repo": "did:plc:malrepomalrepomalrepomal", "ownerDid": MALLORY, "committerDid": MALLORY, "newSha": SHA}
REPOS = [
    strange(PUSH, "knot", {**PUSHED, "ref": "refs/heads/main", "changedFiles": ["src/app.py"]}),
    strange(PUSH, "knot", {**PUSHED, "ref": "refs/tags/v1"}),
    strange(PUSH, "knot", {**PUSHED, "ref": "refs/heads/main", "newSha": "0" * 40}),
    strange("sh.tangled.pipeline", "knot", {"triggerMetadata": {"kind": "manual", "repo": {"did": MALLORY, "repo": "core"}}}),
    strange("sh.tangled.repo.issue", "jetstream", {"repo": AT_ALICE}),
]
RECORDS = [
    strange("sh.tangled.repo.collaborator", "jetstream", {"repo": AT_ALICE}),
    strange("sh.tangled.repo", "jetstream", {"name": "core", "knot": "knot1.example.com", "repoDid": CORE}),
]
#: What conditions ask of the fields that say whose an event is, and which.
ASKED: dict[str, list[Any]] = {
    "nsid": [PULL, PUSH, "sh.tangled.*", "sh.tangled.pipeline", "sh.tangled.repo", {"suffix": ".collaborator"}],
    "source": ["knot", "jetstream", {"not": "knot"}],
    "trigger": ["push", "pull_request", "manual", {"exists": False}],
    "operation": ["create", "delete"],
    "repo": ["@alice.example/core", "@alice.example/*", CORE, "*/core", "*"],
    "owner": ["@alice.example", ALICE, "did:plc:*"],
    "actor": ["@alice.example", "@bob.example", ALICE, {"exists": False}],
    "trust": ["owner", "member", "collaborator", "contributor", "unknown", {"exists": True}],
    "branch": ["main", {"exists": True}],
    "tag": ["v*"],
}


def question(field: str) -> st.SearchStrategy[Any]:
    plain = st.sampled_from(ASKED[field])
    return plain | st.lists(plain, min_size=1, max_size=2) | plain.map(lambda inner: {"not": inner})


FEW = st.sets(st.sampled_from(sorted(ASKED)), min_size=1, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: question(name) for name in sorted(names)})
)
CONDITIONS = st.recursive(
    FEW,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "any": st.lists(inner, min_size=1, max_size=3),
            "all": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "repo": question("repo"),
            "trigger": question("trigger"),
        },
    ),
    max_leaves=4,
)


@settings(max_examples=500, deadline=None)
@given(CONDITIONS)
def test_no_stranger_sets_off_what_is_called_bound(when: dict[str, Any]) -> None:
    """Whatever of Mallory's matches a rule, the rule is called open, by the providers that it matters to."""
    written = json.dumps(when)[1:-1]
    matching = [[view for view in views if matches(written, view)] for views in (PULLS, [*REPOS, *RECORDS])]
    if any(matching):
        assert told(written)
    if matching[0]:
        assert told(written, BUILD)


def matches(when: str, view: View) -> bool:
    book = rules.load(
        [rules.RuleText("it", "it.yaml", f"rules: [{{name: it, when: {{{when}}}, do: []}}]")], PROVIDERS, Problems()
    )
    try:
        return book.rules[0].when.holds(view)
    except Unevaluable:
        return False
