"""What is shipped for plug-in authors: the check finds each way to break the contract, and passes who keeps it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from pydantic import BaseModel, Field

from router.core.errors import Ambiguous, Permanent, Transient
from router.core.model import Delivery, Receipt
from router.provider import Closed, Host, Plugin, Secret
from router.testing import FakeClock, Peer, Reply, check_provider, delivery, host

TOKEN = "canary_7e1c9a"


class Settings(Closed):
    """Where the toy sends, and with what."""

    url: str
    token: Secret
    others: dict[str, list[Secret]] = Field(default_factory=dict)


class Options(Closed):
    """What the toy sends."""

    text: str = "hello"


class Toy:
    """Keeps the contract, unless a subclass breaks it."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        try:
            status, text, wait = await self.post(delivery.id, delivery.options.text)
        except aiohttp.ClientConnectorError:
            raise Transient("Nobody is there.") from None
        except aiohttp.ClientError:
            raise Ambiguous("The answer was lost.") from None
        return self.judged(status, text, wait)

    async def post(self, identity: str, text: str) -> tuple[int, str, str]:
        headers = {"Authorization": f"Bearer {self.settings.token.reveal()}", "Idempotency-Key": identity}
        async with self.host.http.post(self.settings.url, data=text, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("Retry-After", "1")

    def judged(self, status: int, text: str, wait: str) -> Receipt:
        if status == 429:
            raise Transient("Too often.", retry_after=float(wait), counts=False)
        if status >= 500:
            raise Ambiguous("Trouble.")
        if status >= 400:
            raise Permanent("Refused.")
        return Receipt(id="1")


class WithoutId(Toy):
    async def post(self, identity: str, text: str) -> tuple[int, str, str]:
        return await super().post("", text)


class Leaky(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        if status == 400:
            raise Permanent("Refused.", response=text)
        return super().judged(status, text, wait)


class LeakyReceipt(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        receipt = super().judged(status, text, wait)
        return Receipt(id=receipt.id, detail={"said": text})


class Chained(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        try:
            return super().judged(status, text, wait)
        except Permanent:
            raise Permanent("Refused.") from ValueError(text)


class Impatient(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        return super().judged(status, text, "1")


class Counting(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        if status == 429:
            raise Transient("Too often.", retry_after=float(wait))
        return super().judged(status, text, wait)


class GivesUp(Toy):
    def judged(self, status: int, text: str, wait: str) -> Receipt:
        if status == 503:
            raise Permanent("Trouble.")
        return super().judged(status, text, wait)


class Sure(Toy):
    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        try:
            return await super().deliver(delivery)
        except Ambiguous:
            raise Transient("Surely not.") from None


class Unsure(Toy):
    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        try:
            return await super().deliver(delivery)
        except Transient as error:
            raise error if not error.counts else Ambiguous("Who knows.") from None


class Stubborn(Toy):
    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        try:
            return await super().deliver(delivery)
        except asyncio.CancelledError:
            return Receipt(id="1")


class Finds(Toy):
    settle = 1.0

    async def find(self, delivery: Delivery[Options], /) -> Receipt | None:
        return None


async def check(peer: Peer, toy: type[Toy], *, idempotent: bool = False) -> None:
    settings = Settings(url=peer.url, token=Secret("env", "TOY_TOKEN"), others={"a": [Secret("env", "TOY_TOKEN")]})
    plugin = Plugin(settings=Settings, options=Options, open=toy, idempotent=idempotent)
    await check_provider(plugin, settings, Options(), peer)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TOKEN", TOKEN)


@pytest.mark.parametrize(("toy", "idempotent"), [(Toy, False), (Toy, True), (Sure, True), (WithoutId, False)])
async def test_who_keeps_the_contract_passes(toy: type[Toy], idempotent: bool) -> None:  # noqa: FBT001 - a parameter
    """Who is idempotent may simply try again; who is not need not pass the id on."""
    async with Peer(accepts=Reply(201, "made")) as peer:
        await check(peer, toy, idempotent=idempotent)


@pytest.mark.parametrize(
    ("toy", "idempotent", "promise"),
    [
        (WithoutId, True, "passes the delivery's id on"),
        (Leaky, False, "A secret is in what the provider says: Permanent"),
        (LeakyReceipt, False, "A secret is in what the provider says: Receipt"),
        (Chained, False, "A secret is in what the provider says: Permanent"),
        (Impatient, False, "no sooner than that"),
        (Counting, False, "uses up no attempt"),
        (GivesUp, False, "503 is Transient or Ambiguous"),
        (Sure, False, "cut off is Ambiguous"),
        (Unsure, False, "A refused connection is Transient"),
        (Stubborn, False, "A cancellation goes through"),
        (Finds, False, "A look-up that fails is Transient"),
    ],
)
async def test_who_breaks_it_is_told_how(toy: type[Toy], idempotent: bool, promise: str) -> None:  # noqa: FBT001
    """One sentence for each promise."""
    async with Peer(accepts=Reply(201, "made")) as peer:
        with pytest.raises(AssertionError, match=promise):
            await check(peer, toy, idempotent=idempotent)


async def test_a_fake_clock_moves_when_told() -> None:
    """Sleeping takes no time, and is remembered."""
    clock = FakeClock(1_000_000)
    await clock.sleep(2.5)
    clock.forward(1)
    assert (clock.now(), clock.slept) == (4_500_000, [2.5])


async def test_a_delivery_may_be_said_in_part() -> None:
    """What a test does not care about has a value."""
    made: Delivery[BaseModel] = delivery(Options(), attempt=3, rule="mine")
    assert (made.attempt, made.rule, made.options) == (3, "mine", Options())


async def test_a_host_is_the_routers() -> None:
    """Its session is one as the router has, and is closed in the end; the clock may be the test's."""
    async with host(FakeClock(7)) as lent:
        assert lent.clock.now() == 7
        assert str(lent.http.headers["User-Agent"]).startswith("tangled-router")
        assert not lent.http.closed
    assert lent.http.closed
