"""The demo's terminal, and its judgement of what was expected."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from router.core.model import Delivery, Entry, Event, Outcome, Plan, Receipt, State, Status, Trouble
from router.demo import script
from router.demo.cast import ALICE, HELLO
from router.demo.record import Record
from router.demo.script import Expect, Line, Played
from router.demo.view import DemoView
from router.demo.words import describe, safe

NAMES = {ALICE: "alice.example"}
REPO = {"did": HELLO, "owner": ALICE, "name": "hello"}


def event(nsid: str = "sh.tangled.git.refUpdate", record: dict[str, Any] | None = None, **fields: Any) -> Event:
    fields = {"repo": REPO, "actor": ALICE, "branch": "main"} | fields
    return Event(
        origin="knot:knot-a",
        id="sh.tangled.git.refUpdate/3n2y3epywm22e",
        source="knot-a",
        kind="knot",
        nsid=nsid,
        time=0,
        record={"newSha": "1" * 40} if record is None else record,
        fields={key: value for key, value in fields.items() if value is not None},
    )


def delivery(**more: Any) -> Delivery[Any]:
    given: dict[str, Any] = {
        "id": "d1",
        "rule": "demo/build",
        "step": "0",
        "provider": "buildkite",
        "options": {"pipeline": "hello"},
        "event_origin": "knot:knot-a",
        "event_id": "e",
        "nsid": "sh.tangled.git.refUpdate",
    }
    return Delivery(**given | more)


PLAN = Plan(matched=("demo/build",), deliveries=(delivery(),), wanted=True)
DONE = Outcome(state=State.DONE, receipt=Receipt(id="1", url="http://127.0.0.1:1/demo/hello/builds/1"))


def view(encoding: str = "utf-8", **options: Any) -> tuple[DemoView, io.BytesIO]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    given: dict[str, Any] = {"file": file, "width": 80, "markup": False, "highlight": False, "emoji": False}
    return DemoView(Console(**given | options), lambda _event, rule: [f"branch is main for {rule}"], NAMES), raw


def shown(raw: io.BytesIO) -> str:
    return raw.getvalue().decode()


def test_the_way_of_a_push_is_told() -> None:
    """Source, event, rule, reason, action, answer and status are there, with the build's address, in 80 columns."""
    demo, raw = view()
    demo.planned(event(), PLAN, fresh=True)
    demo.attempted(delivery(), DONE)
    demo.reported(
        Entry(delivery="d1", workflow="ci", status=Status.SUCCESS, at=0, url="http://127.0.0.1:1/demo/hello/builds/1")
    )
    assert shown(raw).splitlines() == [
        "",
        "knot-a     push to main of alice.example/hello by alice.example",
        "  rule     demo/build",
        "  because  branch is main for demo/build",
        "  action   buildkite hello",
        "  answer   buildkite hello done - alice.example/hello main",
        "           http://127.0.0.1:1/demo/hello/builds/1",
        "  status   ci success - alice.example/hello main",
        "           http://127.0.0.1:1/demo/hello/builds/1",
    ]


def test_what_is_not_done_is_told_too() -> None:
    """No match, an action of nothing, a trouble, a held-back delivery, a retry, a bad frame and a fault."""
    demo, raw = view()
    demo.planned(event(), Plan(), fresh=True)
    demo.planned(event(), Plan(matched=("demo/docs",)), fresh=True)
    demo.planned(event(), Plan(troubles=(Trouble(rule="demo/x", sentence="text against a number"),)), fresh=True)
    dead = delivery(state=State.DEAD, reason="`x` is undefined")
    demo.planned(event(), Plan(matched=("demo/build",), deliveries=(dead,)), fresh=True)
    demo.attempted(delivery(), Outcome(state=State.READY, reason="The CI answered 503."))
    demo.bad_frame("knot-a", "It is not JSON.")
    demo.fault("identity", "The resolver is down.")
    for said in (
        "none matched",
        "none, on purpose",
        "demo/x: text against a number",
        "(dead: `x` is undefined)",
        "will be tried again: The CI answered 503.",
        "It is not JSON.",
        "identity: The resolver is down.",
    ):
        assert said in shown(raw)


