"""The judge of what is held back is judged: a run in which all is right, and each way in which one can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults import gates
from tests.faults.gates import HOUR, IN_FLIGHT, OF, RATE, SECOND, Row, Seen, Tried

if TYPE_CHECKING:
    from collections.abc import Callable

T = 1_000 * HOUR


def row(rule: str, number: int, created: int, *, begun: int | None = None, ref: str = "r", **more: str) -> Row:
    given = {"state": "done", "reason": ""} | more
    began = created + 1 if begun is None else begun
    return Row(f"{rule}{number}", rule, ref, f"{rule}-{number}", OF[rule].owner, created=created, begun=began, **given)


def attempt(account: str, destination: str, started: int, length: int = 1) -> Tried:
    return Tried(account, destination, started, started + length, verify=False, reason="")


def right() -> Seen:
    """Six of a throttle that lets four through in a second, three of one debounce, two of one dedupe key, two of a queue."""
    throttle = [row("throttle", n, T, begun=T + (n // gates.THROTTLE) * SECOND) for n in range(6)]
    superseded = "superseded: another event of its debounce key came"
    debounce = [row("debounce", n, T + n * 100_000, begun=0, state="skipped", reason=superseded) for n in range(2)]
    debounce.append(row("debounce", 2, T + 200_000, begun=T + 500_000))
    dedupe = [row("dedupe", 0, T), row("dedupe", 1, T, begun=0, state="skipped", reason="deduplicated: k was seen")]
    queue = [row("queue", 0, T, ref="a"), row("queue", 1, T, ref="b", begun=T + SECOND)]
    rows = [*throttle, *debounce, *dedupe, *queue]
    done = [one for one in rows if one.state == "done"]
    return Seen(
        said=[(one.rule, one.ref, one.sha) for one in rows],
        rows=rows,
        tried=[attempt(one.account, "buildkite/demo", one.begun) for one in done if one.rule == "queue"],
        builds=[("queue", "queue-0", 1.0), ("queue", "queue-1", 2.0)],
        hooks=[(one.rule, one.sha, one.id) for one in done if one.rule != "queue"],
        lives=[T],
    )


def with_row(seen: Seen, identity: str, **more: object) -> Seen:
    return replace(seen, rows=[replace(one, **more) if one.id == identity else one for one in seen.rows])  # type: ignore[arg-type]


def crowd(seen: Seen, count: int, *, destination: str = "webhook/x", account: str = "somebody", length: int = SECOND) -> Seen:
    more = [attempt(account if length else f"{account}{n}", destination, T + n, length) for n in range(count)]
    return replace(seen, tried=[*seen.tried, *more])


def test_it_finds_nothing_where_all_is_right() -> None:
    """What waited, gave way or was dropped by a rule is no mistake."""
    assert gates.wrong(right()) == []


def test_it_knows_hours() -> None:
    """What is over what an hour allows belongs to the next."""
    rows = [row("quota", n, T + n) for n in range(gates.ACTIONS + 1)]
    assert gates.hours(rows)[-2:] == [T + gates.ACTIONS - 1, T + HOUR]


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        (lambda seen: replace(seen, rows=seen.rows[1:]), "throttle: 6 were said, 5 stored"),
        (lambda seen: with_row(seen, "throttle5", state="dead"), "throttle: some are dead"),
        (lambda seen: with_row(seen, "throttle5", begun=T + SECOND - 1), "throttle: 1 too early"),
        (lambda seen: with_row(seen, "debounce2", begun=T + 499_999), "it was not quiet"),
        (lambda seen: with_row(seen, "debounce2", state="skipped"), "is the last, and was not made"),
        (lambda seen: with_row(seen, "dedupe0", ref="other"), "dedupe: "),
        (lambda seen: replace(seen, hooks=seen.hooks[1:]), "throttle: no webhook of throttle-0"),
        (lambda seen: replace(seen, hooks=[*seen.hooks, ("dedupe", "dedupe-1", "dedupe1")]), "which was held back"),
        (lambda seen: replace(seen, builds=[*seen.builds, seen.builds[1]]), "queue: 2 done, 3 built"),
        (lambda seen: replace(seen, builds=seen.builds[::-1]), "queue: out of order"),
        (lambda seen: replace(seen, builds=[seen.builds[0], ("queue", "queue-1", 1.1)]), "queue: one began 0.100 s after"),
        (lambda seen: crowd(seen, gates.EACH + 1, account=""), "4 at once at webhook/x"),
        (lambda seen: crowd(seen, IN_FLIGHT + 1), "3 under way of somebody"),
        (lambda seen: crowd(seen, RATE + 1, length=0), "16 requests in 1 s"),
    ],
)
def test_it_finds_each_way_in_which_it_is_wrong(spoilt: Callable[[Seen], Seen], found: str) -> None:
    """One thing is changed in what was right."""
    assert [one for one in gates.wrong(spoilt(right())) if found in one]
