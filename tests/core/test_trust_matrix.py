"""Who may set what off: every class of trust with every trigger, decided before any rule is asked (S-14)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from router.core import plan
from router.core.model import State
from router.core.problems import Problems
from router.core.rulebook import Rulebook
from router.core.rules import RuleText, load
from router.plugins import OptionModels
from router.spindle import trust
from tests.core.conftest import WHO, pushed

CLASSES = ("owner", "member", "collaborator", "contributor", "unknown")
#: Only pull requests wait.
TRIGGERS = (("push", ""), ("manual", ""), ("pull_request", ""), ("pull_request", "needed"), ("pull_request", "given"))
#: What a rule says of strangers, and a step with a repo's secret, one on this machine, and one of neither.
RULE = """\
rules:
  - name: build
    when: {%s}
%s    do:
      - webhook: {url: "https://ci.example.com/", text: "{{ sha }}"}
        id: plain
      - shell: {argv: [/bin/true]}
        id: machine
        secrets: [TOKEN]
"""


def planned(when: str, more: str, **fields: Any) -> dict[str, tuple[State, tuple[str, ...]]]:
    """The deliveries by step; rules that `validate` refuses are tried all the same: this is the second line."""
    problems = Problems()
    book = load([RuleText("team", "team.yaml", RULE % (when, more))], OptionModels(), problems)
    assert {one.code for one in problems.errors} <= {"R034"}, [str(one) for one in problems.errors]
    if problems.errors:
        more_permissive = RULE % (when, "    allow_untrusted: true\n")
        book = load([RuleText("team", "team.yaml", more_permissive)], OptionModels(), Problems())
        (ruleset,), allowed = book.rulesets, "allow_untrusted" in more
        changed = tuple(rule.on(allow_untrusted=allowed) for rule in ruleset.rules)
        book = Rulebook((replace(ruleset, rules=changed),))
    made = plan.plan(pushed(**fields), book, WHO)
    return {one.step: (one.state, one.secrets) for one in made.deliveries}


@pytest.mark.threat("S-14")
@pytest.mark.parametrize("who", CLASSES)
@pytest.mark.parametrize(("trigger", "approval"), TRIGGERS)
@pytest.mark.parametrize("rule", ["says nothing", "bounds trust", "allows strangers"])
def test_who_may_set_off_what(who: str, trigger: str, approval: str, rule: str) -> None:
    """By class, trigger, approval and what the rule says: whether it acts, what runs on this machine, who gets secrets."""
    trusted = who in ("owner", "member", "collaborator")
    when = "nsid: sh.tangled.git.refUpdate" + (", trust: [owner, member, collaborator]" if rule == "bounds trust" else "")
    more = "    allow_untrusted: true\n" if rule == "allows strangers" else ""
    found = planned(when, more, trust=who, trigger=trigger, **({"approval": approval} if approval else {}))
    unbound = approval != "needed" or rule == "allows strangers"
    acts = (trusted or approval == "given") if rule == "bounds trust" else unbound
    assert bool(found) == acts
    if not acts:
        return
    assert found["plain"] == (State.READY, ())
    machine = trusted or trigger != "pull_request" or rule == "allows strangers"
    assert found["machine"] == (State.READY if machine else State.DEAD, ("TOKEN",) if trusted else ())


@pytest.mark.threat("S-14")
@pytest.mark.parametrize("who", CLASSES)
def test_a_forks_code_is_trusted_by_nobody(who: str) -> None:
    """Whoever asks for it: what runs is somebody else's."""
    found = planned("nsid: sh.tangled.git.refUpdate", "", trust=who, trigger="pull_request", source_repo="did:plc:fork")
    assert found == {"plain": (State.READY, ()), "machine": (State.DEAD, ())}


@pytest.mark.threat("S-14")
@pytest.mark.parametrize(
    ("actor", "fork", "said"),
    [
        ("did:plc:owner", False, ("owner", False)),
        ("did:plc:member", False, ("member", True)),
        ("did:plc:collaborator", False, ("collaborator", False)),
        ("did:plc:stranger", False, ("unknown", True)),
        ("", False, ("unknown", True)),
        ("did:plc:owner", True, ("contributor", True)),
        ("did:plc:stranger", True, ("unknown", True)),
    ],
)
def test_classes_are_computed_of_records(actor: str, fork: bool, said: tuple[str, bool]) -> None:  # noqa: FBT001
    """By the roster, and by nothing that an event says of itself."""

    class People:
        members = ("did:plc:member",)

        def collaborators(self, _repo: str) -> tuple[str, ...]:
            return ("did:plc:collaborator",)

    assert trust.of_pull(actor, "did:plc:owner", "did:plc:repo", People(), fork=fork) == said


@pytest.mark.threat("S-14")
def test_an_event_cannot_say_that_it_is_approved_or_trusted() -> None:
    """What a record holds under those names is no named field."""
    from router.core import envelope  # noqa: PLC0415 - here alone

    record = {"trust": "owner", "approval": "given", "target": {"repo": "did:plc:" + "r" * 24}, "fields": {"approval": "given"}}
    heard = envelope.jetstream(
        {
            "did": "did:plc:" + "e" * 24,
            "time_us": 1,
            "kind": "commit",
            "commit": {
                "operation": "create",
                "collection": "sh.tangled.repo.pull",
                "rkey": "3mxxxxxxxxxxx",
                "rev": "3mxxxxxxxxxxx",
                "record": record,
                "cid": "x",
            },
        },
        source="jetstream",
    )
    assert heard.event is not None
    assert heard.event.fields["trust"] == "unknown"
    assert "approval" not in heard.event.fields
