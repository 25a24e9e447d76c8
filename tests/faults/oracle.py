"""What has to come of what was said: a plain model of the rules, which knows nothing of how the router does it.

Each contract says how often: builds once, webhooks at least once under one id, commands at most once (or, where they say so, at
least once), statuses in order and once final never another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tests.faults.scene import Deed, Rule, Ruleset, Said

#: What a delivery is for: (rule, commit). No two of one world are the same.
Cause = tuple[str, str]
#: Verdicts, after which nothing comes.
FINAL = frozenset(("success", "failed", "timeout", "cancelled"))


@dataclass(frozen=True, slots=True)
class Expected:
    """The actions by what they are for, and how the builds end."""

    deeds: Mapping[Cause, Deed]
    ends: Mapping[Cause, str]

    def of(self, *deeds: Deed) -> set[Cause]:
        return {cause for cause, deed in self.deeds.items() if deed in deeds}


@dataclass(slots=True)
class Seen:
    """What came of it, as others saw it and as the store has it.

    `builds` and `hooks` are (cause, delivery id), each time that one came; `told` are (delivery id, status, webhook id); `ran`
    are commands; `states` and `statuses` are the store's, by delivery, of which `causes` says what each is for.
    """

    builds: list[tuple[Cause, str]] = field(default_factory=list)
    hooks: list[tuple[Cause, str]] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    ran: Counter[Cause] = field(default_factory=Counter)
    causes: dict[str, Cause] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, list[str]] = field(default_factory=dict)


def expected(said: Iterable[tuple[Said, Sequence[Ruleset]]], failing: Collection[str]) -> Expected:
    """Of what was said, each under the rules of its time. `failing` are the commits whose builds fail."""
    deeds: dict[Cause, Deed] = {}
    for one, rulesets in said:
        for ruleset in rulesets:
            holding = [rule for rule in ruleset.rules if _holds(rule, one)]
            for rule in holding[:1] if ruleset.strategy == "first" else holding:
                if rule.deed != "nothing":
                    deeds[rule.name, one.sha] = rule.deed
    ends = {cause: "failed" if cause[1] in failing else "success" for cause, deed in deeds.items() if deed == "build"}
    return Expected(deeds, ends)


def _holds(rule: Rule, said: Said) -> bool:
    if said.kind != rule.kind or (rule.repos and said.repo not in rule.repos):
        return False
    branch = said.ref.removeprefix("refs/heads/")
    wanted = [glob for glob in rule.branches if not glob.startswith("!")]
    if any(_fits(glob[1:], branch) for glob in rule.branches if glob.startswith("!")):
        return False
    if wanted and not any(_fits(glob, branch) for glob in wanted):
        return False
    if rule.paths is None:
        return True
    quantifier, glob = rule.paths
    fits = [_fits(glob, file) for file in said.files]
    return {"any": any(fits), "every": bool(fits) and all(fits), "none": not any(fits)}[quantifier]


def _fits(glob: str, text: str) -> bool:
    pattern = re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(pattern, text) is not None


def wrong(expected: Expected, seen: Seen) -> list[str]:
    """Every way in which what was seen breaks the contract; a few of each are enough to look into."""
    return [
        *_builds(expected, seen),
        *_hooks(expected, seen),
        *_told(expected, seen),
        *_commands(expected, seen),
        *_store(expected, seen),
        *_statuses(expected, seen),
    ]


def _builds(expected: Expected, seen: Seen) -> list[str]:
    made = Counter(cause for cause, _ in seen.builds)
    wanted = expected.of("build")
    return [
        *_some("built twice", (cause for cause, count in made.items() if count > 1)),
        *_some("built, and nobody asked", made.keys() - wanted),
        *_some("not built", wanted - made.keys()),
        *_ids("build", seen.builds),
    ]


def _hooks(expected: Expected, seen: Seen) -> list[str]:
    came = {cause for cause, _ in seen.hooks}
    wanted = expected.of("hook")
    return [
        *_some("no webhook", wanted - came),
        *_some("a webhook, and nobody asked", came - wanted),
        *_ids("webhook", seen.hooks),
    ]


def _ids(what: str, came: Iterable[tuple[Cause, str]]) -> list[str]:
    """One id for each cause, and one cause for each id."""
    of_cause: dict[Cause, set[str]] = defaultdict(set)
    of_id: dict[str, set[Cause]] = defaultdict(set)
    for cause, key in came:
        of_cause[cause].add(key)
        of_id[key].add(cause)
    return [
        *_some(f"{what}: its id changed", (cause for cause, ids in of_cause.items() if len(ids) > 1)),
        *_some(f"{what}: one id for several", (key for key, causes in of_id.items() if len(causes) > 1)),
    ]


def _told(expected: Expected, seen: Seen) -> list[str]:
    """Every build that failed is told, as what it is, under an id of its own that stays."""
    wanted = {(delivery, "failed") for delivery, cause in seen.causes.items() if expected.ends.get(cause) == "failed"}
    came = {(delivery, status) for delivery, status, _ in seen.told}
    return [
        *_some("an end that nobody was told", wanted - came),
        *_some("told an end that is none", came - wanted),
        *_ids("told", ((("", f"{delivery} {status}"), key) for delivery, status, key in seen.told)),
    ]


def _commands(expected: Expected, seen: Seen) -> list[str]:
    states = {seen.causes[delivery]: state for delivery, state in seen.states.items() if delivery in seen.causes}
    once, often = expected.of("once"), expected.of("often")
    return [
        *_some("a command that ran twice", (cause for cause in once if seen.ran[cause] > 1)),
        *_some("a command that is done and never ran", (c for c in once if states.get(c) == "done" and not seen.ran[c])),
        *_some(
            "a command that is neither done nor told to be cut off", (c for c in once if states.get(c) not in ("done", "dead"))
        ),
        *_some("an idempotent command that never ran", (cause for cause in often if not seen.ran[cause])),
        *_some("a command, and nobody asked", seen.ran.keys() - once - often),
    ]


def _store(expected: Expected, seen: Seen) -> list[str]:
    """One delivery for each deed, made; only commands that must not be made again may be dead."""
    kept = Counter(seen.causes.values())
    may_die = expected.of("once")
    unmade = {seen.causes.get(delivery, delivery): state for delivery, state in seen.states.items() if state != "done"}
    return [
        *_some("no delivery", expected.deeds.keys() - kept.keys()),
        *_some("a delivery, and nobody asked", kept.keys() - expected.deeds.keys()),
        *_some("two deliveries", (cause for cause, count in kept.items() if count > 1)),
        *_some("not done", (f"{cause} {state}" for cause, state in unmade.items() if cause not in may_die)),
    ]


def _statuses(expected: Expected, seen: Seen) -> list[str]:
    wrong_end, out_of_order = [], []
    for delivery, cause in seen.causes.items():
        if cause not in expected.ends:
            continue
        told = seen.statuses.get(delivery, [])
        if not told or told[-1] != expected.ends[cause]:
            wrong_end.append((cause, told))
        if told != [s for s in ("pending", "running") if s in told] + [s for s in told if s in FINAL][:1]:
            out_of_order.append((cause, told))
    return [*_some("a status that is not its end", wrong_end), *_some("statuses out of order", out_of_order)]


def _some(what: str, found: Iterable[object]) -> list[str]:
    listed = sorted(map(str, found))
    if not listed:
        return []
    return [f"{what}: {len(listed)} of them, such as {'; '.join(listed[:3])}"]
