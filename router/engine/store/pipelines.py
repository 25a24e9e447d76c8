"""Pipelines, their workflows, and what is announced of them: rows in the same transaction as the statuses that they come of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from router.core import tid
from router.core.combine import combined, is_news
from router.core.model import Pipeline, Status, Workflow
from router.core.wire import PIPELINE, STATUS, pipeline_uri, status_record
from router.engine.store import sql
from router.engine.store.base import Announcement
from router.engine.store.rows import as_json, from_json, integer, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from router.core.model import Micros

#: Nanoseconds from one announcement to the next, at least: peers that read their times see microseconds.
_STEP = 1000
#: What tells the rkeys of our announcements from those of pipelines made in the same microsecond.
_MAKER = 1
_INSERT = """
INSERT INTO pipelines (id, key, event, knot, repo, owner, name, kind, sha, source_repo, actor, record, created)
VALUES (:id, :key, :event, :knot, :repo, :owner, :name, :kind, :sha, :source_repo, :actor, :record, :created)
"""
_TEXTS = ("id", "key", "knot", "repo", "owner", "name", "kind", "sha", "source_repo", "actor")
#: `created` grows with `number`.
_LATEST = """
SELECT * FROM pipelines AS p
WHERE (:before IS NULL OR created < :before) AND EXISTS (SELECT 1 FROM workflows AS w WHERE w.pipeline = p.id)
ORDER BY number DESC LIMIT :limit
"""
_TOLD = """
UPDATE workflows
SET status = :status, at = :at, error = :error, exit_code = :exit_code, url = CASE :url WHEN '' THEN url ELSE :url END,
    started = CASE WHEN :status = 'running' THEN coalesce(started, :at) ELSE started END,
    finished = CASE WHEN :final THEN :at ELSE finished END
WHERE pipeline = :pipeline AND name = :name
"""


def begin(db: sqlite3.Connection, pipeline: Pipeline, event: int, now: Micros) -> bool:
    """A new run, with those of its workflows that are over already. One without workflows is remembered, and not shown. False
    where its key or its id is taken by another event's; the same event's again only adds to it."""
    taken = db.execute("SELECT id, event FROM pipelines WHERE key = ? OR id = ?", (text(pipeline.key), pipeline.id)).fetchall()
    if not taken:
        columns = {name: text(getattr(pipeline, name)) for name in _TEXTS}
        db.execute(_INSERT, {**columns, "event": event, "record": as_json(pipeline.record), "created": _next(db, now)})
        for knot, rkey in pipeline.names:
            db.execute("INSERT OR IGNORE INTO pipeline_names VALUES (?, ?, ?)", (text(knot), text(rkey), pipeline.id))
    elif [(row["id"], row["event"]) for row in taken] != [(pipeline.id, event)]:
        return False
    if pipeline.workflows:
        _announce(db, PIPELINE, pipeline.id, pipeline.id, pipeline.record, _next(db, now))
    for position, workflow in enumerate(pipeline.workflows):
        _add_workflow(db, pipeline.id, workflow.name, position)
        if workflow.status is not None:
            _tell(db, pipeline.id, workflow, now)
    return True


def skip(db: sqlite3.Connection, pipeline: str, workflow: str, why: str, now: Micros) -> None:
    """A delivery that was to report to a workflow is not made: where no other does, the workflow is over."""
    others = db.execute(sql.text("workflow_parts"), {"pipeline": pipeline, "workflow": text(workflow)}).fetchall()
    if not others:
        _tell(db, pipeline, Workflow(name=workflow, status=Status.CANCELLED, at=now, error=why), now)


def combine(db: sqlite3.Connection, pipeline: str, workflow: str, now: Micros) -> None:
    """A delivery's status was told: what its workflow has come to, if that is news."""
    parts = db.execute(sql.text("workflow_parts"), {"pipeline": pipeline, "workflow": workflow}).fetchall()
    status = combined([Status(row["status"]) for row in parts])
    if status is None:
        return
    telling = [row for row in parts if row["status"] == status]
    row = next((one for one in telling if one["error"]), telling[0] if telling else parts[-1])
    found = Workflow(name=workflow, status=status, at=row["at"], error=row["error"], exit_code=row["exit_code"], url=row["url"])
    _tell(db, pipeline, found, now)


def _add_workflow(db: sqlite3.Connection, pipeline: str, name: str, position: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO workflows (pipeline, name, position, status, at, error, url) VALUES (?, ?, ?, '', 0, '', '')",
        (pipeline, text(name), position),
    )


def _tell(db: sqlite3.Connection, pipeline: str, workflow: Workflow, now: Micros) -> None:
    """The status of a workflow, if it is a legal next one: to its row, and announced under every name of its run."""
    status, name = workflow.status, text(workflow.name)
    wanted = "SELECT status, at FROM workflows WHERE pipeline = ? AND name = ?"
    before = db.execute(wanted, (pipeline, name)).fetchone()
    if before is None:
        last = "SELECT coalesce(max(position), -1) + 1 FROM workflows WHERE pipeline = ?"
        _add_workflow(db, pipeline, name, db.execute(last, (pipeline,)).fetchone()[0])
        before = db.execute(wanted, (pipeline, name)).fetchone()
    if status is None or not is_news(Status(before["status"]) if before["status"] else None, status):
        return
    at = max(integer(workflow.at), before["at"] + 1)
    values = {
        "status": status,
        "at": at,
        "error": text(workflow.error),
        "exit_code": workflow.exit_code,
        "url": text(workflow.url),
        "final": status.final,
        "pipeline": pipeline,
        "name": name,
    }
    db.execute(_TOLD, values)
    _announce_status(db, pipeline, replace(workflow, name=name, at=at), now)


