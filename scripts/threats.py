"""docs/threats.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.threat("S-07")`.

python -m scripts.threats        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
    (
        "S-01",
        "A branch, a title or a message is a command: `$(reboot)`",
        (
            "Commands are lists of arguments, or fixed scripts; a template in a script, and an event's text as program or "
            "code, are errors of `validate`. What an event says reaches a script by its environment."
        ),
    ),
    (
        "S-02",
        "A branch is an option: `--upload-pack=…`",
        "An argument that may begin with a hyphen is an error of `validate` where no `--` stands before it.",
    ),
    (
        "S-03",
        "The injection happens one hop later, in the CI",
        (
            "Names of variables are written out, and those that decide what runs are refused, when rules are loaded and "
            "again when they are rendered. Free text goes to the message, as one printable line, and to values."
        ),
    ),
    (
        "S-04",
        "A value is taken for a template, or reaches for Python",
        (
            "Values are data and never rendered again. Attributes, filters, syntax and globals of templates are lists of "
            "what is allowed."
        ),
    ),
    (
        "S-05",
        "A known hole of Jinja's sandbox",
        "A version without them is required; the published ways out are tried, and none of what they use is there.",
    ),
    (
        "S-06",
        "A template that never ends, or fills the memory",
        "Work is counted in units and bounded, for each template and for all of one event (ADR 16).",
    ),
    (
        "S-07",
        "A record, a DID or a redirect sends the router to an address of its own network",
        (
            "The address of the socket that is made is what is checked, in every disguise; hosts have a grammar, and "
            "ports a list; no redirect is followed, and no proxy is read from the environment."
        ),
    ),
    (
        "S-08",
        "A value begins another header or another request",
        "Names and values of headers have a grammar that has no line ends, when rules are loaded and for each event.",
    ),
    (
        "S-09",
        "Somebody sends webhooks in the CI's name, or its own again",
        (
            "The signature of the raw body is compared in constant time; its time may be five minutes off; each counts "
            "once, and that is stored."
        ),
    ),
    (
        "S-10",
        "A workflow file is a bomb, or an object of Python",
        "It is scanned for size, depth, values and aliases before anything is built of it (ADR 17).",
    ),
    (
        "S-11",
        "JSON that is deep, not finite, or half of a character",
        "One reader for all that peers say refuses it with a sentence.",
    ),
    (
        "S-12",
        "A pattern takes the age of the world",
        "RE2 matches what rules ask for, in paths too; our own patterns are tried on what makes patterns slow.",
    ),
    (
        "S-13",
        "A path looks through a record as large as a frame",
        (
            "Paths are compiled when rules are loaded; one that is not plain looks at a bounded number of values, or says "
            "that it cannot."
        ),
    ),
    (
        "S-14",
        "A pull request of a stranger runs with secrets",
        (
            "Who it is by is computed before rules see it. Strangers' and forks' wait for `router approve`, run once, get "
            "no secrets of the repo, and run nothing on this machine where the rule has no `allow_untrusted: true`."
        ),
    ),
    (
        "S-15",
        "Anybody names our spindle",
        (
            "Only repos of the owner and of members count, at each trigger anew; of others no connection is opened and "
            "nothing is stored."
        ),
    ),
    (
        "S-16",
        "A knot speaks of a repo that lives elsewhere",
        ("The repo's record has to name the knot that the event came from, and the knot and the repo's DID have to agree."),
    ),
    (
        "S-17",
        "A token is forged, old, somebody else's, or used again",
        "Algorithm, key, times, audience, method and form of the signature are checked; each token counts once.",
    ),
    (
        "S-18",
        "A secret is written where people look",
        (
            "Settings hold references, which are read when they are used. Canaries in every secret are looked for in all "
            "that a router wrote and answered, also in base64 and in URLs."
        ),
    ),
    (
        "S-19",
        "Text of a stranger moves the cursor, begins another line of the log, or is markup on the page",
        (
            "Control characters, escapes and marks of direction are escaped in logs, in what verbs print and on the page; "
            "statuses are short and plain. The page's templates escape everything, its policy allows files of ours alone, "
            "and only http and https are links."
        ),
    ),
    (
        "S-20",
        "A name in a URL leads to another file",
        "Logs are rows, and names are keys of them: no path is made of a name that a peer sends.",
    ),
    (
        "S-21",
        "One account, repo or knot takes all there is",
        (
            "Quotas by account, knot and in all hold back what is too much, visibly and over restarts; bounds on frames, "
            "deliveries of one event, work, strangers who wait and readers; fair between repos."
        ),
    ),
    (
        "S-22",
        "Somebody on the machine, on the network, or a web site in an operator's browser gives orders to the router",
        (
            "A Unix socket of its owner from its first moment; TCP only if configured, with a token unless on loopback; "
            "`Host` and `Origin` are checked, and connections that ask nothing make room. A cookie opens the page alone, and "
            "what changes something needs a word that only the page's own forms bear."
        ),
    ),
    (
        "S-23",
        "A rule file is written by somebody else",
        "Rules are code. A file that anybody may write, or in a folder that anybody may write, is a warning (R043).",
    ),
    (
        "S-24",
        "A dependency has a hole",
        (
            "Each has a lower bound that leaves the known ones out; the list is short, and the core needs none that "
            "speaks to a network."
        ),
    ),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/threats.py. -->

# Threats

Each row's tests bear its id (`pytest -m threat` runs them all), and this page is made of them.

| id | what happens | what the router does | tests |
|---|---|---|---|
"""
CATALOGUE = Catalogue("threat", ROOT / "docs" / "threats.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
