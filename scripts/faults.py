"""docs/faults.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.fault("T-17")`.

python -m scripts.faults        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
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
            "What was committed is on the disk (WAL, `synchronous=FULL`); a WAL that ends anywhere is a shorter history. "
            "A disk that only says that it has written is beyond us."
        ),
    ),
    (
        "T-10",
        "A knot is down, or its name cannot be resolved",
        (
            "It is dialled again after 1 s to 60 s, with full jitter; after a week of nothing but failures once an hour "
            "(`quarantined` in `router sources`); nothing else notices."
        ),
    ),
    (
        "T-11",
        "DNS hangs for many knots",
        (
            "Names are resolved without threads, and each dial is given up after 10 s: deliveries and the store wait for "
            "none of them."
        ),
    ),
    (
        "T-12",
        "A peer sends garbage: no UTF-8, no JSON, the wrong types, too deep, too many values, broken websocket frames",
        (
            "Each is counted, told now and then, kept (16 kB; a hundred of each source, two thousand in all) and passed "
            "over, with the cursor where its place can be read."
        ),
    ),
    (
        "T-13",
        "A message is larger than the limit, or claims to be",
        (
            "It is refused unread; its first and last bytes, skimmed in constant memory, say where it stands, and the "
            "next dial begins behind it. One that cannot be passed over quarantines its source, visibly."
        ),
    ),
    (
        "T-14",
        "A peer sends a compression bomb",
        "No compression is offered, and a frame that is compressed all the same ends the connection unopened.",
    ),
    (
        "T-15",
        "A peer floods us with messages",
        (
            "Each has a pace (messages and bytes a second): over it, it is not read, and its own buffers fill; every 256 "
            "messages or 256 kB are a turn of the event loop, and each message has a bound of size and of values."
        ),
    ),
    (
        "T-16",
        "A peer never reads what we send",
        "Answers to its pings are given up after 10 s, and closing after 3 s, by cutting the connection.",
    ),
    (
        "T-17",
        "A connection is half open",
        "It is pinged every 25 s, and dialled again where no answer comes.",
    ),
    (
        "T-18",
        "Events come twice, and in any order",
        (
            "An event is known by origin and id, and acted on once; what a knot may send again is not forgotten before. What "
            "they lead to about one ref is made in the order of the events' own times; only a newer event cancels what runs."
        ),
    ),
    (
        "T-19",
        "The clock leaps ahead, or back",
        (
            "What is under way is this process's, whatever the clock says; what waits does not wait a day longer, and no "
            "look-up begins before `settle` has really passed. Cursors are the sender's own times, never asked for later than "
            "now; what comes twice for that is known."
        ),
    ),
    (
        "T-20",
        "A cursor is older than what the server keeps",
        "The gap is told and counted (`router sources`), and a spindle lists the records of all members anew, at once.",
    ),
    (
        "T-21",
        "A frame claims a time in the future, or a knot's clock is set back",
        (
            "No cursor passes our own clock; after news and a quarter of an hour of silence a knot is asked once for the "
            "quarter of an hour before."
        ),
    ),
    (
        "T-22",
        "A Jetstream host fails",
        "The next one goes on a minute before, by time: a cursor that counts one server's events is never used.",
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
        "Clients send half a request, drop by drop, or many connect and say nothing",
        (
            "A head and a body have 10 s each; connections are bounded in all and for each address, and those that ask "
            "nothing make room for whoever comes."
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
            "Hearing stops and no cursor moves; what is under way is settled in the room of a ballast, what is old is "
            "forgotten, reading goes on, `/readyz` says so; with room, hearing goes on by itself."
        ),
    ),
    (
        "T-28",
        "The disk fails (an I/O or fsync error)",
        "Nothing is tried again, not by a checkpoint either: the process ends at once, with 74.",
    ),
    (
        "T-29",
        "Another program keeps the store locked",
        "Writing waits, reading goes on, nothing is lost.",
    ),
    (
        "T-30",
        "The store is damaged, cut off, emptied or no database",
        (
            "It is refused when the router starts, left as it is and never made anew; the exit code is 65, and the way "
            "back is printed."
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
        "A command breeds processes, runs for ever, or leaves some behind",
        (
            "It has limits of the kernel from its first instruction, and a group that is asked to end, then made to; what "
            "left it is found by what it inherited. One that hides from both is a matter for control groups."
        ),
    ),
    (
        "T-33",
        "A command says more than anybody can read",
        "Head and tail are kept, within a mebibyte; the rest is read and counted.",
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
        "A template fails, or is too much work",
        (
            "Its delivery is dead, with the reason, and the others of the event are made. Work is counted, so that every "
            "machine says the same."
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
        "A spindle listens to a thousand knots",
        (
            "Dials come fifty a second; one account's repos open at most a hundred lines, and nobody pushes out "
            "another's; the limit of open files is raised or told at start."
        ),
    ),
    (
        "T-38",
        "A reader of `/events` or of logs does not read",
        (
            "Each has a place in the store and no queue: after 10 s for one message it is cut; readers are bounded in all "
            "and for each address."
        ),
    ),
    (
        "T-39",
        "The event loop stands still",
        "A thread says so after 10 s, with what every thread is doing, and says when it goes on.",
    ),
    (
        "T-40",
        "A scheduled time comes late",
        (
            "What is due follows from the last time that fired, however late: it fires once, or is skipped where the "
            "schedule says so."
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
