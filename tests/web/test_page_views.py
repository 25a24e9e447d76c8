"""What the page shows, as plain values: of plain values where that is all it takes, else of a store as it may be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from router.core.model import LogLine, Outcome, State, Status, Workflow, changed
from router.core.model import Plan as PlanMade
from router.engine.store.base import Arrival, Backlog
from router.recent import STEP, STEPS, Recent, Step
from router.web.page import actions, approvals, deliveries, events, now, pipelines, plots, rules, words
from router.web.page.ansi import MOST, Piece, pieces
from tests.web import stage
from tests.web.stage import ALICE, CRAFTY, HELLO, HOSTILE, MARKUP, NOW, SECOND, Stopped, name, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.web.desk import Desk

QUIET = Backlog(undecided=0, due=None, skipped=0)


@pytest.fixture
async def busy() -> AsyncIterator[Desk]:
    desk = await stage.busy()
    yield desk
    await desk.store.close()


@pytest.fixture
async def failing() -> AsyncIterator[Desk]:
    desk = await stage.failing()
    yield desk
    await desk.store.close()


# --- Now


def source(**more: Any) -> dict[str, Any]:
    return {"name": "knot", "state": "up", "sentence": "", "paused": None, "gaps": 0, "last_gap": "", **more}


def troubles(**more: Any) -> list[now.Trouble]:
    given: dict[str, Any] = {"checks": {"store": "ok"}, "sources": [source()], "counts": {}, "backlog": QUIET}
    return now.troubles(**(given | {"refused": "", "paused": [], "destinations": [], "now": NOW} | more))


def test_nothing_is_wrong() -> None:
    """What waits a moment and what was delivered are no trouble."""
    assert troubles() == []
    assert troubles(destinations=[{"name": "toy/a", "state": "closed"}]) == []
    assert troubles(counts={"done": 7, "ready": 2}, backlog=Backlog(undecided=0, due=NOW - 59 * SECOND, skipped=9)) == []


@pytest.mark.parametrize(
    ("given", "sentence", "grave"),
    [
        ({"checks": {"store": "The disk is full."}}, "The disk is full.", True),
        ({"refused": "It is no YAML."}, "The last reload was refused: It is no YAML.", True),
        ({"sources": [source(state="down", sentence="No answer.")]}, "knot is down. No answer.", True),
        ({"sources": [source(state="quarantined")]}, "knot is quarantined.", True),
        (
            {"destinations": [{"name": "toy/a", "state": "open", "until": NOW + 30 * SECOND, "reason": "It answers 503."}]},
            "toy/a gets nothing now, again in 30 s. It answers 503.",
            True,
        ),
        ({"destinations": [{"name": "toy/a", "state": "half-open", "until": NOW}]}, "toy/a gets nothing now.", True),
        ({"destinations": [{"name": "toy/a", "state": "paused", "until": None}]}, "toy/a gets nothing now.", False),
        ({"counts": {"dead": 1}}, "1 dead letter.", True),
        ({"counts": {"dead": 2}}, "2 dead letters.", True),
        ({"backlog": Backlog(undecided=0, due=NOW - 120 * SECOND, skipped=0)}, "A delivery has been due for 2 min.", True),
        ({"backlog": Backlog(undecided=3, due=None, skipped=0)}, "3 events wait for something that is not known yet.", False),
        ({"sources": [source(gaps=1, last_gap="It forgot.")]}, "knot missed something: It forgot.", False),
        ({"sources": [source(paused=NOW)]}, "The source knot is paused.", False),
        ({"paused": ["ci/build"]}, "The rule ci/build is paused.", False),
    ],
)
def test_what_is_wrong_is_a_sentence(given: dict[str, Any], sentence: str, grave: object) -> None:
    """Each kind of trouble, and whether it is a fault or a note."""
    assert [(one.sentence, one.grave) for one in troubles(**given)] == [(sentence, grave)]


def test_tiles() -> None:
    """All that waits is the outbox, and how long the oldest has been due."""
    told = now.tiles({"ready": 2, "claimed": 1, "verify": 1, "done": 9, "dead": 3}, QUIET, 4, NOW - 90 * SECOND, NOW)
    assert [(one["name"], one["value"]) for one in told] == [
        ("Outbox", "4"),
        ("Delivered", "9"),
        ("Dead letters", "3"),
        ("Rules", "4"),
        ("Started", "1.5 min ago"),
    ]
    assert told[0]["more"] == "nothing is due"
    late = now.tiles({}, Backlog(undecided=0, due=NOW - 3 * SECOND, skipped=0), 0, NOW, NOW)
    assert late[0]["more"] == "oldest due for 3 s"


async def test_now_tells_what_fails(failing: Desk) -> None:
    """The source, the dead letters, what is undecided, what is paused; the dead letters themselves are shown."""
    told = await now.look(failing, {}, {})
    assert [one.sentence for one in told["troubles"]] == [
        "knot is down. knot.example.com does not answer: it is asked again in 30 s.",
        "4 dead letters.",
        "A delivery has been due for 1 min.",
        "1 event waits for something that is not known yet.",
        "knot missed something: It has forgotten what was before 10:00.",
        "The rule ci/docs is paused.",
    ]
    assert [one["state"] for one in told["dead"]] == ["dead"] * 4
    assert [(one["name"], one["bad_frames"]) for one in told["sources"]] == [("knot", 1)]


# --- Events


async def test_events_are_filtered(busy: Desk) -> None:
    """By record type, repo and rule; the form keeps what was asked for."""
    everything = await events.look(busy, {}, {})
    assert [row["number"] for row in everything["rows"]] == list(range(14, 0, -1))
    assert everything["rows"][2]["matched"] == ["ci/build"]
    assert not everything["filtered"]
    assert everything["older"] == ""
    assert (await events.look(busy, {}, {"rule": "ci/docs"}))["rows"] == []
    told = await events.look(busy, {}, {"repo": f" {HELLO} ", "matched": "true", "nsid": ""})
    assert len(told["rows"]) == 12
    assert told["filters"] == {"nsid": "", "repo": HELLO, "rule": "", "matched": "true", "before": ""}
    assert told["filtered"]


async def test_nonsense_in_an_address_is_refused(busy: Desk) -> None:
    """As the API refuses it."""
    for query in ({"before": "x"}, {"rule": "x" * 201}, {"matched": "perhaps"}):
        with pytest.raises(ValidationError):
            await events.look(busy, {}, query)
    with pytest.raises(ValidationError):
        await deliveries.look(busy, {}, {"state": "lost"})


async def test_an_event_opens_why(busy: Desk) -> None:
    """Rules that matched first; those about another record type are counted, or shown when asked for."""
    told = await events.look_at(busy, {"number": "11"}, {})
    first = told["explained"][0]
    assert (first["rule"], first["matched"]) == ("ci/build", True)
    assert told["row"]["about"].startswith("<script>")
    assert [one["event"] for one in told["deliveries"]] == [11]
    whole = await events.look_at(busy, {"number": "11"}, {"all": "1"})
    assert len(whole["explained"]) == 3
    assert told["others"] == 3 - len(told["explained"])
    with pytest.raises(web.HTTPNotFound):
        await events.look_at(busy, {"number": "99"}, {})


def test_older_events_keep_the_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of the next page."""
    monkeypatch.setattr(events, "LIMIT", 1)
    (row,) = [type("Row", (), {"number": 7})()]
    assert events.older({"rule": "a b"}, [row]) == "/events?rule=a+b&before=7"
    assert events.older({}, []) == ""


