"""What a plan makes of an event: deliveries with stable ids, states, subjects, gates and statuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from router.core import plan as planning
from router.core.model import Busy, Delivery, Gates, Plan, Retry, State, Status
from tests.core.conftest import ALICE, CORE, SHA, WHO, event, load, pushed, with_step

Made = Callable[..., Plan]
FANNED = ("each: $.items",)


def only(made: Plan) -> Delivery[Any]:
    (delivery,) = made.deliveries
    return delivery


def fan(step: str, *lines: str) -> str:
    return with_step(step, *FANNED, *lines)


def items(*values: Any) -> Any:
    return pushed(record={"items": list(values), "kind": "record"})


def test_a_delivery_says_what_it_is_for(made: Made) -> None:
    """Rule, step, provider, event and subject are in the delivery, so that nothing needs to be looked up again."""
    delivery = only(made(with_step('{note: {text: "{{ branch }} of {{ repo.name }} at {{ sha | short }}"}, id: tell}')))
    assert (delivery.rule, delivery.step, delivery.provider) == ("team/it", "tell", "note")
    assert delivery.options == {"text": "main of core at 6e13e68d"}
    assert (delivery.event_origin, delivery.event_id) == ("knot:knot1.example.com", "3n2y3epywm22e")
    assert (delivery.subject.repo, delivery.subject.knot) == (CORE, "knot1.example.com")
    assert (delivery.subject.ref, delivery.subject.sha) == ("refs/heads/main", SHA)
    assert (delivery.state, delivery.reason, delivery.item, delivery.attempt) == (State.READY, "", None, 0)
    assert (delivery.timeout, delivery.retry, delivery.gates) == (60.0, None, None)


def test_what_a_template_sees(made: Made) -> None:
    """Templates see the event, its record, the variables, the rule and the delivery's own id."""
    text = (
        "{{ [event.source, event.kind, event.id, event.nsid, event.time, record.a, vars.v, rule.id, rule.name, delivery.id] }}"
    )
    delivery = only(made(with_step(f'note: {{text: "{text}"}}', head="vars: {v: [1, x]}"), pushed(record={"a": 1})))
    assert delivery.options["text"] == [
        *("knot1", "knot", "3n2y3epywm22e", "sh.tangled.git.refUpdate", "2026-11-23T12:00:01+00:00"),
        *(1, [1, "x"], "team/it", "it", delivery.id),
    ]


IDS = """\
rules:
  - name: one
    do: [{note: {text: "{{ branch }}"}}, {note: {text: b}}]
  - name: two
    id: kept
    each: $.items
    do: [{note: {}}, {note: {}, id: named}]
"""


def test_ids_are_stable_and_distinct() -> None:
    """An id depends on rule, event, item and step alone: planning twice, or with other options, gives the same ids."""
    first = planning.plan(items("a", "b"), load(IDS), WHO)
    again = planning.plan(items("a", "b"), load(IDS), WHO)
    ids = [delivery.id for delivery in first.deliveries]
    assert first == again
    assert len(set(ids)) == 6
    changed = load(IDS.replace("branch", "sha").replace("name: two", "name: renamed"))
    assert [delivery.id for delivery in planning.plan(items("a", "b"), changed, {}).deliveries] == ids
    assert planning.delivery_id("kept", items(), 1, "named") == ids[-1]


@pytest.mark.parametrize("other", [{"id": "x"}, {"origin": "knot:other.example"}])
def test_another_event_has_other_ids(other: dict[str, str]) -> None:
    """Deliveries of different events never share an id."""
    rulebook = load(IDS)
    one = {delivery.id for delivery in planning.plan(pushed(), rulebook, WHO).deliveries}
    assert one.isdisjoint(delivery.id for delivery in planning.plan(pushed(**other), rulebook, WHO).deliveries)


def test_the_known_id_of_a_delivery_never_changes() -> None:
    """Upgrading the router must not make deliveries that are stored already look new."""
    assert planning.delivery_id("team/it", pushed(), 0, "0") == "ff9857affcc93eaf97893021ff20dd2a"


@pytest.mark.parametrize(
    ("mode", "states"),
    [
        ("live", {State.READY}),
        ("shadow", {State.SHADOW}),
        ('{canary: "0%"}', {State.SHADOW}),
        ("{canary: 100%}", {State.READY}),
        ("{canary: 50%}", {State.READY, State.SHADOW}),
    ],
)
def test_modes(mode: str, states: set[State]) -> None:
    """Shadow rules are rendered and not delivered; a canary is live for a share of the repos."""
    rulebook = load(with_step("note: {}", f"mode: {mode}"))
    repos = [{"did": f"did:plc:{number}", "owner": ALICE} for number in range(200)]
    plans = [planning.plan(pushed(repo=repo), rulebook, WHO) for repo in repos]
    assert {only(one).state for one in plans} == states
    assert plans == [planning.plan(pushed(repo=repo), rulebook, WHO) for repo in repos]
    live = sum(only(one).state is State.READY for one in plans)
    assert live in range(70, 131) or len(states) == 1


