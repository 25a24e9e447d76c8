"""docs/parity.md: what other spindles do and what this one does, with the tests that prove it.

Rows are written here; their tests are those that bear their numbers, `@pytest.mark.parity(41)`.

python -m scripts.parity        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Number, what it is, and how we do it. A row that begins with "Not" or "Partly" is not promised.
ROWS: list[tuple[int | str, str, str]] = [
    (1, "`sh.tangled.owner`", "Served, so that the appview can verify who runs the spindle."),
    (2, "`did:web` document", "Served, with the service `#tangled_spindle`."),
    (3, "A word at `/`", "`spindle.motd`."),
    (4, "A host name with a port; http for development", "`spindle.hostname`, `spindle.dev`."),
    (5, "Another PLC directory", "`spindle.plc`."),
    (6, "Repos that choose us, by new and by changed records", "Heard on Jetstream, in old and new shapes."),
    (7, "Repos that leave, are deleted or choose another", "Their knot is left with the last of them."),
    (8, "A repo that moves to another knot", "The new knot is heard, the old one left."),
    (9, "Members", "Records of the owner alone count."),
    (10, "A member's record that is changed to somebody else", "The one before is no member any more."),
    (11, "Collaborators, by AT-URI and by DID", "Both; as the owner wrote them."),
    (12, "Collaborators as the knot keeps them", "Its updates are heard, its list is asked for."),
    (13, "Rounds of pull requests, in a blob", "Fetched; the blob must have the hash that the record names."),
    (
        14,
        "A cursor that survives, and frames that are no frames",
        "Stored with what it brought; a bad frame is counted and passed over.",
    ),
    (
        15,
        "What happened before, or longer ago than Jetstream looks back",
        "Records are listed at the start and every five minutes.",
    ),
    (16, "Accounts that are deactivated", "Their repos do not count until they are back."),
    (17, "A repo is what its record says", "Its DID document, its knot and its record must agree."),
    (18, "Knots are subscribed to when they are needed", "With their first repo."),
    (19, "And left when they are not", "With their last repo, without touching the others."),
    (20, "Both meanings of a knot's cursor", "Told apart by what the knot sends; the last minute is asked for again."),
    (21, "First contact without years of history", "From the minute before on; so after an absence."),
    (22, "No loss between hearing and doing", "Event, deliveries and cursor are one transaction."),
    (23, "One run for one trigger", "Whatever is told twice, by whom and in which generation."),
    (24, "In order", "Begun one after the other, per repo; strangers hold up nobody."),
    (25, "Malformed frames", "Counted, shown, passed over; other knots notice nothing."),
    (26, "Coming back", "At once, then later and later, with jitter, 30 s at most."),
    (27, "`sh.tangled.pipeline` of a push", "Run under the name that the knot gave."),
    (28, "`sh.tangled.pipeline` of a pull request", "The same event for rules."),
    (29, "`sh.tangled.pipeline` by hand", "The same event for rules."),
    (30, "`sh.tangled.git.refUpdate`", "The spindle reads the workflow files of the commit itself."),
    (31, "`when`: events, branches, tags, paths", "As Tangled matches them, with doublestar."),
    (32, "`git push -o skip-ci`", "No run."),
    (33, "Deleted refs", "No run."),
    (34, "Pull requests from a branch", "Run on each round, if who wrote it may push."),
    (35, "Pull requests from a fork", "Never by themselves: somebody who may push runs them."),
    (36, "Runs by hand, and again", "`sh.tangled.ci.triggerPipeline`, with inputs."),
    (37, "A fork's run", "Without secrets."),
    (38, "Some workflows only", "`workflows` of the call."),
    (39, "Who may set off what", "The repo's owner is the owner or a member; who calls may push."),
    (40, "Limits for each repo", "`throttle` and `concurrency` of rules, by any key; `cancel_running` cancels."),
    (41, "A block in the workflow file says which CI", "`router:`, or `tack:` as it is; the first key counts."),
    (42, "Without any CI", "`shell` and `log` report statuses and logs."),
    (43, "Buildkite: builds", "With commit, branch, message, author, variables, pull request and the delivery's id."),
    (44, "Buildkite: once", "What may have happened is looked up by the delivery's id before it is done again."),
    (45, "Buildkite: webhooks with a token", "Several secrets, for rotation."),
    (46, "Buildkite: signed webhooks", "Five minutes, and each one once."),
    (47, "Buildkite: a webhook before our own receipt", "Found by the delivery's id in its meta-data."),
    (48, "Buildkite: builds of others", "Ignored."),
    (49, "Buildkite: webhooks that never come", "Builds that are not over are asked about."),
    (50, "Buildkite: blocked builds", "Running, not green."),
    (51, "Buildkite: rebuilds and retries", "A new run: what is over never changes."),
    (52, "Buildkite: what failed", "The job and its exit status are in the error."),
    (53, "Which pipelines files may ask for", "`allow` of the rule."),
    (54, "Tekton", "Not bundled; a provider is one file, and `webhook` reaches any CI."),
    (55, "SourceHut", "The provider `sourcehut`: jobs, look-ups, statuses, logs, cancelling."),
    (56, "Other CIs", "Providers are plug-ins of any installed package."),
    (57, "`/events`", "Run before statuses, cursors in nanoseconds."),
    (58, "Readers that do not read", "Cut after ten seconds; their cursor brings them back."),
    (59, "`/logs/{knot}/{rkey}/{workflow}`", "Lines and control lines."),
    (60, "Logs end", "With the workflow, by a close that the appview expects."),
    (61, "`queryPipelines`, `getPipeline`", "Filters, pages, totals."),
    (62, "An empty list is a list", "And of a commit the newest run alone."),
    (63, "`subscribePipelineLogs`", "DAG-CBOR frames, byte for byte."),
    (64, "`triggerPipeline`", "Answers with the run's AT-URI."),
    (65, "`cancelPipeline`", "Builds and commands are really ended."),
    (66, "`describeWorkflowDefinition`", "Names and a hash."),
    (67, "Older names of methods", "Answered, too."),
    (68, "Statuses", "Legal transitions only; the end is the end."),
    (
        69,
        "An appview that hears of a status too early",
        "Statuses are told once more a few seconds later, and under each name.",
    ),
    (70, "Secrets", "Encrypted at rest, given by name to trusted runs."),
    (71, "Service tokens", "ES256 and ES256K, audience, times."),
    (72, "Replay and confusion", "`lxm`, `jti` once, low S, canonical base64, no key twice."),
    (73, "Addresses that strangers name", "Public ones only, checked as they are connected."),
    (74, "Sizes", "Frames, bodies, files and answers are bounded."),
    (75, "Comparing secrets", "In constant time."),
    (76, "Restarts", "Everything goes on where it was."),
    (77, "Health", "`/healthz` for probes, `router sources` for lag; metrics are to come."),
    (78, "Structured logs", "JSON lines; metrics are to come."),
    (79, "Retention", "`store.keep`: events, deliveries, runs and logs, once they are over; 90 days."),
    (80, "Stopping", "Hears no more, finishes what it does, leaves the rest to the next start."),
    (81, "One program, one file, the environment of tack", "`TACK_*` variables are understood."),
    (82, "A tack database", "Not imported: a run that tack began ends there."),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/parity.py. -->

# Parity

What spindles do (the stock one, and tack, whose repos can move here), and how this one does it. Each row's tests bear its
number (`pytest -m parity` runs them all), and this page is made of them.

| # | what | here | tests |
|---|---|---|---|
"""


CATALOGUE = Catalogue("parity", ROOT / "docs" / "parity.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