# --- Deliveries


async def test_deliveries_say_what_can_be_done(failing: Desk) -> None:
    """What is dead may be retried or discarded; what is done neither."""
    told = await deliveries.look(failing, {}, {})
    assert {(row["state"], row["can_retry"], row["can_discard"]) for row in told["rows"]} == {
        ("dead", True, True),
        ("ready", True, True),
    }
    assert [row["state"] for row in (await deliveries.look(failing, {}, {"state": "dead"}))["rows"]] == ["dead"] * 4
    assert dict(told["states"])["dead"] == 4
    assert told["changeable"]
    done, gone = ({"state": str(state)} for state in (State.DONE, State.DISCARDED))
    assert deliveries.changeable(done) == {"state": "done", "can_retry": False, "can_discard": False}
    assert deliveries.changeable(gone) == {"state": "discarded", "can_retry": True, "can_discard": False}


async def test_a_delivery_has_its_attempts_and_its_log(busy: Desk) -> None:
    """What was asked for, what was answered, what it said."""
    told = await deliveries.look_at(busy, {"id": name(2)}, {})
    assert told["options"]["commit"] == f"{2:040x}"
    assert told["url"] == CRAFTY
    (attempt,) = told["attempts"]
    assert attempt["response"].endswith(MARKUP)
    assert attempt["took"] == 0
    assert [step["title"] for step in told["log"]["steps"]] == ["Test", MARKUP]
    with pytest.raises(web.HTTPNotFound):
        await deliveries.look_at(busy, {"id": "ffffff"}, {})


