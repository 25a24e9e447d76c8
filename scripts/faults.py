"""docs/faults.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.fault("T-17")`.

python -m scripts.faults        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
    (
        "T-10",
        "a knot is down, or its name cannot be resolved",
        (
            "it is dialled again after 1 s to 60 s, with full jitter; after a week of nothing but failures once an hour "
            "(`quarantined` in `router sources`); nothing else notices"
        ),
    ),
    (
        "T-11",
        "DNS hangs for many knots",
        (
            "names are resolved without threads, and each dial is given up after 10 s: deliveries and the store wait for "
            "none of them"
        ),
    ),
    (
        "T-12",
        "a peer sends garbage: no UTF-8, no JSON, the wrong types, too deep, too many values, broken websocket frames",
        (
            "each is counted, told now and then, kept (16 kB; a hundred of each source, two thousand in all) and passed "
            "over, with the cursor where its place can be read"
        ),
    ),
    (
        "T-13",
        "a message is larger than the limit, or claims to be",
        (
            "it is refused unread; its first and last bytes, skimmed in constant memory, say where it stands, and the next "
            "dial begins behind it. One that cannot be passed over quarantines its source, visibly"
        ),
    ),
    (
        "T-14",
        "a peer sends a compression bomb",
        "no compression is offered, and a frame that is compressed all the same ends the connection unopened",
    ),
    (
        "T-15",
        "a peer floods us with messages",
        (
            "each has a pace (messages and bytes a second): over it, it is not read, and its own buffers fill; every 64 "
            "messages or 256 kB are a turn of the event loop, and each message has a bound of size and of values"
        ),
    ),
    (
        "T-16",
        "a peer never reads what we send",
        "answers to its pings are given up after 10 s, and closing after 3 s, by cutting the connection",
    ),
    (
        "T-17",
        "a connection is half open",
        "it is pinged every 25 s, and dialled again where no answer comes",
    ),
    (
        "T-18",
        "events come twice, and in any order",
        "an event is known by origin and id, and acted on once; what a knot may send again is not forgotten before",
    ),
    (
        "T-19",
        "our clock, or a knot's, jumps",
        "cursors are the sender's own times, never asked for later than now; what comes twice for it is known",
    ),
    (
        "T-20",
        "a cursor is older than what the server keeps",
        "the gap is told and counted (`router sources`), and a spindle lists the records of all members anew, at once",
    ),
    (
        "T-21",
        "a frame claims a time in the future, or a knot's clock is set back",
        (
            "no cursor passes our own clock; after news and a quarter of an hour of silence a knot is asked once for the "
            "quarter of an hour before"
        ),
    ),
    (
        "T-22",
        "a Jetstream host fails",
        "the next one goes on a minute before, by time: a cursor that counts one server's events is never used",
    ),
    (
        "T-25",
        "clients send half a request, drop by drop, or many connect and say nothing",
        (
            "a head and a body have 10 s each; connections are bounded in all and for each address, and those that ask "
            "nothing make room for whoever comes"
        ),
    ),
    (
        "T-34",
        "rules or settings are changed to something broken while events come",
        "all is read, compiled and tried aside, and refused whole, with its place in log, answer and metric; what ran goes on",
    ),
    (
        "T-37",
        "a spindle listens to a thousand knots",
        (
            "dials come fifty a second; one account's repos open at most a hundred lines, and nobody pushes out another's; "
            "the limit of open files is raised or told at start"
        ),
    ),
    (
        "T-38",
        "a reader of `/events` or of logs does not read",
        (
            "each has a place in the store and no queue: after 10 s for one message it is cut; readers are bounded in all "
            "and for each address"
        ),
    ),
    (
        "T-39",
        "the event loop stands still",
        "a thread says so after 10 s, with what every thread is doing, and says when it goes on",
    ),
    (
        "T-40",
        "a scheduled time comes late",
        (
            "what is due follows from the last time that fired, however late: it fires once, or is skipped where the "
            "schedule says so"
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
