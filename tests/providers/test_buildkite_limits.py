"""Buildkite's limits, its audit, and look-ups that Buildkite wants narrowed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from providers import buildkite
from router.core.errors import RateLimited, Transient
from router.core.model import Receipt
from router.demo.ci import Ci
from router.engine.limits import Limits
from router.provider import Destination
from router.secret import Secret
from router.testing import FakeClock, Peer, Reply, delivery, host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.demo.server import Seen
    from router.host import Host

TOKEN, MINE, OTHER = "bkua_canary", "d" * 32, "e" * 32
OPTIONS: dict[str, Any] = {"pipeline": "core", "commit": "abc", "branch": "main"}
RECEIPT = Receipt(id="x", detail={"org": "acme", "pipeline": "core", "number": 1})


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BK_TOKEN", TOKEN)


@pytest.fixture
async def lent() -> AsyncIterator[Host]:
    """With a meter, as the router has one."""
    async with host() as made:
        clock = FakeClock()
        yield replace(made, clock=clock, meter=Limits(clock))


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer(accepts=Reply(200, "[]")) as made:
        yield made


def opened(lent: Host, url: str, **more: Any) -> buildkite.Buildkite:
    settings = {"token": Secret("env", "BK_TOKEN"), "org": "acme", "url": f"{url}/v2", **more}
    return buildkite.Buildkite(buildkite.Settings(**settings), lent)


def query(request: Seen) -> dict[str, str]:
    return dict(request.query)


def test_an_organization_is_a_destination_and_the_token_its_credential(lent: Host) -> None:
    """200 requests in a minute for the organization, 50 for the token, ten of each for look-ups; settings may say otherwise."""
    provider = opened(lent, "https://x")
    for options, org in (({}, "acme"), ({"org": "other"}, "other"), ({"pipeline": "third/core"}, "third")):
        found = provider.destination(buildkite.Options(**{**OPTIONS, **options}))
        assert (found.name, found.credential) == (org, "token")
        assert [(one.name, one.rate, one.per, one.reserve) for one in found.limits] == [
            (f"buildkite/{org}", 200, 60.0, 10),
            ("buildkite token", 50, 60.0, 10),
        ]
    told = opened(lent, "https://x", per_token=600, reserve=0).destination(buildkite.Options(**OPTIONS))
    assert isinstance(told, Destination)
    assert [(one.rate, one.reserve) for one in told.limits] == [(200, 0), (600, 0)]


@pytest.mark.fault("T-23")
async def test_polls_leave_what_builds_need(lent: Host, peer: Peer) -> None:
    """Of a hundred builds that are open some are asked about now, and half of the minute's requests is left."""
    peer.accepts = Reply(200, json.dumps({"state": "running"}))
    provider = opened(lent, peer.url)
    reports = await provider.poll([(str(number), RECEIPT) for number in range(100)])
    assert len(reports) == len(peer.requests) == 25
    assert await provider.poll([("again", RECEIPT)]) == []


@pytest.mark.fault("T-23")
@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "9", "RateLimit-User-Remaining": "7"}, ("buildkite/acme",)),
        ({"RateLimit-Remaining": "90", "RateLimit-User-Remaining": "0", "RateLimit-User-Reset": "9"}, ("buildkite token",)),
        ({"RateLimit-Reset": "9"}, ()),
    ],
)
async def test_a_limit_that_is_used_up_is_named(
    lent: Host, peer: Peer, headers: dict[str, str], names: tuple[str, ...]
) -> None:
    """An organization that others ask too often holds up no other one; where nobody says, both limits are taken for it."""
    peer.accepts = Reply(429, "{}", headers)
    with pytest.raises(RateLimited) as raised:
        await opened(lent, peer.url).deliver(delivery(buildkite.Options(**OPTIONS), id=MINE))
    assert (raised.value.limits, raised.value.retry_after, raised.value.counts) == (names, 9.0, False)


