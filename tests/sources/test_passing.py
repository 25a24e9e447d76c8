"""Who passes over an event, and what that says of those that come next."""

from __future__ import annotations

from typing import Any

import pytest

from router.core import glance
from router.sources.passing import Passing

STAR, PULL = "sh.tangled.feed.star", "sh.tangled.repo.pull"


@pytest.mark.parametrize(
    ("wants", "nsids", "none"),
    [
        (lambda _nsid: True, [STAR, PULL], True),
        (lambda nsid: nsid == PULL, [PULL], True),
        (lambda nsid: nsid == PULL, [PULL, STAR], False),
        (lambda _nsid: lambda _sent: False, [PULL], False),
        (lambda _nsid: True, [], False),
    ],
    ids=["all", "what is wanted", "not all", "looked into", "nothing came"],
)
def test_records_are_read_at_once_where_all_of_the_last_were_wanted(wants: Any, nsids: list[str], none: bool) -> None:  # noqa: FBT001
    passing = Passing("jetstream", wants)
    sent = glance.Commit("did:plc:a", 1, "commit", glance._Commit(PULL, "a", "b", "create"))
    for nsid in nsids:
        passing.passes(nsid, 1, sent)
    assert passing.none is none