def _announce_status(db: sqlite3.Connection, pipeline: str, workflow: Workflow, now: Micros) -> None:
    knot = db.execute("SELECT knot FROM pipelines WHERE id = ?", (pipeline,)).fetchone()["knot"]
    names = db.execute("SELECT knot, rkey FROM pipeline_names WHERE pipeline = ? AND rkey <> ?", (pipeline, pipeline))
    for host, rkey in ((knot, pipeline), *((row["knot"], row["rkey"]) for row in names.fetchall())):
        created = _next(db, now)
        record = status_record(pipeline_uri(host, rkey), workflow, created)
        _announce(db, STATUS, tid.make(created // 1000, _MAKER), pipeline, record, created)


def _announce(db: sqlite3.Connection, nsid: str, rkey: str, pipeline: str, record: Any, created: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO announcements (created, nsid, rkey, pipeline, event) VALUES (?, ?, ?, ?, ?)",
        (created, nsid, rkey, pipeline, as_json(record)),
    )


def _next(db: sqlite3.Connection, now: Micros) -> int:
    """A time in nanoseconds that is greater than that of anything announced, or made, before."""
    latest = (
        "SELECT max((SELECT coalesce(max(created), 0) FROM announcements), (SELECT coalesce(max(created), 0) FROM pipelines))"
    )
    return max(int(now) * 1000, int(db.execute(latest).fetchone()[0]) + _STEP)


def announce_again(db: sqlite3.Connection, pipeline: str, now: Micros) -> int:
    """See Store.announce_again."""
    told = [one for one in workflows(db, pipeline) if one.status is not None]
    for workflow in told:
        _announce_status(db, pipeline, workflow, now)
    return len(told)


def name_pipeline(db: sqlite3.Connection, pipeline: str, knot: str, rkey: str, now: Micros) -> bool:
    """See Store.name_pipeline."""
    values = (text(knot), text(rkey), pipeline)
    if not db.execute("INSERT OR IGNORE INTO pipeline_names VALUES (?, ?, ?)", values).rowcount:
        return False
    for workflow in workflows(db, pipeline):
        if workflow.status is not None:
            created = _next(db, now)
            record = status_record(pipeline_uri(knot, rkey), workflow, created)
            _announce(db, STATUS, tid.make(created // 1000, _MAKER), pipeline, record, created)
    return True


def announcements(db: sqlite3.Connection, after: int, limit: int) -> list[Announcement]:
    """See Store.announcements."""
    wanted = "SELECT created, nsid, rkey, event FROM announcements WHERE created > ? ORDER BY created LIMIT ?"
    return [
        Announcement(created=row["created"], nsid=row["nsid"], rkey=row["rkey"], event=from_json(row["event"]))
        for row in db.execute(wanted, (integer(after), limit))
    ]


def last_announced(db: sqlite3.Connection) -> int:
    """See Store.last_announced."""
    return int(db.execute("SELECT coalesce(max(created), 0) FROM announcements").fetchone()[0])


def pipeline(db: sqlite3.Connection, name: str, knot: str = "") -> Pipeline | None:
    """See Store.pipeline."""
    row = db.execute("SELECT * FROM pipelines WHERE id = ? AND (? = '' OR knot = ?)", (name, text(knot), text(knot))).fetchone()
    if row is None and knot:
        named = "SELECT p.* FROM pipelines AS p JOIN pipeline_names AS n ON n.pipeline = p.id WHERE n.knot = ? AND n.rkey = ?"
        row = db.execute(named, (text(knot), text(name))).fetchone()
    found = None if row is None else _of(db, row)
    return found if found is not None and found.workflows else None


def pipeline_of(db: sqlite3.Connection, key: str) -> Pipeline | None:
    """See Store.pipeline_of."""
    row = db.execute("SELECT * FROM pipelines WHERE key = ?", (text(key),)).fetchone()
    return None if row is None else _of(db, row)


def pipelines(
    db: sqlite3.Connection, repo: str, commits: Sequence[str], kinds: Sequence[str], before: int | None, limit: int
) -> tuple[list[Pipeline], int]:
    """See Store.pipelines."""
    values = {
        "repo": text(repo),
        "commits": as_json([text(one) for one in commits]) if commits else None,
        "kinds": as_json(list(kinds)) if kinds else None,
        "before": None if before is None else integer(before),
        "limit": -1 if commits else limit,
    }
    rows = db.execute(sql.text("pipelines"), values).fetchall()
    return [_of(db, row) for row in rows], rows[0]["total"] if rows else 0


def latest(db: sqlite3.Connection, before: int | None, limit: int) -> list[Pipeline]:
    """See Store.latest_pipelines."""
    values = {"before": None if before is None else integer(before), "limit": limit}
    return [_of(db, row) for row in db.execute(_LATEST, values).fetchall()]


def workflows(db: sqlite3.Connection, pipeline: str) -> list[Workflow]:
    """Those of a run, in order."""
    return [
        Workflow(
            name=row["name"],
            status=Status(row["status"]) if row["status"] else None,
            at=row["at"],
            started=row["started"],
            finished=row["finished"],
            error=row["error"],
            exit_code=row["exit_code"],
            url=row["url"],
        )
        for row in db.execute("SELECT * FROM workflows WHERE pipeline = ? ORDER BY position, name", (pipeline,))
    ]


def _of(db: sqlite3.Connection, row: sqlite3.Row) -> Pipeline:
    names = db.execute("SELECT knot, rkey FROM pipeline_names WHERE pipeline = ? ORDER BY knot, rkey", (row["id"],))
    return Pipeline(
        **{name: row[name] for name in _TEXTS},
        record=from_json(row["record"]),
        created=row["created"],
        workflows=tuple(workflows(db, row["id"])),
        names=tuple((one["knot"], one["rkey"]) for one in names),
    )
