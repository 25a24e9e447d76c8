"""docs/acceptance.md: what a spindle has to stand, and what those who build one stumble over, with the tests of each.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.acceptance("A-04")`.

python -m scripts.acceptance        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what is tried, and what comes of it.
ROWS: list[tuple[int | str, str, str]] = [
    ("A-01", "A repo's record is changed: it chooses us, leaves, is a stranger's", "Its knot is heard, left, never heard."),
    ("A-02", "One push, told again, told twice, or met by a restart", "One run."),
    ("A-03", "`skip-ci`, a deleted ref, a branch or paths that no workflow is for", "None."),
    ("A-04", "A knot that speaks of a repo which lives elsewhere", "None, and nothing is shown beside the repo's own."),
    ("A-05", "Buildkite's webhooks: early, twice, late, never, forged, stale, altered", "The build's own state counts."),
    ("A-06", "A build that a block step holds up", "Runs; is not green."),
    (
        "A-07",
        "Cancelling what runs, is over, is unknown, is another repo's; without the right to",
        "Only the first ends anything.",
    ),
    ("A-08", "Tokens that are nearly right, in every way", "Refused; the right ones count once."),
    (
        "A-09",
        "Readers of `/events`: without a cursor, with one far behind or ahead, and one that never reads",
        "Told all; cut.",
    ),
    ("A-10", "Logs of what is over, runs, is unknown, failed without one", "Read to their end, and closed."),
    ("A-11", "Jetstream: bad records, a store that fails, reconnects, noise", "Nothing lost, nothing held up."),
    ("A-12", "`kill -9` anywhere between a push and its build", "One build."),
    ("P-01", "Only the older streams are served", "Both generations' appviews show everything."),
    ("P-02", "Today's knots send their history to whoever names no cursor", "The first contact names the minute before."),
    ("P-03", "One push, told as `refUpdate` and as `pipeline`", "One run, known under both names."),
    ("P-04", "What knots write has an empty `$type`", "The envelope says what it is."),
    ("P-05", "`repoDid` of an older push is the owner's", "Told apart by what else is there."),
    ("P-06", "Choosing a spindle is an update of a record", "Creation and update are one to us."),
    ("P-07", "A deletion does not say of what", "The mirror knows."),
    ("P-08", "Jetstream passes over what is too old, without a word", "Records are listed."),
    ("P-09", "A blocked build says `passed`", "Running."),
    ("P-10", "Buildkite's paths want a build's number", "The receipt has it."),
    ("P-11", "A signature is over the bytes", "Checked before anything is parsed."),
    ("P-12", "Two statuses in one second", "Their times grow, and never lie ahead."),
    ("P-13", "Most accounts sign with secp256k1", "Both curves."),
    ("P-14", "Audiences with a fragment, with a port", "Ours alone, in each of its forms."),
    ("P-15", "An `Origin` header is refused by knots", "None is sent."),
    ("P-16", "Cursors are longer than 53 bits", "Whole numbers everywhere."),
    ("P-17", "A packed patch may unpack to gigabytes", "Unpacked up to a limit."),
    ("P-18", "`canceled` there is `cancelled` here", "Translated."),
    ("P-19", "No `changedFiles` is not an empty list, and an empty sha is none", "Every path fits; no commit."),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/acceptance.py. -->

# Acceptance

What a spindle has to stand (A), and what those who build one stumble over (P). Each row's tests bear its id
(`pytest -m acceptance` runs them all), and this page is made of them.

| id | what is tried | what comes of it | tests |
|---|---|---|---|
"""
CATALOGUE = Catalogue("acceptance", ROOT / "docs" / "acceptance.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