def test_a_rule_that_is_off_matches_nothing(made: Made) -> None:
    """`mode: off` makes no delivery, and its nsid is not wanted for its sake."""
    assert made(with_step("note: {}", "mode: off")) == Plan()


def test_each_makes_one_delivery_for_each_item(made: Made) -> None:
    """`each` fans out in order, `as` names the item, and `where` judges the item alone."""
    text = fan('note: {text: "{{ thing.name }}"}', "as: thing", "where: {$.kind: good}")
    plan = made(text, items({"name": "a", "kind": "good"}, {"name": "b"}, {"name": "c", "kind": "good"}))
    assert [(one.item, one.options["text"]) for one in plan.deliveries] == [("a", "a"), ("c", "c")]


def test_items_keep_their_ids_when_others_are_passed_over(made: Made) -> None:
    """An item's id is by its position in the record, whatever `where` lets through."""
    all_of_them = made(fan("note: {}"), items({"n": 1}, {"n": 2}))
    second = made(fan("note: {}", "where: {$.n: 2}"), items({"n": 1}, {"n": 2}))
    assert only(second).id == all_of_them.deliveries[1].id


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), (0, []), ("x", []), ([1], []), ({"kind": "record"}, ["0"]), ({}, [])],
)
def test_where_never_looks_at_the_record(made: Made, value: Any, expected: list[str]) -> None:
    """In `where`, `$` is the item, even where that is null."""
    plan = made(fan("note: {}", "where: {$.kind: record}"), items(value))
    assert [one.item for one in plan.deliveries] == expected
    assert plan.troubles == ()


@pytest.mark.parametrize(
    ("path", "record", "names"),
    [
        ("$.items", {"items": ["a", "b"]}, ["a", "b"]),
        ("$.items[*]", {"items": ["a", "b"]}, ["a", "b"]),
        ("$.items[*].name", {"items": [{"name": "a"}]}, ["a"]),
        ("$.items", {"items": []}, []),
        ("$.items", {}, []),
        ("$.items", {"items": "abc"}, ["abc"]),
        ("$.items", {"items": [{"name": ""}, 3, {"name": 4}]}, ["0", "1", "2"]),
        ("workflows", {}, ["ci.yml"]),
    ],
)
def test_what_each_finds(made: Made, path: str, record: Any, names: list[str]) -> None:
    """A path that finds one list means its items; `workflows` are the event's."""
    plan = made(with_step("note: {}", f'each: "{path}"'), pushed(record=record, workflows=[{"name": "ci.yml"}]))
    assert [one.item for one in plan.deliveries] == names


def test_an_item_that_cannot_be_judged_is_told(made: Made) -> None:
    """One bad item is a trouble of the rule; the others are delivered."""
    plan = made(fan("note: {}", "where: {$.n: {gt: 1}}"), items({"n": 2}, {"n": "x"}, {"n": 3}))
    assert [one.item for one in plan.deliveries] == ["0", "2"]
    assert [trouble.sentence for trouble in plan.troubles] == [
        'item 1: "x" is not a number, so it cannot be compared with gt 1'
    ]


def test_where_may_be_undecided(made: Made) -> None:
    """A handle in `where` that does not resolve keeps the event, like one in `when`."""
    plan = made(fan("note: {}", 'where: {owner: "@carol.example"}'), items(1))
    assert [(trouble.undecided, trouble.rule) for trouble in plan.troubles] == [(True, "team/it")]


def test_an_each_that_cannot_be_followed_is_told(made: Made) -> None:
    """A record that the path of `each` cannot sort is a trouble and no crash."""
    plan = made(with_step("note: {}", 'each: "$.items[/n]"'), items({"n": 2}, {"n": "x"}))
    assert plan.deliveries == ()
    assert len(plan.troubles) == 1


@pytest.mark.fault("T-31")
def test_an_event_cannot_make_any_number_of_deliveries(made: Made) -> None:
    """What a stranger made long is cut, and told; the ids of what is made stay."""
    plan = made(fan("note: {}"), items(*range(100_000)))
    assert len(plan.deliveries) == planning.MAX_DELIVERIES
    assert [trouble.sentence for trouble in plan.troubles] == ["more than 256 deliveries for one event: the rest is not made"]
    exact = made(fan("note: {}"), items(*range(planning.MAX_DELIVERIES)))
    assert len(exact.deliveries) == planning.MAX_DELIVERIES
    assert exact.troubles == ()
    assert exact.deliveries == plan.deliveries


