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
        "T-01",
        "`kill -9` after a frame was heard, before it is stored",
        "No cursor passed it: it is heard again.",
    ),
    (
        "T-02",
        "`kill -9` while it is being stored",
        "Event, deliveries, statuses and cursor are one transaction: all of it or nothing.",
    ),
    (
        "T-03",
        "`kill -9` once it is stored, before anything is delivered",
        "What is ready is delivered at the next start.",
    ),
    (
        "T-04",
        "`kill -9` after a delivery was claimed, before a byte of it was sent",
        "It may have happened: it is looked up, and made.",
    ),
    (
        "T-05",
        "`kill -9` after the CI took a build, before that is stored",
        "The look-up finds the build: there is one.",
    ),
    (
        "T-06",
        "`kill -9` after an outcome was stored, before anybody was told",
        "Subscribers read the store, from their own cursor on.",
    ),
    (
        "T-07",
        "`kill -9` while a CI's webhook is being answered",
        "No 2xx before the commit; what was told is asked for again.",
    ),
    (
        "T-08",
        "`kill -9` at any moment, hundreds of times, with everything around failing as well",
        "Each event has its deliveries, each build is there once and its end is told, and the store is sound.",
    ),
    (
        "T-09",
        "A power cut",
        (
            "Not yet proved by a test: What was committed is on the disk (WAL, `synchronous=FULL`); a WAL that ends "
            "anywhere is a shorter history. A disk that only says that it has written is beyond us."
        ),
    ),
    (
        "T-10",
        "A knot is down, or its name cannot be resolved",
        (
            "Not yet proved by a test: Others notice nothing. It is dialled again, with pauses of up to a minute and "
            "chance in them; one that is down for days is dialled once an hour."
        ),
    ),
    (
        "T-11",
        "A name server that never answers, for many knots at once",
        (
            "Not yet proved by a test: Names are resolved without threads, so that nothing else waits; the store has a "
            "thread of its own."
        ),
    ),
    (
        "T-12",
        "A frame that is no UTF-8, no JSON, no event, or breaks the websocket protocol",
        (
            "Not yet proved by a test: It is counted and kept in a bounded ring, and its cursor, where it has one, "
            "passes; the next good frame is an event as ever."
        ),
    ),
    (
        "T-13",
        "A frame that is too large, or claims to be",
        (
            "Not yet proved by a test: It is refused before it is read. A knot that has nothing else to say is read up to "
            "a larger bound, once, to pass over it."
        ),
    ),
    (
        "T-14",
        "Compressed frames that unpack to gigabytes",
        ("Not yet proved by a test: Knots and Jetstreams are offered no compression; a compressed frame ends the connection."),
    ),
    (
        "T-15",
        "A flood of frames or of pings",
        (
            "Not yet proved by a test: A source is read at a bounded pace and gives way after each few frames: TCP holds "
            "the flood back, and others are heard."
        ),
    ),
    (
        "T-16",
        "A peer that sends pings and never reads",
        ("Not yet proved by a test: Neither answering nor closing waits longer than a moment; then the connection is cut."),
    ),
    (
        "T-17",
        "A connection that is half open",
        "Not yet proved by a test: A heartbeat notices it, and it is dialled again.",
    ),
    (
        "T-18",
        "Events that come twice, late, or in another order",
        (
            "An event is known by its origin and id. Older knots are gone back a minute, because their keys may come out "
            "of order. What they lead to about one ref is made in the order of the events' own times, and only a newer event "
            "cancels what runs."
        ),
    ),
    (
        "T-19",
        "The clock leaps ahead, or back",
        "What is under way is this process's, whatever the clock says; what waits does not wait a day longer.",
    ),
    (
        "T-20",
        "A cursor that is too old for the other side",
        "Not yet proved by a test: Records are listed anew; the gap is told, and nothing is passed over in silence.",
    ),
    (
        "T-21",
        "A cursor, or a frame's time, from the future",
        "Not yet proved by a test: It is no cursor. A source that is silent with one is asked from further back.",
    ),
    (
        "T-22",
        "One Jetstream fails and another takes its place",
        "Cursors are times, which mean the same on each; the last minute is heard again and known.",
    ),
    (
        "T-23",
        "A CI answers 429, 5xx, slowly, half an answer, or nonsense",
        (
            "No more is asked than the other side allows; refusals wait for as long as they ask and use up no attempt; "
            "failures in a row open a circuit; what may have been accepted is looked up before it is sent again."
        ),
    ),
    (
        "T-24",
        "A CI accepts a build and its answer is lost",
        (
            "Nothing is sent until a look-up that succeeded, begun `settle` after the failure, finds nothing; so there is "
            "one build. Of two, an auditor cancels the newer."
        ),
    ),
    (
        "T-25",
        "Clients of our own port that send half a request, or hundreds that send nothing",
        (
            "Not yet proved by a test: Headers and bodies have a time and a size, addresses a number of connections; "
            "others are answered."
        ),
    ),
    (
        "T-26",
        "A receiver of webhooks that answers slowly, endlessly, or elsewhere",
        (
            "An attempt has 15 s, a 2xx decides whatever its body does, 64 KiB of it are read, redirects are failures; each "
            "host has its own slots and its own circuit, and deliveries to others go on beside it."
        ),
    ),
    (
        "T-27",
        "The disk is full",
        (
            "Not yet proved by a test: Hearing stops and no cursor moves; what is under way is settled in the room of a "
            "ballast, what is old is forgotten, reading goes on, `/readyz` says so; with room, hearing goes on by itself."
        ),
    ),
    (
        "T-28",
        "The disk fails (an I/O or fsync error)",
        ("Not yet proved by a test: Nothing is tried again, not by a checkpoint either: the process ends at once, with 74."),
    ),
    (
        "T-29",
        "Another program keeps the store locked",
        "Not yet proved by a test: Writing waits, reading goes on, nothing is lost.",
    ),
    (
        "T-30",
        "The store is damaged, cut off, emptied or no database",
        (
            "Not yet proved by a test: It is refused when the router starts, left as it is and never made anew; the exit "
            "code is 65, and the way back is printed."
        ),
    ),
    (
        "T-31",
        "One event leads to thousands of actions, or a rule sets itself off",
        (
            "An event has at most 256 deliveries, an event that four of our own statuses led to is not looked at, a rule "
            "acts on a hundred events about one ref in ten minutes, and quotas make the rest wait, visibly."
        ),
    ),
    (
        "T-32",
        "A command that forks without end, or does not end",
        "It has a process group and limits; when its time is over the group is asked to end, then made to.",
    ),
    (
        "T-33",
        "A command that says without end",
        "Its output is read on and kept to a limit, its head and its tail.",
    ),
    (
        "T-34",
        "Rules or settings are changed to something broken while events come",
        (
            "All is read, compiled and tried aside, and refused whole, with its place in log, answer and metric; what ran "
            "goes on."
        ),
    ),
    (
        "T-35",
        "A template that fails, asks for what is not there, or loops",
        (
            "That delivery is a dead letter that says why, and the others are made; work, time and size of a template are "
            "bounded."
        ),
    ),
    (
        "T-36",
        "SIGTERM while deliveries are under way",
        (
            "Hearing stops, then claiming; what is under way has `delivery.shutdown` to end, and the rest is looked up at "
            "the next start. A second signal ends the process at once."
        ),
    ),
    (
        "T-37",
        "Thousands of knots",
        (
            "Not yet proved by a test: They are dialled at a bounded pace, each costs little memory, and a limit of open "
            "files that is too low is told at the start."
        ),
    ),
    (
        "T-38",
        "A subscriber of ours that does not read",
        (
            "Not yet proved by a test: Nothing queues for it in memory: it is cut after a few seconds, and comes back "
            "with its cursor. Subscribers are counted, in all and by address."
        ),
    ),
    (
        "T-39",
        "The event loop stands still",
        (
            "Not yet proved by a test: A watchdog outside of it tells where it stands, and systemd is no longer told that "
            "all is well."
        ),
    ),
    (
        "T-40",
        "The clock of a schedule ticks late",
        "What was missed happens once, as soon as it can.",
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
        (
            "Folders are watched and contents compared: new rules and settings are in force at once, the same ones change "
            "nothing."
        ),
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
