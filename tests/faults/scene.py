"""Who is there, what they may say, and the rules: plain values, from a seed, known to the simulator and to the oracle alike.

Nothing here is of the router: rules are written out as YAML for it, and the oracle reads them as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import random

#: What a rule does: a build that reports, a webhook, a command at most once, a command at least once, or nothing on purpose.
Deed = Literal["build", "hook", "once", "often", "nothing"]
Kind = Literal["push", "tag", "deletion", "issue"]

OWNERS = {f"did:plc:{name:a<24}": f"{name}.example" for name in ("alice", "bob", "carol")}
KNOTS = ("knot-0", "knot-1", "older-0", "older-1")
JETSTREAM = "jetstream"
#: Pushes may be said late by so many events of their knot, and less than the minute that older knots are gone back.
LATE = 8
_BASE32 = "234567abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Repo:
    """A repo, where it is, and its own DID (which older knots do not tell)."""

    knot: str
    owner: str
    name: str
    did: str

    @property
    def written(self) -> str:
        """As a rule names it."""
        return f"{self.owner}/{self.name}"


REPOS = tuple(
    Repo(knot, owner, f"{name}{number}", f"did:plc:{f'{name}{number}'.translate(str.maketrans('01', 'xy')):r<24}")
    for number, knot in enumerate(KNOTS)
    for owner, name in zip(OWNERS, ("app", "site", "lib"), strict=True)
)
BRANCHES = ("main", "dev", "release/7", "release/7/hot", "feature/one", "late/one")
FILES = ("docs/guide.md", "docs/deep/er.md", "src/app.py", "src/app/main.py", "README.md", "Makefile")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that happened; `number` is its name, and makes its commit."""

    number: int
    kind: Kind
    repo: Repo
    ref: str
    files: tuple[str, ...] = ()

    @property
    def sha(self) -> str:
        return f"{self.number + 1:040x}"

    @property
    def on(self) -> str:
        return JETSTREAM if self.kind == "issue" else self.repo.knot

    def frame(self, rkey: str) -> dict[str, Any]:
        """As its server sends it; `rkey` is the key of the record, or of the knot's event."""
        if self.kind == "issue":
            record = {"$type": "sh.tangled.repo.issue", "repo": self.repo.did, "title": self.sha, "createdAt": "$now"}
            commit = {
                "operation": "create",
                "collection": "sh.tangled.repo.issue",
                "rkey": rkey,
                "rev": rkey,
                "record": record,
                "cid": "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae",
            }
            return {"did": self.repo.owner, "kind": "commit", "commit": commit}
        zeros = "0" * 40
        event: dict[str, Any] = {
            "changedFiles": list(self.files),
            "committerDid": self.repo.owner,
            "oldSha": zeros if self.kind != "deletion" else self.sha,
            "newSha": zeros if self.kind == "deletion" else self.sha,
            "ref": self.ref,
        }
        if self.repo.knot.startswith("older"):
            event |= {"repoDid": self.repo.owner, "repoName": self.repo.name}
        else:
            event |= {"$type": "", "ownerDid": self.repo.owner, "repo": self.repo.did}
        return {"nsid": "sh.tangled.git.refUpdate", "rkey": rkey, "event": event}


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, of which an empty one holds always, and a deed. `branches` are globs; one with `!` takes away."""

    name: str
    deed: Deed
    kind: Kind = "push"
    repos: tuple[Repo, ...] = ()
    branches: tuple[str, ...] = ()
    paths: tuple[Literal["any", "every", "none"], str] | None = None
    workflow: str = ""

    def yaml(self) -> dict[str, Any]:
        """What a rule file says. JSON is YAML."""
        when: dict[str, Any] = {"nsid": "sh.tangled.repo.issue" if self.kind == "issue" else "sh.tangled.git.refUpdate"}
        if self.kind == "tag":
            when["tag"] = "**"
        if self.repos:
            when["repo"] = [repo.written for repo in self.repos]
        if self.kind == "push":
            when["branch"] = list(self.branches) or "**"
        if self.paths is not None:
            when["paths"] = {self.paths[0]: [self.paths[1]]}
        told = "{{ record.title }}" if self.kind == "issue" else "{{ sha }}"
        rule: dict[str, Any] = {"name": self.name, "when": when, "do": self._steps(told)}
        if self.workflow:
            rule["report"] = {"workflow": self.workflow}
        return rule

    def _steps(self, told: str) -> list[dict[str, Any]]:
        again = {"attempts": 40, "base": "50ms", "cap": "300ms"}
        mark = 'echo "$SHA" >> "$FILE"'
        match self.deed:
            case "build":
                build = {"pipeline": "p", "commit": told, "branch": "main", "message": self.name}
                return [{"buildkite": build, "retry": again}]
            case "hook":
                body = {"rule": self.name, "sha": told, "delivery": "{{ delivery.id }}"}
                return [{"webhook": {"url": "$SINK/hook", "json": body, "secret": "sink"}, "retry": again}]
            case "once" | "often":
                shell = {"script": mark, "env": {"SHA": told, "FILE": f"$FOLDER/{self.name}"}}
                return [{"shell": shell, "retry": again} | ({"idempotent": True} if self.deed == "often" else {})]
            case _:
                return []


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A file of rules, of which the first that holds acts, or all."""

    name: str
    strategy: Literal["first", "all"]
    rules: tuple[Rule, ...]

    def text(self, sink: str, folder: str, remark: str = "") -> str:
        tree = {"strategy": self.strategy, "rules": [rule.yaml() for rule in self.rules]}
        return f"# {remark}\n" + json.dumps(tree, indent=1).replace("$SINK", sink).replace("$FOLDER", folder) + "\n"