@pytest.mark.fault("T-24")
async def test_a_look_up_is_bounded_in_time(lent: Host, peer: Peer) -> None:
    """Buildkite refuses to look through everything that ever was."""
    assert await opened(lent, peer.url).find(delivery(buildkite.Options(**OPTIONS), id=MINE)) is None
    (asked,) = (query(request) for request in peer.requests)
    assert (asked["meta_data[router:delivery]"], asked["created_from"][-1]) == (MINE, "Z")
    assert "branch" not in asked


@pytest.mark.fault("T-24")
async def test_a_look_up_that_is_to_be_narrowed_believes_a_hit_alone(lent: Host, peer: Peer) -> None:
    """By its branch it may be found; that it is not proves nothing, for Buildkite may spell the branch otherwise."""
    build = {"id": "b", "number": 7, "meta_data": {"router:delivery": MINE}}
    peer.replies.extend([Reply(400, "{}"), Reply(200, "[]"), Reply(400, "{}"), Reply(200, json.dumps([build]))])
    provider = opened(lent, peer.url)
    with pytest.raises(Transient):
        await provider.find(delivery(buildkite.Options(**OPTIONS), id=MINE))
    found = await provider.find(delivery(buildkite.Options(**OPTIONS), id=MINE))
    assert found is not None
    assert found.id == "b"
    assert query(peer.requests[1])["branch"] == "main"


@pytest.mark.fault("T-24")
async def test_an_audit_finds_two_builds_of_one_delivery(lent: Host) -> None:
    """The one that was made first is the delivery's; the later one can be cancelled where it is."""
    async with Ci("ci", org="acme", token=TOKEN) as ci:
        provider = opened(lent, ci.url)
        for name in (MINE, OTHER, MINE):
            await provider.deliver(delivery(buildkite.Options(**OPTIONS), id=name))
        (double,) = await provider.audit([RECEIPT], 0)
        first, only, second = ci.builds
        assert (double.delivery, double.first.id, double.extra.id) == (MINE, first.id, second.id)
        assert await provider.cancel(double.extra)
        assert [one.state for one in (first, only, second)] == ["scheduled", "scheduled", "canceled"]


@pytest.mark.fault("T-24")
async def test_a_rebuild_is_not_one_too_many(lent: Host, peer: Peer) -> None:
    """It bears the meta-data of the build that a person rebuilt."""
    url = "https://api.buildkite.com/v2/organizations/acme/pipelines/core/builds/"
    builds = [
        {"id": f"b{number}", "number": number, "url": f"{url}{number}", "meta_data": {"router:delivery": MINE}}
        for number in (1, 2)
    ]
    peer.replies.append(Reply(200, json.dumps([{**builds[1], "rebuilt_from": {"id": "b1"}}, builds[0], "nonsense"])))
    assert await opened(lent, peer.url).audit([RECEIPT], 0) == []
    peer.replies.append(Reply(200, json.dumps(builds[::-1])))
    (double,) = await opened(lent, peer.url).audit([RECEIPT], 0)
    assert (double.first.id, double.extra.id, double.extra.detail["number"]) == ("b1", "b2", 2)


async def test_an_audit_asks_each_organization_once(lent: Host, peer: Peer) -> None:
    """From the moment on that it is given, and says so where it cannot tell."""
    receipts = [RECEIPT, RECEIPT, Receipt(id="y", detail={"org": "other", "pipeline": "core", "number": 2})]
    assert await opened(lent, peer.url).audit(receipts, 1_790_000_000_000_000) == []
    assert [request.path for request in peer.requests] == [
        "/v2/organizations/acme/builds",
        "/v2/organizations/other/builds",
    ]
    assert query(peer.requests[0])["created_from"] == "2026-09-21T14:13:20Z"
    peer.accepts = Reply(503)
    with pytest.raises(Transient):
        await opened(lent, peer.url).audit(receipts, 0)