def test_attempts_are_newest_first() -> None:
    """One that goes on took no time yet."""
    told = deliveries.attempts([{"n": 1, "started": NOW, "ended": NOW + 2 * SECOND}, {"n": 2, "started": NOW, "ended": None}])
    assert [(one["n"], one["took"]) for one in told] == [(2, None), (1, 2.0)]


# --- Rules


async def test_rules_and_those_that_never_matched(busy: Desk) -> None:
    """With how often each did."""
    told = await rules.look(busy, {}, {})
    assert [(row["id"], row["hits"], row["mode"]) for row in told["rows"]] == [
        ("ci/build", 12, "live"),
        ("ci/docs", 0, "live"),
        ("ci/nightly", 0, "shadow"),
    ]
    assert (told["unmatched"], told["all"], told["filtered"]) == (2, 3, False)
    never = await rules.look(busy, {}, {"never": "true"})
    assert [row["id"] for row in never["rows"]] == ["ci/docs", "ci/nightly"]
    assert [row["id"] for row in (await rules.look(busy, {}, {"find": "DOC"}))["rows"]] == ["ci/docs"]


async def test_of_very_many_rules_the_first_are_shown(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how many there are; of an event those that match, whatever their place."""
    monkeypatch.setattr(rules, "LIMIT", 1)
    monkeypatch.setattr(events, "RULES", 1)
    told = await rules.look(busy, {}, {})
    assert ([row["id"] for row in told["rows"]], told["found"]) == (["ci/build"], 3)
    opened = await events.look_at(busy, {"number": "12"}, {"all": "1"})
    assert ([one["rule"] for one in opened["explained"]], opened["cut"], opened["others"]) == (["ci/build"], 2, 0)
    monkeypatch.setattr(rules, "AROUND", 1)
    lines = (await rules.look_at(busy, {"id": "ci/docs"}, {}))["lines"]
    assert [lines[0]["number"], lines[-1]["number"]] == [8, 17]


async def test_a_rule_is_shown_in_its_file(busy: Desk) -> None:
    """The lines that are the rule's are told from the others."""
    told = await rules.look_at(busy, {"id": "ci/docs"}, {})
    ours = [line["text"] for line in told["lines"] if line["ours"]]
    assert ours[0] == "  - name: docs"
    assert ours[-1] == "    do: []"
    assert len(ours) == 7
    assert len(told["lines"]) == stage.RULES.count("\n")
    last = await rules.look_at(busy, {"id": "ci/nightly"}, {})
    assert last["lines"][-1]["ours"]
    with pytest.raises(web.HTTPNotFound):
        await rules.look_at(busy, {"id": "ci/none"}, {})


# --- Pipelines


async def test_pipelines_of_all_repos_and_of_one(busy: Desk) -> None:
    """Newest first, each with its workflows."""
    told = await pipelines.look(busy, {}, {})
    assert [(run["name"], [one["status"] for one in run["workflows"]]) for run in told["runs"]] == [
        ("hello", ["success"]),
        (MARKUP, ["running"]),
    ]
    assert told["runs"][1]["ref"] == HOSTILE
    assert told["older"] == 0
    assert len((await pipelines.look(busy, {}, {"repo": HELLO}))["runs"]) == 2
    assert (await pipelines.look(busy, {}, {"repo": ALICE}))["runs"] == []


async def test_older_pipelines(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full page leads to the next."""
    monkeypatch.setattr(pipelines, "LIMIT", 1)
    first = await pipelines.look(busy, {}, {})
    assert [run["name"] for run in first["runs"]] == ["hello"]
    second = await pipelines.look(busy, {}, {"before": str(first["older"])})
    assert [run["name"] for run in second["runs"]] == [MARKUP]
    assert (await pipelines.look(busy, {}, {"before": str(second["older"])}))["runs"] == []


async def test_without_a_spindle_commits_are_made_of_deliveries(failing: Desk) -> None:
    """One for each commit, with what reports a status."""
    told = await pipelines.look(failing, {}, {})
    assert [run["sha"] for run in told["runs"]] == [f"{number:040x}" for number in range(1, 7)]
    assert told["runs"][0]["workflows"][0]["delivery"] == name(1)


async def test_a_log_of_a_pipeline(busy: Desk) -> None:
    """By its workflow's name; what is no workflow has none."""
    newest, hostile = (run["id"] for run in (await pipelines.look(busy, {}, {}))["runs"])
    told = await pipelines.look_at_log(busy, {"id": hostile}, {"workflow": "ci"})
    assert [len(step["lines"]) for step in told["log"]["steps"]] == [6, 1]
    assert (await pipelines.look_at_log(busy, {"id": newest}, {"workflow": "ci"}))["log"]["steps"] == []
    assert (await pipelines.look_at(busy, {"id": hostile}, {}))["run"]["workflows"][0]["deliveries"] == [name(2)]
    for query in ({}, {"workflow": "other"}):
        with pytest.raises(web.HTTPNotFound):
            await pipelines.look_at_log(busy, {"id": hostile}, query)
    with pytest.raises(web.HTTPNotFound):
        await pipelines.look_at(busy, {"id": "none"}, {})


async def test_logs_of_two_deliveries_stay_apart(busy: Desk) -> None:
    """Each counts its steps from the beginning, and they are one workflow."""
    made, store = run(30), busy.store
    event, first = stage.push(30), stage.delivery(30)
    both = (first, changed(first, id=name(31), step="other"))
    await store.accept([Arrival(source="knot", event=event, plan=PlanMade(deliveries=both, wanted=True), pipeline=made)], NOW)
    for one in both:
        said = [LogLine(step=0, part="start", text=one.step), LogLine(step=0, part="said", text="hello")]
        await store.write_log(one.id, 0, 0, said, NOW)
    told = await pipelines.look_at_log(busy, {"id": made.id}, {"workflow": "ci"})
    assert [(step["title"], len(step["lines"])) for step in told["log"]["steps"]] == [("toy", 1), ("other", 1)]


def test_a_long_log_shows_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how much it leaves out."""
    monkeypatch.setattr(pipelines, "LINES", 2)
    told = pipelines.logged(stage.log()[:5])
    assert told["left_out"] == 3
    assert len(told["steps"][0]["lines"]) == 2


def test_how_long_a_workflow_took() -> None:
    """Only once it is over."""
    ended = Workflow(name="ci", status=Status.SUCCESS, started=NOW, finished=NOW + 90 * SECOND)
    assert pipelines.of_workflow(ended)["took"] == 90
    assert pipelines.of_workflow(Workflow(name="ci", status=Status.RUNNING, started=NOW))["took"] is None


# --- Approvals


async def test_what_waits_for_approval(busy: Desk) -> None:
    """Newest first, until it is decided."""
    told = await approvals.look(busy, {}, {})
    assert [row["number"] for row in told["rows"]] == [14, 13]
    assert told["decided"] == []
    assert await busy.approvals.deny("14", "operator")
    told = await approvals.look(busy, {}, {})
    assert [row["number"] for row in told["rows"]] == [13]
    assert told["decided"] == [{"number": "14", "decision": "denied", "by": "operator", "at": NOW}]


# --- what was done


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"done": "retry", "count": "2"}, "2 to be made once more."),
        ({"done": "discard", "count": "1", "not": "3"}, "1 discarded. 3 could not be."),
        ({"done": "approve", "count": "0", "not": "0"}, "0 approved."),
        ({"done": MARKUP, "count": "1"}, ""),
        ({"done": "retry", "count": MARKUP}, ""),
        ({"done": "retry", "count": "1", "not": MARKUP}, "1 to be made once more."),
        ({}, ""),
    ],
)
def test_an_address_says_nothing_of_its_own(query: dict[str, str], sentence: str) -> None:
    """What was done is told in our words, whoever made the address."""
    assert actions.said(query) == sentence


# --- plots, and what they are drawn of


def test_the_last_hour() -> None:
    """By minutes; what is older is forgotten, and quiet minutes count."""
    clock = Stopped(NOW - 2 * STEPS * STEP)
    recent = Recent(clock)
    recent.planned(stage.push(1), PlanMade(), fresh=True)
    clock.at = NOW
    recent.planned(stage.push(1, time=NOW - 3 * SECOND), PlanMade(matched=("a",)), fresh=True)
    recent.planned(stage.push(1), PlanMade(), fresh=False)
    recent.attempted(stage.delivery(1), Outcome(state=State.DONE))
    recent.attempted(stage.delivery(1), Outcome(state=State.READY))
    recent.took(stage.delivery(1), 0.5)
    recent.took(stage.delivery(1), 0.25)
    steps = recent.steps()
    assert len(steps) == STEPS
    begin = NOW - NOW % STEP
    assert steps[-1] == Step(begin, events=1, matched=1, attempts=2, failed=1, lag=3.0, took=0.5)
    assert all(step == Step(step.begin) for step in steps[:-1])
    assert recent.count == 5


def test_a_clock_that_was_put_back_loses_nothing() -> None:
    """It counts for the newest minute."""
    clock = Stopped(NOW)
    recent = Recent(clock)
    recent.planned(stage.push(1), PlanMade(), fresh=True)
    clock.at = NOW - 10 * STEP
    recent.planned(stage.push(1), PlanMade(), fresh=True)
    clock.at = NOW
    assert recent.steps()[-1].events == 2


def test_a_plot_has_a_sentence() -> None:
    """For those who do not see it; bars fit into it."""
    steps = [Step(0), Step(STEP, events=4, attempts=4, failed=1, lag=0.5), Step(2 * STEP, events=2)]
    rate, lag, attempts, took = plots.plots(steps)
    assert rate.told == "Events a minute in the last hour: 4 at most, 2 in this minute."
    assert [(bar.x, bar.height) for bar in rate.bars] == [(200.0, 100.0), (400.0, 50.0)]
    assert lag.told == "Longest lag in the last hour: 500 ms at most, none in this minute."
    assert attempts.faults == "1 did not succeed"
    assert attempts.told.endswith("0 in this minute. 1 did not succeed.")
    assert attempts.bars[0].bad == 25.0
    assert took.bars == ()
    assert took.most == "none"
    assert plots.plots([])[0].bars == ()


# --- words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.02, "20 ms"),
        (1, "1 s"),
        (3.25, "3.2 s"),
        (59, "59 s"),
        (90, "1.5 min"),
        (1200, "20 min"),
        (7200, "2 h"),
        (10**6, "12 d"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    """In the unit that fits."""
    assert words.duration(seconds) == said


def test_times() -> None:
    """Before and after; those that are no times of a calendar are no error."""
    assert words.moment(NOW) == "2026-11-23 12:00:01"
    assert words.stamp(NOW) == "2026-11-23T12:00:01Z"
    assert words.ago(NOW - 60 * SECOND, NOW) == "1 min ago"
    assert words.ago(NOW + 60 * SECOND, NOW) == "in 1 min"
    assert words.ago(None, NOW) == "never"
    assert words.moment(2**62) == "another age"
    assert words.moment(None) == ""


@pytest.mark.threat("S-19")
@pytest.mark.parametrize(
    "url",
    [
        CRAFTY,
        "javascript://ci.example/%0aalert(1)",
        "ftp://ci.example/1",
        "data:text/html,x",
        "//evil.example/x",
        "/login",
        "",
        None,
        "http://",
        "https://user@evil.example/",
        "https://a.example/\u202ex",
        "https://a.example/\nx",
        "https://[bad",
        "https://a.example/" + "x" * 2000,
        " https://a.example/",
    ],
)
def test_only_addresses_of_the_web_are_linked(url: str | None) -> None:
    """Everything else is text."""
    assert words.link(url) == ""


def test_a_good_address_is_linked() -> None:
    """As it is."""
    assert words.link("https://ci.example:8443/a?b=c#d") == "https://ci.example:8443/a?b=c#d"
    assert words.link("http://ci.example/1") == "http://ci.example/1"


@pytest.mark.threat("S-19")
def test_what_does_not_print_is_written_out() -> None:
    """Marks of direction, controls, and no end of it."""
    assert words.plain("a\u202eb\x1b[31m\x00") == "a\\u202eb\\x1b[31m\\x00"
    assert words.plain(None) == ""
    assert words.lines("a\r\n\tb\u2066") == "a\\r\n    b\\u2066"
    assert len(words.plain("x" * 10**6)) == words.LONGEST + 1


# --- colours


@pytest.mark.threat("S-19")
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("plain", [Piece("plain")]),
        ("\x1b[31mred\x1b[0m no", [Piece("red", "ink-red"), Piece(" no")]),
        ("\x1b[1;4;92mgood\x1b[22;24mstill", [Piece("good", "ink-green bold underlined"), Piece("still", "ink-green")]),
        ("\x1b[44;37mx\x1b[39my\x1b[49mz", [Piece("x", "ink-white paper-blue"), Piece("y", "paper-blue"), Piece("z")]),
        ("\x1b[38;5;196mx", [Piece("x", "ink-red")]),
        ("\x1b[38;5;12mx", [Piece("x", "ink-blue")]),
        ("\x1b[38;5;250mx", [Piece("x", "ink-white")]),
        ("\x1b[48;2;0;200;10mx", [Piece("x", "paper-green")]),
        ("\x1b[38;2;1mx", [Piece("x", "ink-black")]),
        ("\x1b[mx", [Piece("x")]),
        ("\x9b31mx", [Piece("x", "ink-red")]),
        ("\x1b[2J\x1b[10;3Ha\x1b[Kb\x1b[?25lc", [Piece("a"), Piece("b"), Piece("c")]),
        ("\x1b]0;title\x07a\x1b]8;;https://e.example\x1b\\b\x1b]8;;\x1b\\", [Piece("a"), Piece("b")]),
        ("\x1bPdevice\x1b\\a\x1b(Bb\x1bc", [Piece("a"), Piece("b")]),
        ("\x1b]never ends", []),
        ("\x1b", []),
        ("10%\r50%\rdone\r", [Piece("done")]),
        ("a\tb\x00\u202ec", [Piece("a\tb\\x00\\u202ec")]),
        ("<b>", [Piece("<b>")]),
    ],
)
def test_colours_are_classes(line: str, told: list[Piece]) -> None:
    """Those that set colours are understood; whatever else a terminal would obey is dropped."""
    assert pieces(line) == told


@pytest.mark.threat("S-19")
def test_a_line_of_nothing_but_colours_costs_little() -> None:
    """So many are looked at, and no text is lost."""
    told = pieces("\x1b[31mx" * (MOST + 5))
    assert "".join(one.text for one in told) == "x" * (MOST + 5)
    assert pieces("\x1b[" + "9" * 100_000 + "mx") == [Piece("x")]
    assert pieces("\x1b[" * 20_000) is not None
