"""Scripted answers: the engine and the providers that run in production carry a plan out, and nothing leaves the machine."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from router import library, plugins
from router.cli import main
from router.core.errors import Transient
from router.core.model import Delivery, Receipt
from router.provider import Closed, Host, Plugin, Secret
from router.ruletests import play
from router.ruletests.placeholders import PLACEHOLDER
from router.ruletests.run import Session, run
from router.secret import Secret as Kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

RULES = """\
rules:
  - name: core-on-buildkite
    when: {trigger: push, branch: [main, both]}
    do:
      - buildkite: {org: acme, pipeline: core, commit: "{{ sha }}", branch: "{{ branch }}"}
  - name: hook
    when: {trigger: push, branch: [hook, both]}
    retry: {attempts: 3, base: 10s, factor: 2}
    do:
      - webhook: {url: "https://hooks.example/push", json: {ref: "{{ ref }}"}}
  - name: two-hooks
    when: {trigger: push, branch: two}
    do:
      - webhook: {url: "https://one.example/", text: one}
      - webhook: {url: "https://two.example/", text: two}
  - name: steps
    when: {trigger: push, branch: steps}
    do:
      - buildkite: {org: acme, pipeline: core, commit: "{{ sha }}", branch: "{{ branch }}"}
      - webhook: {url: "https://hooks.example/push"}
  - name: late
    when: {trigger: push, branch: late}
    debounce: {key: "{{ branch }}", for: 90s}
    do:
      - webhook: {url: "https://hooks.example/late"}
  - name: watched
    when: {trigger: push, branch: watched}
    mode: shadow
    do:
      - webhook: {url: "https://hooks.example/watched"}
  - name: command
    when: {trigger: push, branch: command}
    allow_untrusted: true
    do:
      - shell: {argv: [touch, MARK]}
"""

PUSH: dict[str, Any] = {
    "rkey": "3mvhu2jyegh22",
    "nsid": "sh.tangled.git.refUpdate",
    "event": {
        "$type": "",
        "changedFiles": ["src/app.py"],
        "committerDid": "did:plc:alice",
        "newSha": "6e13e68d383190280012b07f7a62f830da739b41",
        "oldSha": "e8ce712530443f70d7f0c8ceb1a049f3f272ccc5",
        "ownerDid": "did:plc:alice",
        "ref": "refs/heads/main",
        "repo": "did:plc:repo",
    },
    "created": 1789380029000000417,
}

Judge = Callable[..., Session]
#: The test of the design, to the letter.
DESIGN = """\
- name: twice refused, then built
  event: push-main.json
  answers: {buildkite: [503, 503, {status: 201}]}   # scripted, on a test clock
  expect: [{rule: core-on-buildkite, attempts: 3, outcome: done}]
"""


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Runs a test file, given as text, with the providers that are installed."""
    monkeypatch.chdir(tmp_path)

    def judge(cases: str, *, rules: str = RULES, settings: Mapping[str, BaseModel] | None = None) -> Session:
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "core.yaml").write_text(rules.replace("MARK", str(tmp_path / "mark")))
        (folder / "push-main.json").write_text(json.dumps(PUSH))
        (folder / "core.test.yaml").write_text(cases)
        return run(library.on_command_line(["rules"]), {}, lambda _name: True, lambda: settings or {})

    return judge


@pytest.fixture
def findings(judge: Judge) -> Callable[..., list[str]]:
    """What is wrong with one case: a push to `branch`, with these answers, of which this is expected."""

    def findings(branch: str, answers: str, expect: str, **given: Any) -> list[str]:
        event = f"{{extends: push-main.json, with: {{$.ref: refs/heads/{branch}}}}}"
        session = judge(f"- name: a case\n  event: {event}\n  answers: {answers}\n  expect: [{expect}]\n", **given)
        assert [str(problem) for problem in session.problems.found] == []
        (result,) = session.results
        return list(result.findings)

    return findings


Findings = Callable[..., list[str]]