def test_a_status_is_told_once() -> None:
    """The same status reported again is no news to a person."""
    demo, raw = view()
    demo.planned(event(), PLAN, fresh=True)
    for status in (Status.PENDING, Status.PENDING, Status.RUNNING):
        demo.reported(Entry(delivery="d1", workflow="ci", status=status, at=0))
    assert [line.split()[2] for line in shown(raw).splitlines() if "status" in line] == ["pending", "running"]


def test_an_event_that_was_known_is_not_told_again() -> None:
    """Nor is an echo of our own statuses that no rule asked for."""
    demo, raw = view()
    demo.planned(event(), PLAN, fresh=False)
    assert shown(raw) == ""


@pytest.mark.parametrize("force_terminal", [True, False])
def test_strangers_cannot_steer_the_terminal(force_terminal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Escapes, newlines, direction marks and rich's markup in names come out as the text that they are."""
    demo, raw = view(force_terminal=force_terminal, no_color=True)
    evil = "x\x1b[2J\x07\r\ny\u202ez[red]w[/red]"
    demo.planned(event(branch=evil, repo={"did": evil, "owner": evil, "name": evil}, actor=evil), PLAN, fresh=True)
    demo.planned(event("sh.tangled.repo.pull", {"title": evil}, target_branch=evil), PLAN, fresh=True)
    demo.planned(event("sh.tangled.pipeline", {}, workflows=[{"name": evil}]), PLAN, fresh=True)
    demo.attempted(delivery(options={"pipeline": evil}, item=evil), Outcome(state=State.DEAD, reason=evil))
    demo.reported(Entry(delivery="d1", workflow=evil, status=Status.FAILED, at=0, error=evil, url=evil))
    demo.bad_frame(evil, evil)
    demo.fault(evil, evil)
    text = shown(raw)
    for forbidden in ("\x1b[2J", "\x07", "\r", "\u202e"):
        assert forbidden not in text
    assert "[red]w[/red]" in text
    assert "\\x1b[2J" in text


def test_a_terminal_that_cannot_say_it_gets_an_escape() -> None:
    """Printing never raises, whatever the encoding."""
    demo, raw = view(encoding="ascii")
    demo.planned(event(branch="größe"), PLAN, fresh=True)
    assert "gr\\xf6\\xdfe" in shown(raw)


def test_no_colours_without_a_terminal() -> None:
    """What goes to a file is plain."""
    demo, raw = view()
    demo.planned(event(), PLAN, fresh=True)
    demo.summary()
    assert "\x1b" not in shown(raw)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (event(), "push to main of alice.example/hello by alice.example"),
        (event(branch=None, tag="v1"), "tag v1 of alice.example/hello by alice.example"),
        (
            event(record={"newSha": "0" * 40}, branch=None, ref="refs/heads/old"),
            "deletion of branch old of alice.example/hello by alice.example",
        ),
        (
            event(record={"newSha": ""}, branch=None, ref="refs/tags/v1"),
            "deletion of tag v1 of alice.example/hello by alice.example",
        ),
        (event(repo={"did": HELLO}), f"push to main of {HELLO} by alice.example"),
        (event(actor="did:plc:stranger", repo=None), "push to main by did:plc:stranger"),
        (
            event("sh.tangled.repo.pull", {"title": "Fix"}, target_branch="main"),
            'pull request "Fix" for main of alice.example/hello by alice.example',
        ),
        (
            event("sh.tangled.pipeline", {}, workflows=[{"name": "ci.yml"}, {"name": "lint.yml"}], actor=None),
            "workflows (ci.yml, lint.yml) of a push to main of alice.example/hello",
        ),
        (
            event("sh.tangled.repo", {}, operation="create"),
            "repo record of alice.example/hello by alice.example: create",
        ),
        (event("com.atproto.sync.subscribeRepos#identity", {}, repo=None), "identity by alice.example"),
        (event("a.b.c", {}, operation="update", repo=None), "update of a.b.c by alice.example"),
    ],
)
def test_events_in_words(given: Event, words: str) -> None:
    """Each kind of event is a phrase that a person understands."""
    assert describe(given, NAMES) == words