#: Tells the sink of every failure: that a status was told is seen from outside.
TOLD = """\
rules:
  - name: told
    when: {source: spindle, status: failed}
    do:
      - webhook:
          url: $SINK/told
          json: {about: "{{ record.delivery }}", sha: "{{ sha }}", workflow: "{{ record.workflow }}", status: "{{ status }}"}
          secret: sink
        retry: {attempts: 40, base: 50ms, cap: 300ms}
"""


def some_rules(chance: random.Random) -> tuple[Ruleset, Ruleset]:
    """Rules for every deed, with conditions by chance."""
    repos, globs = list(REPOS), ("main", "release/*", "release/**", "feature/*", "**", "d*")

    def of(count: int) -> tuple[Repo, ...]:
        return tuple(chance.sample(repos, count))

    builds = (
        Rule("docs", "nothing", paths=("every", "docs/**")),
        *(
            Rule(
                f"build-{n}",
                "build",
                repos=of(4),
                branches=tuple(chance.sample(globs, 2)),
                workflow=chance.choice(("ci", "test")),
            )
            for n in range(3)
        ),
        Rule("build-main", "build", branches=("main", "!release/**"), paths=("none", "Makefile"), workflow="ci"),
    )
    others = (
        Rule("hook-some", "hook", repos=of(3), branches=("**", "!main"), paths=("any", "src/**")),
        Rule("hook-tags", "hook", kind="tag"),
        Rule("hook-issues", "hook", kind="issue"),
        Rule("once", "once", repos=of(1), branches=("main", "dev")),
        Rule("often", "often", repos=of(1), branches=("main", "dev")),
    )
    return Ruleset("builds", "first", builds), Ruleset("others", "all", others)


def later(rulesets: tuple[Ruleset, Ruleset]) -> tuple[Ruleset, Ruleset]:
    """The rules after a change that matters to what happens on `late/…` only: it was said by nobody before."""
    builds, others = rulesets
    more = Rule("hook-late", "hook", branches=("late/**",))
    return builds, Ruleset(others.name, others.strategy, (*others.rules, more))


def something(chance: random.Random, number: int, branches: tuple[str, ...]) -> Said:
    """One thing that happens, by chance: mostly pushes."""
    repo = chance.choice(REPOS)
    kind: Kind = chance.choices(("push", "tag", "deletion", "issue"), (88, 4, 4, 4))[0]
    if kind == "issue":
        return Said(number, kind, repo, "")
    ref = f"refs/tags/v{number}" if kind == "tag" else f"refs/heads/{chance.choice(branches)}"
    return Said(number, kind, repo, ref, () if kind != "push" else tuple(chance.sample(FILES, chance.randint(1, 3))))


def tid(micros: int, clock: int) -> str:
    """A key that is a time, as knots make them."""
    value = micros << 10 | clock
    return "".join(_BASE32[value >> shift & 31] for shift in range(60, -1, -5))
