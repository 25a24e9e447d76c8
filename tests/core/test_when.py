"""A workflow file runs for exactly what Tangled would run it for."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.when import Occasion, compile_file

PUSH = Occasion(kind="push", branch="main", paths=("src/a.py",))
TAG = Occasion(kind="push", tag="v1.10", paths=())
PULL = Occasion(kind="pull_request", branch="fix", target_branch="main", action="opened")


def runs(when: str, occasion: Occasion) -> bool:
    found = compile_file("ci.yml", f"when:{when}\nengine: tack\n", occasion)
    assert found.fault == ""
    return found.runs


@pytest.mark.parametrize(
    ("when", "push", "tag", "pull"),
    [
        (" []", True, True, True),
        ("", True, True, True),
        (" [{event: push, branch: main}]", True, False, False),
        (" [{event: [push, pull_request], branch: [main]}]", True, False, True),
        (" {event: push, branch: main}", True, False, False),
        (" [{event: push}]", False, False, False),
        (" [{event: pull_request}]", False, False, False),
        (" [{event: push, branch: 'feature/*'}]", False, False, False),
        (" [{event: push, branch: 'm*'}]", True, False, False),
        (" [{event: push, branch: '{main,dev}'}]", True, False, False),
        (" [{event: push, tag: v1.10}]", False, True, False),
        (" [{event: push, tag: ['v*']}, {event: pull_request, branch: main}]", False, True, True),
        (" [{event: push, branch: main, paths: ['src/**']}]", True, False, False),
        (" [{event: push, branch: main, paths: ['docs/**']}]", False, False, False),
        (" [{event: pull_request, branch: main, paths: ['**']}]", False, False, False),
        (" [{event: pull_request, branch: main, types: [closed]}]", False, False, False),
        (" [{event: manual}]", False, False, False),
        (" nonsense", True, True, True),
    ],
)
@pytest.mark.parity(31)
def test_constraints(when: str, push: bool, tag: bool, pull: bool) -> None:  # noqa: FBT001
    """Any of them is enough; of each, everything must hold."""
    assert (runs(when, PUSH), runs(when, TAG), runs(when, PULL)) == (push, tag, pull)


@pytest.mark.parity(31)
def test_scalars_are_texts() -> None:
    """A branch 1.10 is not the number 1.1, and `on` is not true."""
    assert runs(" [{event: push, branch: [1.10, on]}]", Occasion(kind="push", branch="1.10"))
    assert runs(" [{event: push, branch: on}]", Occasion(kind="push", branch="on"))


@pytest.mark.acceptance("P-19")
def test_what_nobody_knows_is_built() -> None:
    """A knot that does not say what changed: a build too many is better than one that never comes."""
    assert runs(" [{event: push, branch: main, paths: ['docs/**']}]", Occasion(kind="push", branch="main"))


def test_a_run_by_hand_runs() -> None:
    """Whatever `when` says."""
    assert runs(" [{event: push, branch: other}]", Occasion(kind="manual"))


def test_a_reopened_pull_request_runs_and_a_closed_one_only_where_it_is_meant() -> None:
    def pull(action: str) -> Occasion:
        return Occasion(kind="pull_request", target_branch="main", action=action)

    when = " [{event: pull_request, branch: main}]"
    assert [runs(when, pull(action)) for action in ("opened", "reopened", "synchronize", "closed", "merged", "")] == [
        *(True, True, True),
        *(False, False),
        True,
    ]
    assert runs(" [{event: pull_request, branch: main, types: merged}]", pull("merged"))


@pytest.mark.parametrize(
    "text",
    ["[", "- a list", "text", "a: b: c", "when: [{event: push, branch: '['}]", "x" * 40_000, "&a [*a]", "[" * 5000, "\x00"],
)
def test_a_file_that_cannot_be_read_has_a_fault(text: str) -> None:
    """A sentence, and never an exception: the others of its commit still run."""
    found = compile_file("ci.yml", text, PUSH)
    assert found.fault
    assert not found.runs


def test_clone_and_engine() -> None:
    """As the stock spindle has them by default; an engine may be missing, and may be anything."""
    found = compile_file("ci.yml", "clone: {depth: 3, skip: true, tags: false}", PUSH)
    assert found.clone == {"skip": True, "depth": 3, "submodules": True, "tags": False}
    assert found.engine == ""
    odd: Any = compile_file("ci.yml", "engine: [a]\nclone: {depth: -1}", PUSH)
    assert (odd.engine, odd.clone["depth"]) == ("", 0)