def test_long_texts_are_cut() -> None:
    """Also where escaping makes them longer."""
    assert safe("a" * 500) == "a" * 119 + "…"
    assert len(safe("\x1b" * 500)) <= 120


LINE = Line(after=0, on="knot-a", title="Alice pushes", frame={}, expect=Expect(("demo/build",), "success"))
PUSHED = Played(LINE, "3n2y3epywm22e")


def happened(*, outcome: Outcome | None = DONE, status: Status | None = Status.SUCCESS, plan: Plan = PLAN) -> Record:
    record = Record()
    record.planned(event(), plan, fresh=True)
    if outcome is not None:
        record.attempted(delivery(), outcome)
    if status is not None:
        record.reported(Entry(delivery="d1", workflow="ci", status=status, at=0))
    return record


def test_what_happened_as_expected_has_nothing_missing() -> None:
    """The rule matched, its delivery is done and ended in the status."""
    assert list(happened().missing([PUSHED])) == []


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(), "it was not heard"),
        (happened(plan=Plan(matched=("demo/other",), deliveries=(delivery(),))), "and matched demo/other"),
        (happened(outcome=None), "is not done"),
        (happened(outcome=Outcome(state=State.DEAD, reason="422")), "is not done: 422"),
        (happened(status=Status.FAILED), "should end in success, and has failed"),
        (happened(status=None), "and has no status"),
        (happened(plan=Plan(matched=("demo/build",))), "nothing was delivered"),
    ],
)
def test_what_did_not_happen_is_missing(record: Record, said: str) -> None:
    """Each way of not being as expected has its sentence, and the exit code is 1."""
    (sentence,) = record.missing([PUSHED])
    assert said in sentence
    demo, raw = view()
    demo.record = record
    assert demo.summary([PUSHED]) == 1
    assert "Alice pushes" in shown(raw)


OTHERS = Played(script.for_other_rules([LINE])[0], PUSHED.key)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(), ["it was not heard"]),
        (happened(outcome=None), ["is not done"]),
        (happened(status=Status.RUNNING), ["is running"]),
        (happened(status=Status.FAILED), []),
        (happened(status=None), []),
        (happened(plan=Plan()), []),
    ],
)
def test_of_other_rules_only_the_end_is_expected(record: Record, said: list[str]) -> None:
    """Whatever they match: what they began has to be done, and what they build to be over."""
    found = list(record.missing([OTHERS]))
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))
    demo, raw = view()
    demo.record = record
    assert demo.summary([OTHERS]) == bool(said)
    assert ("these rules began is over" in shown(raw)) is not bool(said)


def test_bad_frames_are_counted_against_the_script() -> None:
    """One too few or too many is missing."""
    bad = Played(Line(after=0, on="knot-a", title="garbage", raw="{", expect=Expect(bad=True)))
    demo, _ = view()
    assert demo.summary([bad]) == 1
    demo.bad_frame("knot-a", "It is not JSON.")
    assert demo.summary([bad]) == 0
    demo.bad_frame("knot-a", "It is not JSON.")
    assert demo.summary([bad]) == 1


def test_a_demo_that_was_stopped_is_not_judged() -> None:
    """Ctrl-C prints what happened so far, and is no failure."""
    demo, raw = view()
    demo.planned(event(), PLAN, fresh=True)
    assert demo.summary() == 0
    assert "events 1, matched 1" in shown(raw)


async def test_settled_waits_for_the_last_status() -> None:
    """It returns once nothing is missing, and not before."""
    record = happened(status=Status.RUNNING)
    lines: Sequence[Played] = [PUSHED]
    waiting = asyncio.create_task(record.settled(lines))
    await asyncio.sleep(0)
    assert not waiting.done()
    record.reported(Entry(delivery="d1", workflow="ci", status=Status.SUCCESS, at=0))
    await waiting
