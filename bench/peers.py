"""The same events and rules, decided by others: engines that come from PyPI (`pip install -e '.[bench]'`) or npm.

Rule n is about repo n: half of the rules want pushes to main, the other half those to a release branch. Peers get the JSON of
the event, decoding included, and must find the same rules; each is used as its documentation shows, compiled where it can be.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import mix
from bench.harness import Row, Times, ratio, side_by_side
from router.core import rules
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from router.core.rulebook import Rulebook

RULES = 1_000
#: Events for us, and for those who take longer.
COUNT, FEW = 2_000, 20
#: Rules that durable_rules is given at a time: with more its first event has no end, with fewer all of them take longer.
TOGETHER = 500
_NUMBERS = itertools.count()


def frames(number_of_rules: int, count: int) -> list[bytes]:
    draw = random.Random(mix.SEED)
    made = []
    for at in range(count):
        number = draw.randrange(number_of_rules) + (0 if at % 2 else 10**7)
        made.append(mix.push(number, ref="refs/heads/main" if number % 2 else "refs/heads/release/1.2"))
    return made


@lru_cache(maxsize=4)
def ours(number_of_rules: int) -> Rulebook:
    lines = ["rules:"]
    for number in range(number_of_rules):
        branch = "main" if number % 2 else "release/**"
        lines += [
            f"  - name: r{number}",
            f"    when: {{trigger: push, repo: '{mix.did(number)}', branch: '{branch}'}}",
            "    do: []",
        ]
    problems = Problems()
    book = rules.load([rules.RuleText("peers", "peers.yaml", "\n".join(lines))], {}, problems)
    assert not problems.errors
    return book


def text(number: int, main: str, release: str) -> str:
    """A rule as an expression."""
    return f'event.repo == "{mix.did(number)}" and {main if number % 2 else release}'


def rule_engine(number_of_rules: int) -> Callable[[bytes], list[int]]:
    import rule_engine as engine  # noqa: PLC0415 - a peer

    made = [
        engine.Rule(text(number, 'event.ref == "refs/heads/main"', 'event.ref =~ "refs/heads/release/.*"'))
        for number in range(number_of_rules)
    ]
    return lambda frame: _each(made, lambda rule, sent: rule.matches(sent), frame)


def _each(made: list[Any], test: Callable[[Any, Any], Any], frame: bytes) -> list[int]:
    sent = json.loads(frame)
    return [number for number, rule in enumerate(made) if test(rule, sent)]


def cel(number_of_rules: int) -> Callable[[bytes], list[int]]:
    import cel as engine  # noqa: PLC0415 - a peer, in Rust

    main, release = 'event.ref == "refs/heads/main"', 'event.ref.startsWith("refs/heads/release/")'
    made = [engine.compile(text(number, main, release).replace(" and ", " && ")) for number in range(number_of_rules)]

    def find(frame: bytes) -> list[int]:
        known = engine.Context(variables={"event": json.loads(frame)["event"]})
        return [number for number, program in enumerate(made) if program.execute(known)]

    return find


def json_logic(number_of_rules: int) -> Callable[[bytes], list[int]]:
    from json_logic import jsonLogic  # noqa: PLC0415 - a peer

    made = [_logic(number) for number in range(number_of_rules)]
    return lambda frame: _each(made, jsonLogic, frame)


def _logic(number: int) -> dict[str, Any]:
    main = {"==": [{"var": "event.ref"}, "refs/heads/main"]}
    release = {"in": ["refs/heads/release/", {"var": "event.ref"}]}
    return {"and": [{"==": [{"var": "event.repo"}, mix.did(number)]}, main if number % 2 else release]}


def business_rules(number_of_rules: int) -> Callable[[bytes], list[int]]:
    from business_rules import engine, variables  # noqa: PLC0415 - a peer

    class Push(variables.BaseVariables):
        def __init__(self, sent: dict[str, Any]) -> None:
            self.sent = sent["event"]

        @variables.string_rule_variable()
        def repo(self) -> str:
            return str(self.sent["repo"])

        @variables.string_rule_variable()
        def ref(self) -> str:
            return str(self.sent["ref"])

    def conditions(number: int) -> dict[str, Any]:
        branch = ("equal_to", "refs/heads/main") if number % 2 else ("starts_with", "refs/heads/release/")
        asked = [("repo", "equal_to", mix.did(number)), ("ref", *branch)]
        return {"all": [{"name": name, "operator": operator, "value": value} for name, operator, value in asked]}

    made = [conditions(number) for number in range(number_of_rules)]
    return lambda frame: _each(made, lambda rule, sent: engine.check_conditions_recursively(rule, Push(sent)), frame)


def zen(number_of_rules: int) -> Callable[[bytes], list[int]]:
    import zen as engine  # noqa: PLC0415 - a peer, in Rust

    main, release = 'event.ref == "refs/heads/main"', 'startsWith(event.ref, "refs/heads/release/")'
    made = [engine.compile_expression(text(number, main, release)) for number in range(number_of_rules)]
    return lambda frame: _each(made, lambda expression, sent: expression.evaluate(sent), frame)


def event_pattern(number_of_rules: int) -> Callable[[bytes], list[int]]:
    from moto.events.models import EventPattern  # noqa: PLC0415 - a peer

    def pattern(number: int) -> str:
        ref: list[Any] = ["refs/heads/main"] if number % 2 else [{"prefix": "refs/heads/release/"}]
        return json.dumps({"event": {"repo": [mix.did(number)], "ref": ref}})

    made = [EventPattern.load(pattern(number)) for number in range(number_of_rules)]
    return lambda frame: _each(made, EventPattern.matches_event, frame)


def durable(number_of_rules: int) -> Callable[[bytes], list[int]]:
    import durable.engine  # noqa: PLC0415 - a peer, in C
    from durable import lang  # noqa: PLC0415 - the same

    found: list[int] = []

    def wanted(number: int) -> Any:
        of_branch = lang.m.ref == "refs/heads/main" if number % 2 else lang.m.ref.matches("refs/heads/release/.*")
        return (lang.m.repo == mix.did(number)) & of_branch

    def rule(number: int) -> None:
        lang.when_all(wanted(number))(lambda _: found.append(number))

    starts = range(0, number_of_rules, TOGETHER)
    for start in starts:
        with lang.ruleset(f"peers-{start}"):
            for number in range(start, min(start + TOGETHER, number_of_rules)):
                rule(number)

    def find(frame: bytes) -> list[int]:
        found.clear()
        sent = json.loads(frame)["event"]
        for start in starts:
            # It takes an event that matches nothing as an error, and would not look at the same one twice.
            with suppress(durable.engine.MessageNotHandledException):
                lang.post(f"peers-{start}", {"id": str(next(_NUMBERS)), "repo": sent["repo"], "ref": sent["ref"]})
        return list(found)

    return find


PEERS: dict[str, tuple[str, Callable[[int], Callable[[bytes], list[int]]]]] = {
    "CEL (Rust)": ("common-expression-language", cel),
    "zen-engine (Rust)": ("zen-engine", zen),
    "rule-engine": ("rule-engine", rule_engine),
    "business-rules": ("business-rules", business_rules),
    "json-logic-qubit": ("json-logic-qubit", json_logic),
    "EventBridge patterns, moto": ("moto", event_pattern),
    f"durable_rules (C), by {TOGETHER}s": ("durable_rules", durable),
}
NPM = ("json-rules-engine", "json-logic-js")


def rows() -> Iterator[Row]:
    book = ours(RULES)
    given, few = frames(RULES, COUNT), frames(RULES, FEW)
    expected = [int(frame.decode().partition("did:plc:repo")[2][:20]) for frame in few]
    expected_of = {frame: [number] if number < RULES else [] for frame, number in zip(few, expected, strict=True)}
    assert mix.match_all(given, book) == COUNT // 2
    for name, (package, make) in PEERS.items():
        try:
            find = make(RULES)
        except ImportError as error:
            print(f"     {name} is left out: {error}")
            continue
        assert all(find(frame) == numbers for frame, numbers in expected_of.items()), name
        sides = {"router": lambda: mix.match_all(given, book), name: lambda find=find: [find(frame) for frame in few]}
        taken = side_by_side(sides, rounds=3, units={"router": COUNT, name: FEW})
        yield _row(f"{name} {version(package)}", taken[name], taken["router"])
    yield from _npm(given, few, [number for numbers in expected_of.values() for number in numbers])


def _row(name: str, peer: Times, router: Times) -> Row:
    return Row(
        f"{name}, {RULES:,} rules, against the router",
        ratio(peer, router),
        10,
        least=True,
        sides={name: peer, "router": router},
    )


def _npm(given: list[bytes], few: list[bytes], expected: list[int]) -> Iterator[Row]:
    """Peers on Node.js, in a folder of their own; they say themselves how long they took."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        print("     npm is not here: its peers are left out")
        return
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "install", "--silent", "--no-fund", *NPM], cwd=folder, check=False, capture_output=True, text=True
        )
        if done.returncode:
            print(f"     npm installs nothing here: {done.stderr[:200]}")
            return
        logic = [_logic(number) for number in range(RULES)]
        data = {
            "frames": [frame.decode() for frame in few],
            "logic": logic,
            "repos": [mix.did(number) for number in range(RULES)],
        }
        (Path(folder) / "data.json").write_text(json.dumps(data))
        (Path(folder) / "run.js").write_text((Path(__file__).parent / "peers.js").read_text())
        for package in NPM:
            said = json.loads(subprocess.run([node, "run.js", package], cwd=folder, check=True, capture_output=True).stdout)
            assert sorted(said["found"]) == sorted(expected), package
            sides = {"router": lambda: mix.match_all(given, ours(RULES))}
            mine = side_by_side(sides, rounds=len(said["seconds"]), units=COUNT)["router"]
            yield _row(f"{package} {said['version']} (Node.js)", Times(tuple(said["seconds"])), mine)