STORIES = {
    "built at once": ("main", "{buildkite: [201]}", "attempts: 1, outcome: done"),
    "a refusal": ("main", "{buildkite: [422]}", "attempts: 1, outcome: dead, reason: Buildkite answered 422"),
    "a lost answer is looked up": ("main", "{buildkite: [lost, 201]}", "attempts: 2, outcome: done"),
    "a look-up that finds it": ("main", "{buildkite: [lost, {look_up: done}]}", "attempts: 2, outcome: done, reason: already"),
    "a look-up over HTTP that finds nothing": (
        "main",
        "{buildkite: [lost, {look_up: {status: 200, json: []}}, 201]}",
        "attempts: 2, outcome: done",
    ),
    "a look-up whose body is the sample": ("main", "{buildkite: [lost, {look_up: 200}, 201]}", "attempts: 2, outcome: done"),
    "a look-up that fails is made again": (
        "main",
        "{buildkite: [lost, {look_up: 503}, {look_up: lost}, {look_up: refused}, {look_up: absent}, 201]}",
        "attempts: 5, outcome: done",
    ),
    "a look-up that cannot tell": (
        "main",
        "{buildkite: [lost, {look_up: {transient: not now}}]}",
        "attempts: 2, outcome: verify, reason: not now",
    ),
    "nobody there": ("main", "{buildkite: [refused, 201]}", "attempts: 2, outcome: done"),
    "the script ends before the tries do": ("main", "{buildkite: [refused]}", "attempts: 1, outcome: ready"),
    "asked too often, which uses up no try": (
        "hook",
        "{webhook: [{status: 429, headers: {Retry-After: 7}}, 503, {status: 429, headers: {Retry-After: 7}}, 503, 200]}",
        "attempts: 5, outcome: done",
    ),
    "given up": ("hook", "{webhook: [500, lost, refused]}", "attempts: 3, outcome: dead, reason: Given up after 3 attempts"),
    "gone": ("hook", "{webhook: [{status: 410, body: gone}]}", "attempts: 1, outcome: dead, reason: it wants no more"),
    "moved": ("hook", "{webhook: [{status: 302, headers: {Location: /there}}, 204]}", "attempts: 2, outcome: done"),
    "in words": (
        "hook",
        "{webhook: [transient, {ambiguous: it broke}, {permanent: no such hook}]}",
        "attempts: 3, outcome: dead, reason: no such hook",
    ),
    "held back first": ("late", "{webhook: [204]}", "attempts: 1, outcome: done"),
    "a command in a word": ("command", "{shell: [done]}", "attempts: 1, outcome: done"),
    "a command that is cut off": ("command", "{shell: [ambiguous]}", "attempts: 1, outcome: dead, reason: not marked"),
    "a command that is tried again": ("command", "{shell: [transient, done]}", "attempts: 2, outcome: done"),
}
RULE_OF = {"main": "core-on-buildkite", "command": "command"}


def test_the_test_of_the_design_holds(judge: Judge) -> None:
    """Two answers of 503 and then 201 are three attempts and a build, as the design says."""
    session = judge(DESIGN)
    assert [str(problem) for problem in session.problems.found] == []
    assert [(result.name, result.findings) for result in session.results] == [("twice refused, then built", ())]


@pytest.mark.parametrize("story", STORIES)
def test_the_engine_does_with_answers_what_it_does_in_production(findings: Findings, story: str) -> None:
    """Retries, Retry-After, look-ups, gates and the classes of errors: the end is the one that the real parts come to."""
    branch, answers, end = STORIES[story]
    assert findings(branch, answers, f"{{rule: {RULE_OF.get(branch, branch)}, {end}}}") == []


def test_a_failure_tells_what_happened_when(findings: Findings) -> None:
    """Where the end is another, each attempt is a line: when, which answers it got, what came of it and why."""
    answers = "{buildkite: [503, {look_up: 503}, lost, 422]}"
    assert findings("main", answers, "{rule: core-on-buildkite, attempts: 3, outcome: done, reason: built}") == [
        "`core-on-buildkite` to buildkite differs:",
        "    attempts",
        "      - 3",
        "      + 4",
        "    outcome",
        "      - done",
        "      + dead",
        "    reason",
        '      - one with "built"',
        '      + "Buildkite answered 422: Not this time."',
        "    t=+0.0s 503 -> verify: Buildkite answered 503.",
        "    t=+15.0s look-up 503 -> verify: The look-up was answered with 503.",
        "    t=+15.6s look-up absent, lost -> verify: The answer of Buildkite was lost: ClientConnectionError.",
        "    t=+30.6s look-up absent, 422 -> dead: Buildkite answered 422: Not this time.",
    ]


def test_what_is_held_back_is_made_when_its_time_comes(findings: Findings) -> None:
    """A debounce of 90 s passes on the test's clock, and not on anybody's watch."""
    told = findings("late", "{webhook: [204]}", "{rule: late, outcome: dead}")
    assert told[-1] == "    t=+90.0s 204 -> done"


def test_options_and_the_end_are_judged_together(findings: Findings) -> None:
    """An expectation may be about both, and both are told."""
    expect = "{rule: hook, webhook: {method: GET}, outcome: dead}"
    assert findings("hook", "{webhook: [200]}", expect) == [
        "`hook` to webhook differs:",
        "    method",
        '      - "GET"',
        "    outcome",
        "      - dead",
        "      + done",
        "    t=+0.0s 200 -> done",
    ]


