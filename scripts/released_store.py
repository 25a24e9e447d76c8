"""A store as a version of the router left it, kept so that every later one is tried on it.

python -m scripts.released_store COMMIT

writes tests/engine/store/released/schema-N.sql, by the code of that commit: run it for the last commit before a migration.
What is in the store is the same for every version, as far as that version knows of it.
"""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RELEASED = ROOT / "tests" / "engine" / "store" / "released"


async def live(path: str) -> None:
    """One life of a store, by the code that is imported: events, and deliveries in every state."""
    from router.core.model import Gates, State, Status, Trouble  # noqa: PLC0415 - the old version's
    from router.engine.store.sqlite import open_store  # noqa: PLC0415 - as above
    from tests.engine.store import parts  # noqa: PLC0415 - as above

    now, later = parts.NOW, parts.NOW + 3600 * parts.SECOND
    store: Any = await open_store(path)
    arrival, delivery = parts.arrival, parts.delivery
    names = ("running", "over", "dead", "discarded", "retried", "doubtful", "claimed")
    # One repo for each, or else they would be claimed in another order by another version.
    made = [delivery(name, workflow=name, repo=f"did:plc:{number}") for number, name in enumerate(names)]
    await store.accept([arrival("e1", *made, cursor=7)], now)
    held = {one.delivery.id: one for one in await store.claim("me", 16, 30.0, now, {})}
    for name, status in (("running", Status.RUNNING), ("over", Status.SUCCESS)):
        await store.settle(held[name], parts.done(status, name, name), now)
    await store.settle(held["dead"], parts.dead("the CI said no"), now)
    await store.settle(held["discarded"], parts.dead(), now)
    await store.discard(["discarded"], "nobody wants it", now)
    await store.settle(held["retried"], parts.ready(later, reason="the CI was busy"), now)
    await store.settle(held["doubtful"], parts.verify(later, reason="no answer"), now)
    gates = Gates(dedupe_key="k", dedupe_within=60.0)
    shadow = delivery("shadow", "e2", state=State.SHADOW)
    await store.accept([arrival("e2", delivery("ready", "e2", gates=gates), shadow, cursor=8)], now)
    await store.accept([arrival("e3", delivery("skipped", "e3", gates=gates), cursor=9)], now)
    trouble = Trouble(rule="ci/other", sentence="a handle is not known", undecided=True)
    await store.accept([arrival("e4", cursor=10, plan=parts.plan(troubles=[trouble]))], now)
    await store.accept([arrival("e5", cursor=11, event=None, plan=None, bad="no JSON", frame=b"{broken")], now)
    await store.remember("handle", {"alice.example": "did:plc:a"}, now)
    if hasattr(store, "pipeline"):
        await _spindle(store, parts)
    await store.close()


async def _spindle(store: Any, parts: Any) -> None:
    """What schema 3 brought."""
    from router.core.model import LogLine, Pipeline, RecordChange, Workflow  # noqa: PLC0415 - the old version's
    from router.engine.store.base import SealedSecret  # noqa: PLC0415 - as above

    now = parts.NOW
    run = Pipeline(
        id="3l4f7xaaaaa22",
        key="a push",
        knot="knot.example.com",
        repo="did:plc:a",
        owner="did:plc:o",
        name="core",
        kind="push",
        sha="1f" * 20,
        record={"triggerMetadata": {"kind": "push"}, "workflows": []},
        workflows=(Workflow(name="nobody.yml"),),
    )
    made = parts.delivery("run", "e6", workflow="ci.yml")
    records = [RecordChange(did="did:plc:a", collection="sh.tangled.repo", rkey="r", rev="1", record={"name": "core"})]
    await store.accept([parts.arrival("e6", made, cursor=12, pipeline=run, records=records)], now)
    await store.name_pipeline(run.id, "knot.example.com", "3l4f7xbbbbb22", now)
    await store.write_log("run", 0, 0, [LogLine(step=0, part="said", text="hello")], now)
    await store.use("jti", "one", now + 10**15, now)
    secret = SealedSecret(repo="did:plc:a", key="TOKEN", sealed=b"sealed", created=now, creator="did:plc:o")
    await store.add_secret(secret)


def main(commit: str) -> None:
    packed = subprocess.run(["git", "archive", commit, "router", "tests"], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        path = Path(folder) / "store.db"
        environment = {**os.environ, "PYTHONPATH": folder}
        subprocess.run([sys.executable, __file__, "--live", str(path)], cwd=folder, env=environment, check=True)
        with closing(sqlite3.connect(path)) as db:
            number = max(int(name[1:5]) for (name,) in db.execute("SELECT name FROM _sqlite_migrations"))
            text = "\n".join(db.iterdump())
    file = RELEASED / f"schema-{number}.sql"
    file.write_text(f"-- Made by `python -m scripts.released_store {commit}`.\n{text}\n", encoding="utf-8")
    print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    if sys.argv[1] == "--live":
        asyncio.run(live(sys.argv[2]))
    else:
        main(sys.argv[1])
