"""From a websocket's frame to a commit: beside a client that only receives and decodes, and beside what sqlite3 commits.

Both sides are measured by the processor's time of this process; the server is another. What the clock says is in the notes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from bench import mix, stand
from bench.harness import Row, Times, ratio
from providers import webhook
from router.core import rules
from router.core.problems import Problems
from router.engine import intake as way
from router.engine.dispatch import Guest
from router.engine.store import connection
from router.host import Host, SystemClock

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from bench.stand import Spent
    from router.core.rulebook import Rulebook

RULES, EVENTS, ROUNDS = 10_000, 8_000, 3
#: Of those that match: every so many.
RARE = 100
COMMITS, REPOS, BATCHES = 4_096, 1000, (1, 8, 64, 512)
TEN = {
    "commit": "{{ sha }}",
    "branch": "{{ branch }}",
    "repo": "{{ repo.owner }}/{{ repo.name }}",
    "title": "{{ record.title }}",
    "actor": "{{ actor }}",
    "into": "{{ target_branch | default('main') }}",
    "text": "{{ record.title | upper }} by {{ actor }}",
    "rule": "{{ rule.name }}",
    "id": "{{ delivery.id }}",
    "event": "{{ event.id }}",
}


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        yield from asyncio.run(committed(folder))
        yield from asyncio.run(matched(folder))


# --- received, matched, one in a hundred committed


def other(number: int) -> bytes:
    """A record of Jetstream that no rule is about."""
    frame = json.loads(mix.pull(number))
    subject = f"at://{mix.did(number, 'own')}/sh.tangled.repo/tool-{number}"
    frame["commit"] |= {
        "collection": "sh.tangled.feed.star",
        "record": {"subject": subject, "createdAt": "2026-11-22T10:00:00Z"},
    }
    return json.dumps(frame, separators=(",", ":")).encode()


def now(frames: Sequence[bytes]) -> list[bytes]:
    """The same as if each happened a microsecond after the one before, and the first just now."""
    at = time.time_ns() // 1000 - len(frames)
    told = str(mix.NOW).encode()
    return [frame.replace(told, str(at + number).encode(), 1) for number, frame in enumerate(frames)]


def few(count: int, others: int) -> list[bytes]:
    """Frames of which one in RARE matches; of `others` in two no rule is about."""
    # Rule n with n % 6 == 2 is about the pulls of repo n.
    made = []
    for at in range(count):
        if at % RARE == 0:
            made.append(mix.pull(2 + 6 * (at // RARE % (RULES // 6)), createdAt=f"2026-11-22T10:00:00.{at:06}Z"))
        else:
            made.append((other if at % 2 < others else mix.pull)(at + 10**7))
    return now([frame.replace(b'"rkey":"3l3qo', b'"rkey":"%07d' % at, 1) for at, frame in enumerate(made)])


async def receive(url: str, events: int, decode: Callable[[Any], Any], **how: Any) -> Spent:
    """What a client that only decodes takes for as many."""
    async with aiohttp.ClientSession() as session:
        watch = stand.Watch()
        async with session.ws_connect(url, compress=0, **how) as ws:
            async for message in ws:
                decode(message.data)
                events -= 1
                if not events:
                    return watch.spent()
    raise AssertionError("The server hung up.")


async def matched(folder: Path) -> list[Row]:
    import msgspec  # noqa: PLC0415 - beside json, which comes with Python

    book = mix.book(RULES)
    found: list[Row] = []
    for others, what in (
        (1, "half of the events of kinds that no rule is about"),
        (0, "every event of a kind that rules are about"),
    ):
        taken: dict[str, list[Spent]] = {"router": [], "aiohttp + json.loads": [], "aiohttp + msgspec": []}
        with stand.peer(folder, "feed", few(EVENTS, others)) as server:
            for number in range(ROUNDS + 1):
                async with stand.way_in(folder, book, {}) as (intake, _, host):
                    spent, batches = await stand.hear(intake, host, server.stream, EVENTS)
                one = {
                    "router": spent,
                    "aiohttp + json.loads": await receive(server.stream, EVENTS, json.loads),
                    "aiohttp + msgspec": await receive(server.stream, EVENTS, msgspec.json.decode, decode_text=False),
                }
                for name, spent in one.items() if number else ():
                    taken[name].append(spent)
        sides = {name: times(spent, EVENTS) for name, spent in taken.items()}
        against = ratio(sides["aiohttp + json.loads"], sides["router"])
        note = (
            f"{what}; {ratio(sides['aiohttp + msgspec'], sides['router']):.2f} of a client that decodes with msgspec; "
            f"by the clock {by_clock(taken, 'aiohttp + json.loads', 'router'):.2f}; "
            f"{statistics.mean(batches):.0f} frames in a commit"
        )
        name = f"websocket frame to matched, {RULES:,} rules, 1 % committed, of the rate of a bare aiohttp client"
        found.append(Row(name if others else f"the same, {what}", against, 0.6, least=True, sides=sides, note=note))
    return found


def times(spent: Sequence[Spent], units: int) -> Times:
    return Times(tuple(one.processor / units for one in spent))


def by_clock(taken: dict[str, list[Spent]], one: str, other: str) -> float:
    return statistics.median(a.clock / b.clock for a, b in zip(taken[one], taken[other], strict=True))


# --- received, matched, rendered, committed


def acting(count: int = REPOS) -> Rulebook:
    """Rules each of which tells a webhook ten things about one repo's pulls."""
    lines = ["rules:"]
    for number in range(count):
        repo = f"{mix.did(number, 'own')}/tool-{number}"
        lines += [f"  - name: rule-{number}", f"    when: {{trigger: pull_request, repo: {json.dumps(repo)}}}", "    do:"]
        lines.append(f"      - webhook: {{url: http://127.0.0.1:1/hook, json: {json.dumps(TEN)}}}")
    problems = Problems()
    book = rules.load([rules.RuleText("acting", "acting.yaml", "\n".join(lines))], {"webhook": webhook.Options}, problems)
    assert not problems.errors, problems.errors[:3]
    book.prepare()
    return book