@pytest.mark.fault("T-31")
def test_an_event_cannot_make_any_number_of_items_be_judged(made: Made) -> None:
    """Items that `where` passes over are limited, too, and so are the troubles that they make."""
    plan = made(fan("note: {}", "where: {$.n: {gt: 1}}"), items(*[{"n": "x"}] * 100_000))
    assert plan.deliveries == ()
    assert len(plan.troubles) == planning.MAX_ITEMS + 1
    assert plan.troubles[-1].sentence == "100000 items: those after the first 4096 are not looked at"


@pytest.mark.parametrize(("trust", "steps"), [("owner", ["0", "1"]), ("member", ["0"]), (None, ["0"])])
def test_if_trust(made: Made, trust: str | None, steps: list[str]) -> None:
    """A step with `if_trust` is taken only for those classes; an event without one has none of them."""
    text = "rules: [{name: it, do: [{note: {}}, {note: {}, if_trust: [owner, collaborator]}]}]"
    assert [one.step for one in made(text, pushed(trust=trust)).deliveries] == steps


@pytest.mark.parity(53)
@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("core", True),
        ("docs-a", True),
        ("docs-a/b", True),
        ("evil", False),
        ("docs", False),
        ("xcore", False),
        ("Core", False),
    ],
)
def test_allow_bounds_what_an_event_may_choose(made: Made, asked: str, allowed: bool) -> None:  # noqa: FBT001
    """What a rule does not list is a dead letter that does not quote the stranger's wish."""
    text = with_step('{ci: {pipeline: "{{ record.p }}"}, allow: {pipeline: [core, "docs-*"]}}')
    delivery = only(made(text, pushed(record={"p": asked})))
    assert delivery.state is (State.READY if allowed else State.DEAD)
    assert allowed or delivery.reason == "The event asks for a `pipeline` that the rule's `allow` does not list."


@pytest.mark.parametrize(
    ("asked", "allowed"), [(["core"], True), ([], True), (["core", "evil"], False), ([["core", "evil"]], False)]
)
def test_allow_bounds_every_item_of_a_list(made: Made, asked: Any, allowed: bool) -> None:  # noqa: FBT001
    """One good name in a list does not carry a bad one through."""
    text = with_step('{ci: {pipeline: core, pipelines: "{{ record.p }}"}, allow: {pipelines: core}}')
    assert (only(made(text, pushed(record={"p": asked}))).state is State.READY) is allowed


@pytest.mark.parametrize("asked", [3, True, {"a": "core"}, 1.5])
def test_allow_lets_only_texts_through(made: Made, asked: Any) -> None:
    """A bound that cannot be compared with what is asked for is no leave."""
    text = with_step('{note: {text: "{{ record.p }}"}, allow: {text: [core, "*", {regex: "."}]}}')
    assert only(made(text, pushed(record={"p": asked}))).state is State.DEAD


def test_options_are_checked_again_when_they_are_complete(made: Made) -> None:
    """A template that gives the wrong type makes a dead letter that names the option, and not its value."""
    text = with_step('ci: {pipeline: core, priority: "{{ record.p }}"}')
    delivery = only(made(text, pushed(record={"p": "hunter2"})))
    assert delivery.state is State.DEAD
    assert delivery.reason == "After rendering, priority is wrong: Input should be a valid integer."
    assert only(made(text, pushed(record={"p": 3}))).options["priority"] == 3


def test_options_that_cannot_be_rendered_make_a_dead_letter(made: Made) -> None:
    """A rule that cannot be rendered for an event is told, also to those who wait for its status."""
    plan = made(with_step('note: {text: "{{ record.missing }}"}', "report: {workflow: ci}"))
    delivery = only(plan)
    assert delivery.state is State.DEAD
    assert delivery.options == {"text": "{{ record.missing }}"}
    (entry,) = plan.entries
    assert (entry.delivery, entry.workflow, entry.status) == (delivery.id, "ci", Status.FAILED)
    assert entry.error == delivery.reason
    assert "record.missing" in delivery.reason


def test_a_shadow_that_cannot_be_rendered_tells_nobody(made: Made) -> None:
    """A rule on trial never makes a dead letter or a status, and its reason is recorded."""
    plan = made(with_step('note: {text: "{{ record.missing }}"}', "report: {workflow: ci}", "mode: shadow"))
    assert (only(plan).state, plan.entries) == (State.SHADOW, ())
    assert "record.missing" in only(plan).reason


