"""Rules that hold back, one for each way of it, and what has to hold of each across kills: a plain model of them.

Each rule has branches of its own, so each is tried alone. What is held back is read from the store's rows and from what others
saw; when a delivery may begin is worked out here, from when its event was stored, and never taken from the store.
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.scene import REPOS, Repo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SECOND, HOUR = 1_000_000, 3_600_000_000
#: What router.yaml and the rules say, in seconds where it is a time.
THROTTLE, THROTTLE_PER = 4, 1.0
DEBOUNCE = 0.3
LOOP, LOOP_WITHIN = 10, 1.0
ACTIONS, IN_FLIGHT = 260, 2
EACH = 3
RATE, RATE_PER = 15, 1.0
#: Seconds that a build of the CI takes.
BUILD = 0.2

_OF = {repo.name: repo for repo in REPOS}
#: By rule: its repo. What one owner may do in an hour is tried with the last, whose owner has no other.
OF: Mapping[str, Repo] = {
    "queue": _OF["app0"],
    "debounce": _OF["app1"],
    "dedupe": _OF["app1"],
    "throttle": _OF["site0"],
    "loop": _OF["site1"],
    "quota": _OF["lib1"],
}
#: How many events of each happen in a life.
SHARES = {"queue": 2, "debounce": 2, "throttle": 2, "loop": 6, "dedupe": 2, "quota": 12}
BUILT = frozenset(("queue", "quota"))
_KEYED: Mapping[str, Mapping[str, Any]] = {
    "queue": {"concurrency": {"group": "{{ repo.did }}", "policy": "queue"}, "report": {"workflow": "ci"}},
    "debounce": {"debounce": {"for": f"{DEBOUNCE * 1000:g}ms", "key": "{{ repo.did }}/{{ branch }}"}},
    "throttle": {"throttle": {"limit": THROTTLE, "per": f"{THROTTLE_PER:g}s", "key": "{{ repo.did }}"}},
    "dedupe": {"dedupe": {"key": "{{ repo.did }}/{{ branch }}", "within": "30m"}},
}


def rules_text(sink: str, remark: str = "") -> str:
    again = {"attempts": 40, "base": "50ms", "cap": "300ms"}
    found = []
    for name, repo in OF.items():
        if name in BUILT:
            step: dict[str, Any] = {
                "buildkite": {"pipeline": name, "commit": "{{ sha }}", "branch": "{{ branch }}", "message": name}
            }
        else:
            body = {"rule": name, "sha": "{{ sha }}", "delivery": "{{ delivery.id }}"}
            step = {"webhook": {"url": f"{sink}/hook", "json": body, "secret": "sink"}}
        when = {"nsid": "sh.tangled.git.refUpdate", "repo": [repo.written], "branch": f"{name}-*"}
        found.append({"name": name, "when": when, **_KEYED.get(name, {}), "do": [step | {"retry": again}]})
    return f"# {remark}\n" + json.dumps({"strategy": "all", "rules": found}, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery of the store; `begun` is when its first attempt began, 0 where there was none. Times in microseconds."""

    id: str
    rule: str
    ref: str
    sha: str
    account: str
    state: str
    reason: str
    created: int
    begun: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, or look-up, in the order in which they began."""

    account: str
    destination: str
    started: int
    ended: int
    verify: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """`said` is what happened: rule, ref and commit, in order; `builds` are rule, commit and when the CI made them, `hooks` are
    rule, commit and id, each in the order in which they came; `lives` are the moments at which routers started."""

    said: Sequence[tuple[str, str, str]]
    rows: Sequence[Row]
    tried: Sequence[Tried]
    builds: Sequence[tuple[str, str, float]]
    hooks: Sequence[tuple[str, str, str]]
    lives: Sequence[int]


def wrong(seen: Seen) -> list[str]:
    """Every way in which what was seen breaks a promise."""
    by_rule: dict[str, list[Row]] = defaultdict(list)
    for row in seen.rows:
        by_rule[row.rule].append(row)
    found = [*_counted(seen), *_dedupe(by_rule["dedupe"]), *_debounce(by_rule["debounce"]), *_queue(seen)]
    found += _not_before("throttle", by_rule["throttle"], slots(by_rule["throttle"], THROTTLE, THROTTLE_PER))
    for rule, rows in by_rule.items():
        for ref in {row.ref for row in rows}:
            some = [row for row in rows if row.ref == ref and row.state != "skipped"]
            found += _not_before(f"loop guard of {rule}", some, slots(some, LOOP, LOOP_WITHIN))
    for account in {row.account for row in seen.rows}:
        some = [row for row in seen.rows if row.account == account and _was_ready(row)]
        found += _not_before(f"quota of {account}", some, hours(some))
    return [*found, *_at_once(seen), *_rate(seen)]


def _was_ready(row: Row) -> bool:
    """Whether it was to be made when its event was stored: what a `debounce` gave up later had been."""
    return row.state != "skipped" or row.reason.startswith("superseded")


def _counted(seen: Seen) -> list[str]:
    """One delivery for each, in the order in which they were said; of those that are done one build or one id of webhooks, and
    of those that were never tried nothing."""
    found = []
    for rule in OF:
        said = [sha for name, _, sha in seen.said if name == rule]
        stored = [row.sha for row in seen.rows if row.rule == rule]
        if stored != said:
            found.append(f"{rule}: {len(said)} were said, {len(stored)} stored: {_first(stored, said)}")
        done = {row.sha: row.id for row in seen.rows if row.rule == rule and row.state == "done"}
        rest = {row.state for row in seen.rows if row.rule == rule} - {"done"}
        if rest - ({"skipped"} if rule in ("dedupe", "debounce") else set()):
            found.append(f"{rule}: some are {', '.join(sorted(rest))}")
        if rule in BUILT:
            built = [sha for name, sha, _ in seen.builds if name == rule]
            if sorted(built) != sorted(done):
                found.append(f"{rule}: {len(done)} done, {len(built)} built")
        else:
            came = {(sha, key) for name, sha, key in seen.hooks if name == rule}
            # One that was sent, and whose answer was lost, waits like one that was refused: a newer one supersedes it.
            tried = {(row.sha, row.id) for row in seen.rows if row.rule == rule and row.begun}
            found += [f"{rule}: no webhook of {sha}" for sha, _ in sorted(set(done.items()) - came)]
            found += [f"{rule}: a webhook of {sha}, which was held back" for sha, _ in sorted(came - tried)]
    return found


def _first(some: Sequence[str], others: Sequence[str]) -> str:
    return next((f"{one} for {other}" for one, other in zip(some, others, strict=False) if one != other), "the end")


def _dedupe(rows: Sequence[Row]) -> list[str]:
    """Of each key the first, and no other."""
    firsts = {row.ref: row.sha for row in reversed(rows)}
    done = {row.ref: row.sha for row in rows if row.state == "done"}
    others = [row for row in rows if row.sha != firsts[row.ref]]
    wrong_reason = [row.reason for row in others if not row.reason.startswith("deduplicated")]
    return [f"dedupe: {done} instead of {firsts}"] * (done != firsts) + [f"dedupe: {one}" for one in wrong_reason[:1]]


def _debounce(rows: Sequence[Row]) -> list[str]:
    """Of those that follow each other closely the last: nothing is made before it was quiet for so long, and the last is."""
    found = []
    for ref in {row.ref for row in rows}:
        some = [row for row in rows if row.ref == ref]
        for row, following in zip(some, [*some[1:], None], strict=True):
            quiet = row.created + int(DEBOUNCE * SECOND)
            if row.state == "done" and (row.begun < quiet or (following is not None and following.created < quiet)):
                found.append(f"debounce: {row.sha} was made, and it was not quiet")
            if row.state == "skipped" and following is None:
                found.append(f"debounce: {row.sha} is the last, and was not made")
    return found


def _queue(seen: Seen) -> list[str]:
    """In order, whatever their branches are, and each begun when the one before it was over."""
    said = [sha for rule, _, sha in seen.said if rule == "queue"]
    built = [(sha, at) for rule, sha, at in seen.builds if rule == "queue"]
    early = [later - at for (_, at), (_, later) in itertools.pairwise(built) if later - at < BUILD]
    found = [f"queue: out of order: {built}"] if [sha for sha, _ in built] != said else []
    return found + [f"queue: one began {gap:.3f} s after another that takes {BUILD:g} s" for gap in early[:1]]


def slots(rows: Iterable[Row], limit: int, per: float) -> list[int]:
    """When each may begin, where no period has more than `limit`."""
    found: list[int] = []
    for row in rows:
        full = found[-limit] + int(per * SECOND) if len(found) >= limit else 0
        found.append(max(row.created, full))
    return found


def hours(rows: Iterable[Row]) -> list[int]:
    """When each may begin, where no hour has more than ACTIONS."""
    used: dict[int, int] = defaultdict(int)
    found = []
    for row in rows:
        hour = row.created // HOUR
        while used[hour] >= ACTIONS:
            hour += 1
        used[hour] += 1
        found.append(max(row.created, hour * HOUR))
    return found


def _not_before(what: str, rows: Sequence[Row], moments: Sequence[int]) -> list[str]:
    early = [row.sha for row, moment in zip(rows, moments, strict=True) if row.begun and row.begun < moment]
    return [f"{what}: {len(early)} too early, such as {early[0]}"] if early else []


def _at_once(seen: Seen) -> list[str]:
    """How many attempts were under way when one began: at its destination, and of its owner. What may have happened is under
    way already, so looking it up needs no room of its owner's."""
    found = set()
    for one in seen.tried:
        beside = [other for other in seen.tried if other.started <= one.started < other.ended]
        there = [other for other in beside if other.destination == one.destination]
        if len(there) > EACH:
            found.add(f"{len(there)} at once at {one.destination}")
        theirs = [o for o in beside if o.account == one.account and (o.started < one.started or not o.verify)]
        if not one.verify and len(theirs) > IN_FLIGHT:
            found.add(f"{len(theirs)} under way of {one.account}")
    return sorted(found)


def _rate(seen: Seen) -> list[str]:
    """Of one life, no so many requests in one window: those that began and ended in it were made in it."""
    found = []
    lives: dict[int, list[Tried]] = defaultdict(list)
    for one in seen.tried:
        if one.destination.startswith("webhook") and not one.reason.startswith(("Waiting", "Its process stopped")):
            lives[bisect_right(seen.lives, one.started)].append(one)
    for tried in lives.values():
        for first in tried:
            until = first.started + int(RATE_PER * SECOND)
            within = [one for one in tried if first.started <= one.started and one.ended < until]
            if len(within) > RATE:
                found.append(f"{len(within)} requests in {RATE_PER:g} s")
    return found[:1]