def all_match(count: int) -> list[bytes]:
    made = [mix.pull(at % REPOS) for at in range(count)]
    return now([frame.replace(b'"rkey":"3l3qo', b'"rkey":"%07d' % at, 1) for at, frame in enumerate(made)])


def opened(host: Host) -> dict[str, Guest]:
    guest = webhook.plugin.open(webhook.Settings(), host)
    return {"webhook": Guest(name="webhook", plugin=webhook.plugin, provider=guest)}


def kept(file: Path) -> tuple[dict[str, tuple[str, list[tuple[Any, ...]]]], list[tuple[Any, ...]]]:
    """The rows that the router stored, by table, each with the statement that stores it."""
    db = connection.open_reading(str(file))
    tables = {}
    for table in ("events", "deliveries"):
        # Without those that SQLite computes.
        columns = ", ".join(row["name"] for row in db.execute(f"PRAGMA table_info({table})"))
        rows = [tuple(row) for row in db.execute(f"SELECT {columns} FROM {table} ORDER BY number")]
        marks = ", ".join("?" * len(rows[0]))
        tables[table] = f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows
    queues = [tuple(row) for row in db.execute("SELECT * FROM queues")]
    db.close()
    return tables, queues


CURSOR = (
    "INSERT INTO sources (name, cursor, updated) VALUES ('s', ?, ?) ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor"
)


