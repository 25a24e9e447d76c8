"""The example that the rule language was designed by: it loads, and it plans what its tests promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.core import match, plan, rules, written
from router.core.model import Event, Plan, State, Status
from router.core.problems import Problems
from router.core.rulebook import Rulebook
from tests.core.conftest import ALICE, BOB, CORE, PROVIDERS, PUSH, SHA

FILE = Path(__file__).parent.parent / "rules" / "design.yaml"
WHO: dict[str, str | None] = {"tangled.org": ALICE}
REPO = {"did": CORE, "owner": ALICE, "name": "core", "knot": "knot1.example.com"}


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    """The file, without a problem."""
    problems = Problems()
    text = rules.RuleText("design", "design.yaml", FILE.read_text(encoding="utf-8"))
    loaded = rules.load([text], PROVIDERS, problems)
    assert [str(found) for found in problems.found] == []
    return loaded


def push(**changed: Any) -> Event:
    """A knot's push to main, as it may be written down; `fields` says what the record does not."""
    fields = {"repo": REPO} | changed.pop("fields", {})
    record = {
        "repo": CORE,
        "ownerDid": ALICE,
        "committerDid": BOB,
        "ref": "refs/heads/main",
        "newSha": SHA,
        "oldSha": "e8ce712530443f70d7f0c8ceb1a049f3f272ccc5",
        "changedFiles": ["src/app.py"],
    } | changed
    sent = {"nsid": PUSH, "knot": "knot1.example.com", "id": "1", "record": record, "fields": fields}
    return written.read(sent, None)


def options(made: Plan) -> list[tuple[str, Any]]:
    return [(delivery.rule.removeprefix("design/"), delivery.options) for delivery in made.deliveries]


BUILD = {"org": "acme", "pipeline": "core", "commit": SHA, "branch": "main", "message": "push to main"}


def test_what_the_file_asks_of_the_world(rulebook: Rulebook) -> None:
    """Its names, its one handle, and what it is wanted for are known at load."""
    assert [rule.id for rule in rulebook.rules] == ["design/docs-only", "design/core-on-buildkite", "design/everything-else"]
    assert rulebook.handles == {"tangled.org"}
    assert not rulebook.asks_for("sh.tangled.pipeline")


def test_a_push_to_main_builds_core_on_buildkite(rulebook: Rulebook) -> None:
    """One build, with its options rendered, and `pending` under the name of the report."""
    made = plan.plan(push(), rulebook, WHO)
    assert options(made) == [("core-on-buildkite", BUILD)]
    (entry,) = made.entries
    assert (entry.workflow, entry.status) == ("ci", Status.PENDING)
    assert made.troubles == ()


def test_a_message_is_taken_where_there_is_one(rulebook: Rulebook) -> None:
    """What the record says goes before the default."""
    made = plan.plan(push(message="Fix it"), rulebook, WHO)
    assert options(made) == [("core-on-buildkite", BUILD | {"message": "Fix it"})]


@pytest.mark.parametrize("ref", ["refs/heads/release/1", "refs/heads/main"])
def test_release_branches_are_built(rulebook: Rulebook, ref: str) -> None:
    """Both of the branches that the rule lists are built under their own names."""
    (delivery,) = plan.plan(push(ref=ref), rulebook, WHO).deliveries
    assert delivery.options["branch"] == ref.removeprefix("refs/heads/")


@pytest.mark.parametrize("files", [["docs/a.md"], ["README.md", "docs/b/c.png"]])
def test_a_docs_push_builds_nothing(rulebook: Rulebook, files: list[str]) -> None:
    """A push that changes documentation alone is matched, and does nothing on purpose."""
    made = plan.plan(push(changedFiles=files), rulebook, WHO)
    assert made == Plan(matched=("design/docs-only",), wanted=True)


def test_a_push_that_changes_docs_and_code_is_built(rulebook: Rulebook) -> None:
    """`every` means every file."""
    assert options(plan.plan(push(changedFiles=["docs/a.md", "a.py"]), rulebook, WHO)) == [("core-on-buildkite", BUILD)]


def test_a_strangers_branch_is_silent_for_the_right_reason(rulebook: Rulebook) -> None:
    """Another branch builds nothing, and `explain` names the branch."""
    given = push(ref="refs/heads/x")
    assert plan.plan(given, rulebook, WHO).deliveries == ()
    verdict = match.explain(given, rulebook, WHO)[1]
    failed = verdict.verdict.failed()
    assert verdict.rule.name == "core-on-buildkite"
    assert failed is not None
    assert (failed.text, failed.saw, failed.place.line) == ('branch: ["main", "release/*"]', '"x"', 16)


@pytest.mark.parametrize(
    ("repo", "who"), [(REPO | {"owner": BOB}, WHO), (REPO | {"name": "other"}, WHO), (REPO, {"tangled.org": None})]
)
def test_another_repo_is_not_core(rulebook: Rulebook, repo: dict[str, str], who: dict[str, str | None]) -> None:
    """Only the repo `core` of whoever `tangled.org` is now is built there."""
    made = plan.plan(push(fields={"repo": repo}), rulebook, who)
    assert made.matched == ("design/everything-else",)


def test_until_the_handle_is_known_nothing_is_decided(rulebook: Rulebook) -> None:
    """While nobody knows who `tangled.org` is, the rule behind must not win by accident."""
    made = plan.plan(push(), rulebook, {})
    assert made.matched == ()
    assert [(trouble.rule, trouble.undecided) for trouble in made.troubles] == [("design/core-on-buildkite", True)]


def test_everything_else_fans_out_over_workflows(rulebook: Rulebook) -> None:
    """One delivery and one status for each workflow that is not nixery's."""
    workflows = [{"name": "ci.yml", "engine": "woodpecker"}, {"name": "nix.yml", "engine": "nixery"}, {"name": "bare.yml"}]
    made = plan.plan(push(ref="refs/heads/x", fields={"workflows": workflows}), rulebook, WHO)
    expected = {"repo": "core", "branch": "x"}
    assert options(made) == [("everything-else", expected), ("everything-else", expected)]
    assert [(entry.workflow, entry.status) for entry in made.entries] == [
        ("ci.yml", Status.PENDING),
        ("bare.yml", Status.PENDING),
    ]
    assert [delivery.item for delivery in made.deliveries] == ["ci.yml", "bare.yml"]
    assert {delivery.state for delivery in made.deliveries} == {State.READY}


def test_a_deleted_branch_builds_nothing(rulebook: Rulebook) -> None:
    """The deletion of a branch is no push."""
    assert plan.plan(push(newSha="0" * 40), rulebook, WHO).matched == ()


def test_a_pull_request_is_not_of_this_nsid(rulebook: Rulebook) -> None:
    """The condition of the defaults goes for every rule of the file."""
    record = {"target": {"branch": "main", "repo": CORE}, "source": {"branch": "x"}}
    given = written.read({"nsid": "sh.tangled.repo.pull", "record": record}, None)
    assert plan.plan(given, rulebook, WHO) == Plan()
