"""Names that lead to nothing: told where every event of a rule lacks them, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.core import envelope, jsonpath, plan, render, rules, shapes
from router.core.errors import BadFrame, RenderError
from router.core.lexicons import ALWAYS, KNOWN
from router.core.model import Event
from router.core.problems import Problem, Problems
from tests.core.conftest import PROVIDERS, load, pushed

WIRE = Path(__file__).parent.parent / "wire"
PULL, PIPELINE, STATUS = "sh.tangled.repo.pull", "sh.tangled.pipeline", "sh.tangled.pipeline.status"


def problems_of(rule: dict[str, Any], **file: Any) -> list[Problem]:
    problems = Problems()
    text = json.dumps({**file, "rules": [{"name": "it", **rule}]})
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    return problems.found


def told(when: dict[str, Any], text: str, **rule: Any) -> list[str]:
    """What is said of a template in a rule with these conditions."""
    step = {"do": [{"note": {"text": text}}]} if text else {"do": []}
    return [f"{found.code} {found.message}" for found in problems_of({"when": when, **step, **rule})]


def frames() -> list[Event]:
    events: list[Event] = []
    for path in sorted(WIRE.glob("[jk]*/*.json")):
        try:
            events.append(envelope.event_from(json.loads(path.read_bytes())))
        except BadFrame:
            continue
    return events


FRAMES = frames()


# -- what is told is so


def chains_of(shape: shapes.Shape, root: str) -> list[str]:
    """Every name of a shape as a template writes it."""
    found = [root]
    for name, inner in shape.items() if isinstance(shape, dict) else ():
        found += chains_of(inner, f"{root}['{name}']")
    return found


ALL = sorted(
    {
        text
        for lexicon in KNOWN.values()
        for text in (
            *chains_of(lexicon.record, "record"),
            *(text for name, inner in lexicon.fields.items() for text in chains_of(inner, name)),
        )
    }
)


def context_of(event: Event) -> dict[str, Any]:
    return {**event.fields, "record": event.record}


@pytest.mark.parametrize("nsid", sorted({event.nsid for event in FRAMES}))
def test_what_is_told_cannot_be_rendered(nsid: str) -> None:
    """Each name of any event that is told of in a rule for one nsid is missing in every recorded event of that nsid."""
    rule = {"when": {"nsid": nsid}, "do": [{"note": {"text": ["{{ " + name + " }}" for name in ALL]}}]}
    found = {int(problem.place.path.rpartition("[")[2].rstrip("]")) for problem in problems_of(rule)}
    assert found
    for event in FRAMES:
        for position in found if event.nsid == nsid else ():
            with pytest.raises(RenderError):
                render.compiled("{{ " + ALL[position] + " }}")(context_of(event))


@pytest.mark.parametrize("nsid", sorted({event.nsid for event in FRAMES}))
def test_a_path_that_is_told_finds_nothing(nsid: str) -> None:
    """Each path into records that is told of in a rule for one nsid finds nothing in any recorded event of that nsid."""
    paths = ["$" + name.removeprefix("record") for name in ALL if name.startswith("record[")]
    found = problems_of({"when": {"nsid": nsid, **{path: {"exists": True} for path in paths}}, "do": []})
    assert found
    for path in [problem.place.path.partition(".when.")[2] for problem in found]:
        assert path in paths
        assert not any(jsonpath.finder(path)(event.record) for event in FRAMES if event.nsid == nsid)


def test_what_every_template_sees_is_all_there_is() -> None:
    """`event`, `rule` and `delivery` have those names that are known, and no others."""
    rulebook = load("rules: [{name: it, do: [{note: {text: '{{ [event | list, rule | list, delivery | list] }}'}}]}]")
    (delivery,) = plan.plan(pushed(), rulebook, {}).deliveries
    assert delivery.options == {"text": [list(ALWAYS[name]) for name in ("event", "rule", "delivery")]}  # type: ignore[arg-type]


# -- which events a rule may match


@pytest.mark.parametrize(
    "when",
    [
        {"nsid": PULL},
        {"nsid": [PULL, STATUS]},
        {"nsid": {"in": "vars.nsids"}},
        {"all": [{"nsid": PULL}, {"branch": "main"}]},
        {"nsid": [PULL, STATUS], "any": [{"nsid": "a.b.c"}, {"branch": "main"}]},
        {"source": "spindle"},
        {"source": ["spindle"], "nsid": "sh.tangled.*"},
        {"status": "failed"},
        {"status": {"exists": True}},
    ],
    ids=str,
)
def test_a_name_is_told_where_all_nsids_are_known(when: dict[str, Any]) -> None:
    """Conditions that must hold leave known nsids only, and none of them has the name."""
    step = {"note": {"text": "{{ record.nope }} {{ nsid }}"}}
    found = problems_of({"when": when, "do": [step]}, vars={"nsids": [PULL]} if "vars" in str(when) else {})
    assert [problem.code for problem in found] == ["R015"]


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"branch": "main"},
        {"nsid": "sh.tangled.*"},
        {"nsid": "sh.tangled.repo{,.pull}"},
        {"nsid": [PULL, "sh.tangled.repo.issue"]},
        {"nsid": [PULL, "sh.tangled.git.*"]},
        {"nsid": {"not": PULL}},
        {"nsid": {"exists": True}},
        {"nsid": "router.schedule.fire"},
        {"any": [{"nsid": PULL}, {"branch": "main"}]},
        {"not": {"nsid": PULL}},
        {"not": {"status": "failed"}},
        {"status": {"not": "failed"}},
        {"source": ["spindle", "knot"]},
        {"source": {"not": "spindle"}},
        {"trigger": "push"},
    ],
    ids=str,
)
def test_nothing_is_said_where_an_unknown_event_may_match(when: dict[str, Any]) -> None:
    """A glob may always mean an nsid that is not known, and so may a list that names one, or a condition that need not hold."""
    assert told(when | {"$.nope": 1}, "{{ record.nope }}") == []


@pytest.mark.parametrize(
    ("when", "missing"),
    [
        ({"trigger": "push"}, ["status", "workflow"]),
        ({"trigger": "schedule"}, ["branch", "repo"]),
        ({"trigger": ["schedule", "pull_request"]}, ["paths", "status"]),
        ({"trigger": "push", "nsid": "sh.tangled.git.*"}, ["target_branch", "status", "pull"]),
        ({"trigger": "pull_request", "nsid": [PULL, "a.b.c"]}, ["tag", "old_sha"]),
        ({"trigger": {"exists": True}}, ["status"]),
    ],
    ids=str,
)
def test_a_trigger_tells_which_fields_there_are(when: dict[str, Any], missing: list[str]) -> None:
    """Only events that are known have a trigger, so the named fields of whatever has one are known."""
    for name in missing:
        assert [line[:4] for line in told(when, "{{ " + name + " }}")] == ["R015"]
    assert told(when, "{{ trigger }} {{ record.nope }}") == []


def test_a_trigger_that_need_not_be_there_tells_nothing() -> None:
    """An event without a trigger may have any field."""
    assert told({"trigger": {"not": "push"}}, "{{ status }}") == []


def test_a_rule_that_matches_nothing_is_not_told_of_names() -> None:
    """That its conditions contradict each other is another problem."""
    assert told({"nsid": PULL, "status": "failed"}, "{{ record.nope }} {{ branch }}") == []


def test_a_name_that_one_nsid_has_is_right() -> None:
    """A rule may be for several kinds of events, of which one has the name."""
    when = {"nsid": [PULL, STATUS], "$.title": {"exists": True}}
    assert told(when, "{{ record.title }} {{ record.exitCode }} {{ status }} {{ target_branch }}") == []


def test_the_kind_that_has_most_of_a_name_is_the_one_that_was_meant() -> None:
    """Where several kinds of events lack a name, it is told where the last of them lacks it, with the names that are there."""
    when = {"nsid": [STATUS, PULL, PIPELINE]}
    (found,) = problems_of({"when": when, "do": [{"note": {"text": "{{ record.target.brnch }}"}}]})
    assert found.message.endswith(" have no `record.target.brnch`.")
    assert found.hint == "Did you mean `branch`?"


def test_the_defaults_say_which_nsid_it_is() -> None:
    """What the defaults ask for holds of each rule that does not say otherwise."""
    step = {"do": [{"note": {"text": "{{ record.titel }}"}}]}
    assert [found.code for found in problems_of(step, defaults={"when": {"nsid": PULL}})] == ["R015"]
    assert problems_of(step | {"when": {"nsid": "a.b.c"}}, defaults={"when": {"nsid": PULL}}) == []


# -- places


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ('text: "x {{ record.nope }}"', "record.nope"),
        ("text: 'é {{ record.target.nope.b }}'", "record.target.nope"),
        ("text: x{{ record['nope'] }}", "record['nope']"),
        ("text: '{{ record[\"nope\"].b }}'", 'record["nope"]'),
        ('text: "{{ record.rounds[0].nope }}"', "record.rounds[0].nope"),
        ('text: "{{ xrecord.nope is defined }}{{ record.nope }}"', "record.nope"),
        ('text: "\\t{{ record.nope }}"', '"\\t{{ record.nope }}"'),
        ("text: 'it''s {{ record.nope }}'", "'it''s {{ record.nope }}'"),
        ('text: "{{ record.nope }} {{ record.nope }}"', '"{{ record.nope }} {{ record.nope }}"'),
        ('text: &a "{{ record.nope }}"', '&a "{{ record.nope }}"'),
    ],
)
def test_the_place_is_that_of_the_name(line: str, marked: str) -> None:
    """The caret stands under the name as far as it is wrong; where it cannot be told which one, under the whole text."""
    text = f"rules:\n  - name: it\n    when: {{nsid: {PULL}}}\n    do:\n      - note:\n          {line}\n"
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    (place,) = [found.place for found in problems.found if found.code == "R015"]
    assert text.splitlines()[place.line - 1][place.column - 1 :][: place.width] == marked


def test_the_line_of_a_block_is_told() -> None:
    """In a text of several lines, the problem stands in the line that it is about."""
    text = f"rules:\n  - name: it\n    when: {{nsid: {PULL}}}\n    do:\n      - note:\n          text: |\n            a\n"
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", text + "            {{ record.nope }}\n")], PROVIDERS, problems)
    assert [(found.code, str(found.place)) for found in problems.found] == [("R015", "it.yaml:8:1")]


# -- items


@pytest.mark.parametrize(
    ("each", "item", "known", "unknown"),
    [
        ("workflows", "workflow", ["name", "clone.depth", "options.x.y", "fault"], ["nope", "clone.nope"]),
        ("$.workflows", "item", ["engine", "clone.skip"], ["provider", "nope"]),
        ("$.workflows[*]", "item", ["engine"], ["provider"]),
        ("$.workflows[*].clone", "item", ["tags"], ["name"]),
        ("$.triggerMetadata.manual.inputs", "item", ["key"], ["name"]),
        ("$.triggerMetadata", "item", ["kind", "push.ref"], ["branch"]),
        ("$..clone", "item", ["anything"], []),
    ],
)
def test_an_item_has_its_own_names(each: str, item: str, known: list[str], unknown: list[str]) -> None:
    """The names of an `each` are those of what its path leads to, for templates as for `where`."""
    for name in known:
        where = {f"$.{name}": {"exists": True}}
        assert told({"nsid": PIPELINE}, "{{ " + f"{item}.{name}" + " }}", each=each, where=where) == []
    for name in unknown:
        where = {f"$.{name}": {"exists": True}}
        lines = told({"nsid": PIPELINE}, "{{ " + f"{item}.{name}" + " }}", each=each, where=where)
        assert lines == [f"R026 Items of `{each}` have no `$.{name}`.", f"R015 Items of `{each}` have no `{item}.{name}`."]


def test_items_of_an_unknown_record_are_not_guessed_at() -> None:
    """Without an nsid, only the items of `workflows` are known."""
    assert told({}, "{{ item.nope }}", each="$.things", where={"$.nope": 1}) == []
    assert told({}, "{{ workflow.nope }}", each="workflows") == ["R015 Items of `workflows` have no `workflow.nope`."]


def test_the_item_goes_before_a_field_of_its_name() -> None:
    """`as: workflow` is the item, whatever it is made of."""
    assert told({"nsid": PULL}, "{{ workflow.createdAt }}", each="$.rounds", **{"as": "workflow"}) == []


# -- variables


def unused(rule: dict[str, Any], **variables: Any) -> list[str]:
    """The variables that a rule leaves unused."""
    return [found.message.split("`")[1] for found in problems_of(rule, vars=variables) if found.code == "R036"]


@pytest.mark.parametrize(
    "rule",
    [
        {"when": {"branch": {"in": "vars.x"}}, "do": []},
        {"when": {"any": [{"branch": ["main", {"not": {"in": "vars.x"}}]}]}, "do": []},
        {"each": "workflows", "where": {"$.name": {"in": "vars.x"}}, "do": []},
        {"do": [{"ci": {"pipeline": "{{ branch }}"}, "allow": {"pipeline": {"in": "vars.x"}}}]},
        {"do": [{"note": {"text": [{"a": "{{ vars.x | first }}"}]}}]},
        {"do": [{"note": {"text": "{{ vars['x'] | default('') }}"}}]},
        {"do": [], "dedupe": {"key": "{{ vars.x }}", "within": "1m"}},
        {"do": [], "concurrency": {"group": "{{ vars.x }}"}},
        {"do": [], "report": {"workflow": "{{ vars.x }}"}},
    ],
    ids=str,
)
def test_a_variable_may_be_used_anywhere(rule: dict[str, Any]) -> None:
    """Conditions, bounds, options, keys and names of reports use variables; another one is left over."""
    assert unused(rule, x=["a"], y=["b"]) == ["y"]


@pytest.mark.parametrize(
    "text", ["{{ vars }}", "{{ vars[branch] }}", "{% for name in vars %}{{ name }}{% endfor %}", "{{ vars.items() | list }}"]
)
def test_who_takes_all_variables_uses_all(text: str) -> None:
    """A name that is computed may be any."""
    assert unused({"do": [{"note": {"text": text}}]}, x="a", y="b") == []


@pytest.mark.parametrize("text", ["vars.x", "{{ 'vars.x' }}", "{{ record.vars.x }}"])
def test_a_text_that_looks_like_a_variable_uses_none(text: str) -> None:
    """What is no template, or names something else, is not counted."""
    assert unused({"description": "{{ vars.x }}", "do": [{"note": {"text": text}}]}, x="a") == ["x"]


def test_mistakes_keep_quiet_about_variables() -> None:
    """Where a file has errors, a variable may be unused only because of them."""
    assert [found.code for found in problems_of({"do": [{"note": {"text": "{{ vars.org"}}]}, vars={"org": "acme"})] == ["R012"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ vars.a.b.c }}", ["There is no variable `vars.a.b.c`."]),
        ("{{ vars.a.x.c }}", ["There is no variable `vars.a.x`."]),
        ("{{ vars.list.name }}", ["There is no variable `vars.list.name`."]),
        ("{{ vars.list[0].anything }} {{ vars.a[branch].b }} {{ vars.text[0] }} {{ vars.a.get('x') }}", []),
        ("{{ vars.x | default('') }} {{ vars.y is defined }} {{ vars.y }}", []),
    ],
)
def test_variables_are_what_the_file_says(text: str, said: list[str]) -> None:
    """Mappings among the variables are looked into, lists are not."""
    variables = {"a": {"b": 1}, "list": [{}], "text": "t", "rest": "{{ vars }}"}
    found = problems_of({"do": [{"note": {"text": [text, "{{ vars }}"]}}]}, vars=variables)
    assert [problem.message for problem in found] == said
    assert {problem.code for problem in found} <= {"R031"}


def test_names_are_harmless_on_a_terminal() -> None:
    """A name is shown as written, but for what a terminal would obey."""
    (found,) = problems_of({"when": {"nsid": PULL}, "do": [{"note": {"text": "{{ record['\x1b[2J'] }}"}}]})
    assert found.message.isprintable()
    assert "\\x1b" in found.message