def raw(folder: Path, tables: dict[str, tuple[str, list[tuple[Any, ...]]]], queues: list[tuple[Any, ...]], batch: int) -> Spent:
    """The same rows by sqlite3 alone, in the same tables and batches, with the same pragmas."""
    db = fresh(folder)
    db.executemany(f"INSERT INTO queues VALUES ({', '.join('?' * len(queues[0]))})", queues)
    checkpoints = connection.Checkpoints()
    watch = stand.Watch()
    for first in range(0, len(tables["events"][1]), batch):
        db.execute("BEGIN IMMEDIATE")
        for statement, rows in tables.values():
            db.executemany(statement, rows[first : first + batch])
        db.execute(CURSOR, (first, first))
        db.execute("COMMIT")
        checkpoints.after_commit(db)
    spent = watch.spent()
    db.close()
    return spent


def outbox(folder: Path, tables: dict[str, tuple[str, list[tuple[Any, ...]]]], batch: int) -> Spent:
    """Of each delivery its id, event and options, into a table of their own without an index but its key's."""
    db = fresh(folder)
    db.execute("CREATE TABLE outbox (id TEXT PRIMARY KEY, event INTEGER, options TEXT)")
    columns = [row["name"] for row in db.execute("PRAGMA table_info(deliveries)")]
    at = [columns.index(name) for name in ("id", "event", "options")]
    rows = [tuple(row[one] for one in at) for row in tables["deliveries"][1]]
    checkpoints = connection.Checkpoints()
    watch = stand.Watch()
    for first in range(0, len(rows), batch):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO outbox VALUES (?, ?, ?)", rows[first : first + batch])
        db.execute(CURSOR, (first, first))
        db.execute("COMMIT")
        checkpoints.after_commit(db)
    spent = watch.spent()
    db.close()
    return spent


def fresh(folder: Path) -> sqlite3.Connection:
    for file in folder.glob("raw.db*"):
        file.unlink()
    return connection.open_writing(str(folder / "raw.db"))


async def committed(folder: Path) -> list[Row]:
    book = acting()
    most = max(BATCHES)
    points: dict[str, list[tuple[float, float]]] = {"router": [], "sqlite3, the same rows": [], "sqlite3, one plain table": []}
    for batch in BATCHES:
        count = COMMITS if batch == most else max(256, COMMITS * batch // most)
        taken = await commits(folder, book, batch, count, ROUNDS if batch == most else 1)
        sides = {name: times(spent, count) for name, spent in taken.items()}
        for name, of in sides.items():
            points[name].append((batch, 1 / of.median))
    plain = ratio(sides["sqlite3, one plain table"], sides["router"])
    clock = by_clock(taken, "sqlite3, the same rows", "router")
    note = f"batches of {most}; {plain:.2f} of what it commits to one plain table; by the clock {clock:.2f}"
    against = ratio(sides["sqlite3, the same rows"], sides["router"])
    name = "websocket frame to committed delivery, of what raw sqlite3 commits"
    return [Row(name, against, 0.25, least=True, sides=sides, note=note, points=points, plot="batches")]


async def commits(folder: Path, book: Rulebook, batch: int, count: int, rounds: int) -> dict[str, list[Spent]]:
    taken: dict[str, list[Spent]] = {"router": [], "sqlite3, the same rows": [], "sqlite3, one plain table": []}
    usual, way.BATCH = way.BATCH, batch
    try:
        with stand.peer(folder, "feed", all_match(count)) as server:
            for number in range(rounds + 1):
                async with aiohttp.ClientSession() as session:
                    guests = opened(Host(session, SystemClock()))
                    async with stand.way_in(folder, book, guests) as (intake, _, host):
                        spent, _ = await stand.hear(intake, host, server.stream, count)
                tables, queues = kept(folder / "router.db")
                assert len(tables["deliveries"][1]) == count
                one = {
                    "router": spent,
                    "sqlite3, the same rows": raw(folder, tables, queues, batch),
                    "sqlite3, one plain table": outbox(folder, tables, batch),
                }
                for name, spent in one.items() if number else ():
                    taken[name].append(spent)
    finally:
        way.BATCH = usual
    return taken