def test_an_expectation_finds_the_delivery_that_ended_so(findings: Findings) -> None:
    """Of two deliveries that differ only in how they ended, each expectation gets its own, in whatever order."""
    dead_first = "{rule: two-hooks, outcome: dead}, {rule: two-hooks, outcome: done}"
    assert findings("two", "{webhook: [200, 410]}", dead_first) == []


def test_an_expectation_of_an_end_means_a_delivery_that_has_one(findings: Findings) -> None:
    """Without a provider it is not held against a step that was not made, though that comes first."""
    told = findings("steps", "{webhook: [200]}", "{rule: steps, outcome: dead}")
    assert told[:5] == [
        "`steps` to webhook differs:",
        "    outcome",
        "      - dead",
        "      + done",
        "    t=+0.0s 200 -> done",
    ]


def test_waits_are_the_same_each_time(findings: Findings) -> None:
    """Chance repeats itself, so that a test that passes goes on passing."""
    tales = [findings("hook", "{webhook: [500, 500, 200]}", "{rule: hook, outcome: dead}")[4:] for _ in range(3)]
    assert tales[0] == tales[1] == tales[2]
    assert [line.split()[0] for line in tales[0]] == ["t=+0.0s", "t=+6.6s", "t=+18.1s"]


UNEVEN = {
    "one too many": ("hook", "{webhook: [200, 503]}", "`answers` has 2 for webhook, and 1 of them were not asked for"),
    "for nobody": (
        "hook",
        "{webhook: [200], buildkite: [201]}",
        "`answers` has 1 for buildkite, and 1 of them were not asked for",
    ),
    "none for the second delivery": (
        "two",
        "{webhook: [200]}",
        "`answers` has 1 for webhook, and none is left for `core/two-hooks`",
    ),
    "an answer of a look-up that is not made": (
        "hook",
        "{webhook: [{look_up: absent}]}",
        "webhook asked for a delivery when the next of its `answers` was `look-up absent`",
    ),
    "none after a look-up": (
        "main",
        "{buildkite: [lost, {look_up: absent}]}",
        "buildkite asked once more, and `answers` has 2",
    ),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_answers_and_questions_must_be_as_many(findings: Findings, name: str) -> None:
    """A script that does not fit what the rules do is a failure, though nothing is expected of the end."""
    branch, answers, sentence = UNEVEN[name]
    session = findings(branch, answers, "")
    assert sentence in session


def test_the_first_question_without_an_answer_ends_the_play(findings: Findings) -> None:
    """What would follow from it is not told as well."""
    told = findings("two", "{webhook: [{look_up: absent}]}", "{rule: two-hooks}, {rule: two-hooks}")
    assert told == ["webhook asked for a delivery when the next of its `answers` was `look-up absent`"]


def test_a_delivery_without_answers_is_left_alone(findings: Findings) -> None:
    """Only what has answers is made; to expect an end of the other is told as what it is."""
    assert findings("both", "{webhook: [200]}", "{rule: hook, outcome: done}, {rule: core-on-buildkite}") == []
    assert findings("both", "{webhook: [200]}", "{rule: hook}, {rule: core-on-buildkite, outcome: done}") == [
        "`core-on-buildkite` to buildkite differs:",
        "    it is not made: `answers` has nothing for its provider",
    ]


MISTAKES = {
    "an end without answers": (
        "expect: [{rule: hook, attempts: 2}]",
        "R050: `attempts` is about a delivery that is made, and this case has no `answers`.",
    ),
    "an unknown provider": (
        "answers: {buildkit: [503]}",
        "R003: `buildkit` is not a key of `answers`. Did you mean `buildkite`?",
    ),
    "one answer that is no list": ("answers: {shell: done}", "R004: The answers of `shell` must be a list"),
    "no answer": ("answers: {shell: []}", "R050: `shell` has no answer here."),
    "an unknown word": ("answers: {shell: [dune]}", "R050: `dune` is no answer. Did you mean `done`?"),
    "a word of look-ups": (
        "answers: {shell: [absent]}",
        "R050: `absent` is no answer. It answers a look-up: write {look_up: absent}.",
    ),
    "a status that is none": ("answers: {webhook: [42]}", "R050: 42 is no status that ends a request."),
    "a status in words": ("answers: {webhook: [{status: gone}]}", "R004: A status must be a whole number"),
    "no status": ("answers: {webhook: [{body: x}]}", "R005: An answer needs a `status`."),
    "an unknown key": ("answers: {webhook: [{status: 200, text: x}]}", "R003: `text` is not a key of an answer."),
    "two bodies": ("answers: {webhook: [{status: 200, body: x, json: 1}]}", "R050: An answer has one body"),
    "a header of the framing": (
        "answers: {webhook: [{status: 200, headers: {Content-Length: 1}}]}",
        "R050: The header Content-Length follows from the answer.",
    ),
    "a header of two lines": (
        'answers: {webhook: [{status: 200, headers: {X: "a\\r\\nb: c"}}]}',
        "R050: A header is printable ASCII on one line.",
    ),
    "a header that has no name": (
        'answers: {webhook: [{status: 200, headers: {"a b": c}}]}',
        "R050: This cannot be the name of a header.",
    ),
    "an outcome that is none": (
        "answers: {webhook: [200]}\n  expect: [{rule: hook, outcome: dune}]",
        "R050: No delivery is ever `dune`. Did you mean `done`?",
    ),
    "attempts that are none": (
        "answers: {webhook: [200]}\n  expect: [{rule: hook, attempts: -1}]",
        "R004: `attempts` must be a whole number, zero or more",
    ),
    "requests of a provider that sends none": (
        "answers: {shell: [503]}",
        "R050: `shell` sends no requests that a test could answer with `503`.",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_where_it_stands(judge: Judge, name: str) -> None:
    """Every mistake in `answers`, and in what is expected of the end, is a problem with a place and the right words."""
    lines, sentence = MISTAKES[name]
    session = judge(f"- name: a case\n  event: push-main.json\n  why_not: {{hook: branch}}\n  {lines}\n")
    (problem,) = session.problems.found
    assert sentence in str(problem)
    assert problem.place.line in (4, 5)
    assert session.results == []


def test_no_socket_is_opened(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the answer, nobody is connected to and no name is looked up."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a test went to the network")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "create_datagram_endpoint", "getaddrinfo", "sock_connect"):
        monkeypatch.setattr(asyncio.BaseEventLoop, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    answers = "{buildkite: [refused, lost, {look_up: 503}, 503, 201]}"
    assert findings("main", answers, "{rule: core-on-buildkite, attempts: 5, outcome: done}") == []


def test_a_command_is_not_run(findings: Findings, tmp_path: Path) -> None:
    """A provider that sends no requests is told the outcome; its own code is not asked."""
    assert findings("command", "{shell: [done]}", "{rule: command, outcome: done}") == []
    assert not (tmp_path / "mark").exists()


class Settings(Closed):
    """A secret, as many providers have one, and one in a mapping."""

    token: Secret
    more: dict[str, list[Secret]] = {}  # noqa: RUF012 - pydantic copies it


class Options(Closed):
    """What to do in a delivery."""

    way: str


class Toy:
    """A provider of somebody else's, which goes the `way` that it is told."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        way = delivery.options.way
        if way == "a bug":
            raise KeyError("id")
        if way == "never asks":
            raise Transient("Not today.", retry_after=60, counts=False)
        if way == "hangs":
            await asyncio.Event().wait()
        if way == "told":
            raise Transient(f"{self.settings.token.reveal()} {self.settings.more['a'][0].reveal()}")
        first = await self._ask("POST")
        return Receipt(id=f"{first['id']} {(await self._ask('GET'))['id']}")

    async def _ask(self, method: str) -> Any:
        async with self.host.http.request(method, "https://toy.example/") as response:
            return await response.json()


@dataclass(frozen=True)
class Entry:
    """An entry point, as far as anybody looks at it."""

    plugin: Plugin[Settings, Options]
    value: str = "nobodys.toy:plugin"

    def load(self) -> Plugin[Settings, Options]:
        return self.plugin


@pytest.fixture
def toy(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """What is wrong with a case whose only rule has the toy go a `way`."""
    plugin = Plugin(settings=Settings, options=Options, open=Toy, sample=lambda status: {"id": status})
    monkeypatch.setattr(plugins, "installed", lambda _group: {"toy": Entry(plugin)})

    def toy(way: str, answers: str, expect: str, **given: Any) -> list[str]:
        rules = f"rules: [{{name: play, when: {{trigger: push}}, do: [{{toy: {{way: {way}}}}}]}}]\n"
        return findings("main", f"{{toy: {answers}}}", f"{{rule: play, {expect}}}", rules=rules, **given)

    return toy


def test_each_request_of_an_attempt_gets_an_answer(toy: Findings) -> None:
    """A provider that asks twice takes two, and a body is what its plug-in says, where the answer has none."""
    assert toy("twice", "[{status: 200, json: {id: 7}}, 201]", "attempts: 1, outcome: done") == []
    assert toy("twice", "[200]", "attempts: 1")[-1] == "toy asked once more, and `answers` has 1"
    assert (
        toy("twice", "[200, done]", "attempts: 1")[-1] == "toy asked for a delivery when the next of its `answers` was `done`"
    )


def test_a_body_has_the_type_of_how_it_is_written(toy: Findings) -> None:
    """`json` is JSON, `body` is text, unless the headers say otherwise."""
    text = '{status: 200, body: "{\\"id\\": 1}"'
    assert toy("twice", f"[{text}, headers: {{content-type: application/json}}}}, 200]", "outcome: done") == []
    assert "unexpected mimetype: text/plain" in toy("twice", f"[{text}}}]", "outcome: dead")[0]


def test_a_bug_of_a_provider_is_told(toy: Findings) -> None:
    """It is a dead letter, as in production, and a failure of the test that names the error."""
    (told, _) = toy("a bug", "[200]", "outcome: dead")
    assert told.startswith("provider toy: A bug, met by the delivery ")
    assert told.endswith("KeyError: 'id'")


def test_a_provider_that_never_asks_ends_the_test(toy: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for ever without using up an answer is given up."""
    monkeypatch.setattr(play, "MOST", 5)
    assert toy("never asks", "[200]", "outcome: ready, attempts: 5") == [
        "given up after 5 attempts: they go on without using up `answers`",
        "`answers` has 1 for toy, and 1 of them were not asked for",
    ]


def test_a_provider_that_hangs_ends_the_test(toy: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for more than the test's clock gives is given up."""
    monkeypatch.setattr(play, "PATIENCE", 0.01)
    assert toy("hangs", "[200]", "attempts: 0")[0].startswith("given up after 0.01 s of real time")


def test_no_secret_is_read(toy: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever settings name a secret, a provider in a test gets a placeholder."""
    monkeypatch.setenv("TOKEN", "canary")
    (tmp_path / "secret").write_text("canary")
    settings = Settings(token=Kept("env", "TOKEN"), more={"a": [Kept("file", str(tmp_path / "secret"))]})
    monkeypatch.setattr(play, "MOST", 1)
    assert toy("told", "[200]", "outcome: ready, reason: none", settings={"toy": settings})[1:4] == [
        "    reason",
        '      - one with "none"',
        f'      + "{PLACEHOLDER} {PLACEHOLDER}"',
    ]


def test_a_signature_needs_no_real_secret(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The placeholder is one that a webhook can be signed with."""
    monkeypatch.delenv("HOOK", raising=False)
    settings = plugins.provider("webhook").settings(secrets={"ours": {"env": "HOOK"}})
    rules = "rules: [{name: signed, when: {trigger: push}, do: [{webhook: {url: 'https://x.example/', secret: ours}}]}]\n"
    expect = "{rule: signed, outcome: done}"
    assert findings("main", "{webhook: [200]}", expect, rules=rules, settings={"webhook": settings}) == []


def test_settings_are_those_of_router_yaml(judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`router test` takes the organization from the configuration, and does not miss the secret that it names."""
    rules = RULES.replace("org: acme, ", "")
    (result,) = judge(DESIGN, rules=rules).failed
    assert "No organization: say `org` in the step" in "".join(result.findings)
    (tmp_path / "router.yaml").write_text("providers: {buildkite: {org: acme, token: {file: /nowhere/token}}}\n")
    assert main(["test", "rules"]) == 0
    assert capsys.readouterr().out.startswith("ok    twice refused, then built\n")


def test_settings_are_read_where_a_case_has_answers(judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in them stops a case with answers, and no other."""
    (tmp_path / "router.yaml").write_text("providers: {buildkite: {settle: soon, token: {env: TOKEN}}}\n")
    judge("- {name: plain, event: push-main.json, expect: [{rule: core-on-buildkite}]}\n")
    assert main(["test", "rules"]) == 0
    judge(DESIGN)
    assert main(["test", "rules"]) == 2
    assert "router.yaml:1:33: error R040: In the provider `buildkite`" in "".join(capsys.readouterr())


def test_only_answers_cost_an_engine(judge: Judge) -> None:
    """A folder whose cases have no answers is tested without importing networks and stores."""
    judge("- {name: silent, event: push-main.json, expect: [{rule: core-on-buildkite}]}\n")
    script = (
        "import sys; from router.cli import main; code = main(['test', 'rules']);"
        " print(*({'aiohttp', 'sqlite3', 'router.engine', 'router.testing'} & sys.modules.keys())); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok    silent\n1 test: 1 passed.\n\n", "")
