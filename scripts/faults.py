"""docs/faults.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.fault("T-17")`.

python -m scripts.faults        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
    ("T-01", "`kill -9` after a frame was heard, before it is stored", "No cursor passed it: it is heard again."),
    (
        "T-02",
        "`kill -9` while it is being stored",
        "Event, deliveries, statuses and cursor are one transaction: all of it or nothing.",
    ),
    ("T-03", "`kill -9` once it is stored, before anything is delivered", "What is ready is delivered at the next start."),
    (
        "T-04",
        "`kill -9` after a delivery was claimed, before a byte of it was sent",
        "It may have happened: it is looked up, and made.",
    ),
    ("T-05", "`kill -9` after the CI took a build, before that is stored", "The look-up finds the build: there is one."),
    (
        "T-06",
        "`kill -9` after an outcome was stored, before anybody was told",
        "Subscribers read the store, from their own cursor on.",
    ),
    ("T-07", "`kill -9` while a CI's webhook is being answered", "No 2xx before the commit; what was told is asked for again."),
    (
        "T-09",
        "A power cut",
        (
            "What was committed is on the disk (WAL, `synchronous=FULL`); a WAL that ends anywhere is a shorter history. "
            "A disk that only says that it has written is beyond us."
        ),
    ),
    (
        "T-19",
        "The clock leaps a day ahead, or back",
        "What is under way is this process's, whatever the clock says; what waits does not wait a day longer.",
    ),
    (
        "T-27",
        "The disk is full",
        (
            "Hearing stops and no cursor moves; what is under way is settled in the room of a ballast, what is old is "
            "forgotten, reading goes on, `/readyz` says so; with room, hearing goes on by itself."
        ),
    ),
    (
        "T-28",
        "The disk fails (an I/O or fsync error)",
        "Nothing is tried again, not by a checkpoint either: the process ends at once, with 74.",
    ),
    ("T-29", "Another program keeps the store locked", "Writing waits, reading goes on, nothing is lost."),
    (
        "T-30",
        "The store is damaged, cut off, emptied or no database",
        (
            "It is refused when the router starts, left as it is and never made anew; the exit code is 65, and the way back is "
            "printed."
        ),
    ),
    (
        "T-34",
        "rules or settings are changed to something broken while events come",
        "all is read, compiled and tried aside, and refused whole, with its place in log, answer and metric; what ran goes on",
    ),
    (
        "T-36",
        "SIGTERM while deliveries are under way",
        (
            "Hearing stops, then claiming; what is under way has `delivery.shutdown` to end, and the rest is looked up at the "
            "next start. A second signal ends the process at once."
        ),
    ),
    (
        "T-41",
        "Kubernetes swaps the link of a mounted config map",
        "folders are watched and contents compared: new rules and settings are in force at once, the same ones change nothing",
    ),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/faults.py. -->

# Faults

Each row's tests bear its id (`pytest -m fault` runs them all), and this page is made of them.

| id | what happens | what the router does | tests |
|---|---|---|---|
"""
CATALOGUE = Catalogue("fault", ROOT / "docs" / "faults.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