@pytest.mark.parametrize(
    ("report", "workflow"),
    [
        ("{workflow: ci}", "ci"),
        ('{workflow: "{{ branch }}"}', "main"),
        ('{workflow: ""}', None),
        ('{workflow: "{{ 3 }}"}', "3"),
    ],
)
def test_report_makes_a_first_status(made: Made, report: str, workflow: str | None) -> None:
    """A rule that reports says `pending` from the moment that it is planned, under its workflow's name."""
    plan = made(with_step("note: {}", f"report: {report}"))
    assert [(entry.workflow, entry.status) for entry in plan.entries] == ([(workflow, Status.PENDING)] if workflow else [])
    assert only(plan).subject.workflow == (workflow or "")


def test_a_report_that_cannot_be_rendered_is_a_dead_letter_without_a_name(made: Made) -> None:
    """Where the name itself is what fails, there is nothing to report under."""
    plan = made(with_step("note: {}", 'report: {workflow: "{{ record.missing }}"}'))
    assert (only(plan).state, plan.entries) == (State.DEAD, ())


def test_gates_are_rendered(made: Made) -> None:
    """Every key of what may hold a delivery back is text by the time it is stored."""
    text = with_step(
        "note: {}",
        'concurrency: {group: "{{ repo.did }}/{{ branch }}", policy: cancel_running}',
        'dedupe: {key: "{{ sha }}", within: 10m}',
        "throttle: {limit: 10, per: 1m}",
        'debounce: {for: 30s, key: "{{ branch }}"}',
    )
    assert only(made(text)).gates == Gates(
        group=f"{CORE}/main",
        busy=Busy.CANCEL_RUNNING,
        dedupe_key=SHA,
        dedupe_within=600.0,
        throttle_key="*",
        throttle_limit=10,
        throttle_per=60.0,
        debounce_key="main",
        debounce_for=30.0,
    )


def test_the_steps_policy_goes_before_the_rules(made: Made) -> None:
    """`timeout` and `retry` of a step replace the rule's; the rule's replace the defaults'."""
    text = """\
defaults: {timeout: 5m, retry: {attempts: 2}}
rules:
  - name: own
    timeout: 1m
    do: [{note: {}, timeout: 10s, retry: {schedule: [5s, 5m]}, idempotent: true}, {note: {}}]
  - name: inherits
    do: [{note: {}}]
"""
    one, two, three = made(text).deliveries
    assert (one.timeout, one.retry, one.idempotent) == (10.0, Retry(attempts=3, schedule=(5.0, 300.0)), True)
    assert (two.timeout, two.retry and two.retry.attempts, two.idempotent) == (60.0, 2, False)
    assert (three.timeout, three.retry and three.retry.attempts) == (300.0, 2)


def test_the_depth_of_a_chain_is_kept(made: Made) -> None:
    """What our own statuses set off knows how many led to it, for the loop guard."""
    assert only(made(with_step("note: {}"), pushed(depth=3))).depth == 3


def test_wanted_says_whether_any_rule_asks_for_the_nsid(made: Made) -> None:
    """An event that no rule could want is not stored for the rules' sake."""
    text = "rules: [{name: it, when: {nsid: sh.tangled.pipeline, branch: x}, do: []}]"
    assert made(text, event("sh.tangled.pipeline")).wanted is True
    assert made(text, event("sh.tangled.repo")).wanted is False


@pytest.mark.parametrize("time", [0, -1, 2**63 - 1, 253_402_300_799_999_999])
def test_no_time_is_too_early_or_too_late(made: Made, time: int) -> None:
    """A peer chooses an event's time: one that no calendar reaches changes nothing about its plan."""
    text = with_step('note: {text: "{{ event.time }}"}', 'active: {between: ["00:00", "24:00"], timezone: Pacific/Kiritimati}')
    assert only(made(text, pushed(time=time))).state is State.READY


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({"trust": "owner"}, True),
        ({"trust": "member"}, True),
        ({"trust": "collaborator"}, True),
        ({"trust": "contributor"}, False),
        ({"trust": "unknown"}, False),
        ({"trust": None}, False),
        ({"trust": "owner", "source_repo": "did:plc:fork"}, False),
    ],
)
@pytest.mark.parity(37)
def test_secrets_are_named_for_trusted_runs_alone(made: Made, fields: dict[str, Any], given: bool) -> None:  # noqa: FBT001
    """Nobody's code gets a repo's secrets but that of those who may push to it; the run itself goes on without."""
    delivery = only(made(with_step("{shell: {argv: [a]}, secrets: [KEY, OTHER]}", "allow_untrusted: true"), pushed(**fields)))
    assert delivery.secrets == (("KEY", "OTHER") if given else ())
    assert delivery.state is State.READY
