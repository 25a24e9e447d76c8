"""Rules from text, events from fields, and a few providers that exist only as options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from router.core import match, plan, rules
from router.core.marks import Bounded, Command, Exposes, Script, Verbatim
from router.core.model import Event, Plan
from router.core.problems import Problems
from router.core.rulebook import Rulebook

PUSH = "sh.tangled.git.refUpdate"
ALICE = "did:plc:alicealicealicealicealic"
BOB = "did:plc:bobbobbobbobbobbobbobbob"
CORE = "did:plc:corecorecorecorecorecore"
SHA = "6e13e68d383190280012b07f7a62f830da739b41"
WHO: Mapping[str, str | None] = {"alice.example": ALICE, "bob.example": BOB, "nobody.example": None}

PUSHED: Mapping[str, Any] = {
    "trigger": "push",
    "operation": "update",
    "repo": {"did": CORE, "owner": ALICE, "name": "core", "knot": "knot1.example.com"},
    "owner": ALICE,
    "actor": ALICE,
    "trust": "owner",
    "knot": "knot1.example.com",
    "ref": "refs/heads/main",
    "branch": "main",
    "sha": SHA,
    "paths": ["src/app.py", "docs/a.md"],
}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Author(_Closed):
    name: str
    email: str = ""


class Ci(_Closed):
    """A CI with everything that options can be."""

    pipeline: Annotated[str, Bounded("a pipeline")]
    pipelines: Annotated[list[str] | None, Bounded("a pipeline")] = None
    commit: str = "HEAD"
    branch: str | None = None
    priority: int = 0
    mood: Literal["calm", "hasty"] = "calm"
    author: Author | None = None
    env: dict[str, str] = {}
    steps: list[Author] = []
    class_: str = Field(default="", alias="class")


class Static(_Closed):
    """Something whose text must be static."""

    script: Annotated[str, Verbatim("Put what varies into `env`.")]
    folder: Annotated[str, Verbatim("A folder is the operator's to choose.")] | None = None
    env: dict[str, str] = {}


class Note(BaseModel):
    """Takes any value."""

    model_config = ConfigDict(extra="forbid")

    text: Any = None


class Buildkite(_Closed):
    exposes: ClassVar[Exposes] = Exposes.SECRETS

    org: str
    pipeline: Annotated[str, Bounded("a pipeline")]
    commit: str
    branch: str
    message: str = ""


class Shell(_Closed):
    """A command on this machine."""

    takes_secrets: ClassVar[bool] = True
    exposes: ClassVar[Exposes] = Exposes.MACHINE

    argv: Annotated[list[str], Command()] | None = None
    script: Annotated[str, Script("env")] | None = None
    env: dict[str, str] = {}


class Woodpecker(_Closed):
    repo: str
    branch: str


PROVIDERS: Mapping[str, type[BaseModel]] = {
    "ci": Ci,
    "script": Static,
    "note": Note,
    "buildkite": Buildkite,
    "shell": Shell,
    "woodpecker": Woodpecker,
}


def event(nsid: str = PUSH, /, **given: Any) -> Event:
    """An event with these named fields; `record`, `time`, `kind`, `source`, `origin` and `id` are the event's own."""
    own = {name: given.pop(name) for name in ("record", "time", "kind", "origin", "id", "depth") if name in given}
    fields = {name: value for name, value in given.items() if value is not None and name != "source"}
    base: dict[str, Any] = {
        "origin": "knot:knot1.example.com",
        "id": "3n2y3epywm22e",
        "source": given.get("source", "knot1"),
        "kind": "knot",
        "time": 1_795_435_201_000_000,
        "record": {},
    }
    return Event(**(base | own), nsid=nsid, fields=fields)


def pushed(**changed: Any) -> Event:
    """A push to main of alice's repo core; a field set to None is absent."""
    return event(**(dict(PUSHED) | changed))


def read(text: str, name: str = "team") -> tuple[Rulebook, list[str]]:
    """The rules of one file, and its problems as lines."""
    problems = Problems()
    rulebook = rules.load([rules.RuleText(name, f"{name}.yaml", text)], PROVIDERS, problems)
    return rulebook, [str(problem) for problem in problems.found]


def load(text: str, name: str = "team") -> Rulebook:
    """The rules of one file without a problem."""
    rulebook, problems = read(text, name)
    assert problems == []
    return rulebook


def with_when(when: str) -> Rulebook:
    """One rule that does nothing, with these conditions in YAML's flow style."""
    return load(f"rules:\n  - name: it\n    when: {{{when}}}\n    do: []\n")


def with_step(step: str, *lines: str, head: str = "") -> str:
    """A file with one rule of one step, and further lines of the rule."""
    return "\n".join([head, "rules:", "  - name: it", "    do:", f"      - {step}", *(f"    {line}" for line in lines)])


def decide(rulebook: Rulebook, given: Event, who: Mapping[str, str | None] = WHO) -> bool | str:
    """Whether the only rule acts, or why that cannot be told; `explain` must agree with `plan`."""
    made = plan.plan(given, rulebook, who)
    (verdict,) = match.explain(given, rulebook, who)
    assert verdict.matched is bool(made.matched)
    if made.troubles:
        assert verdict.verdict.held is None
        (trouble,) = made.troubles
        return ("undecided: " if trouble.undecided else "") + trouble.sentence
    assert verdict.verdict.held is verdict.matched
    return bool(made.matched)


@pytest.fixture
def made() -> Callable[..., Plan]:
    """What rules, given as text, make of an event."""

    def made(text: str, given: Event | None = None) -> Plan:
        return plan.plan(given if given is not None else pushed(), load(text), WHO)

    return made
