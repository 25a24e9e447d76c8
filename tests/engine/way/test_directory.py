"""Who is who, asked of a real directory and a real knot on loopback."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from router.core.model import changed
from router.demo.directory import Directory as DemoDirectory
from router.demo.directory import Identity
from router.demo.knot import Knot, KnotRepo
from router.demo.server import Server
from router.egress import Egress
from router.engine import described
from router.engine.directory import Directory
from router.host import Host
from router.http import open_outside, open_session
from router.testing import FakeClock
from tests.engine.way.parts import ALICE, HELLO, Told, push

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.engine.store.base import Store


@asynccontextmanager
async def directory(store: Store, time: FakeClock, told: Told) -> AsyncIterator[tuple[Directory, DemoDirectory, Knot]]:
    async with (
        DemoDirectory("directory") as served,
        Knot("knot", repos=(KnotRepo(HELLO, ALICE, "hello"),)) as knot,
        open_session() as http,
    ):
        served.identities = (Identity(ALICE, "alice.example"),)
        made = Directory(store, Host(http, time), told, served.url, {"pinned.example": ALICE})
        made.knots = {"knot.example": knot.url}
        yield made, served, knot


async def test_a_handle_is_resolved_and_remembered(store: Store, time: FakeClock, told: Told) -> None:
    """The resolver's answer is used, and a later start knows it before asking."""
    async with directory(store, time, told) as (made, *_):
        assert await made.resolve(["alice.example"])
        assert made.identities["alice.example"] == ALICE
        again = Directory(store, made.host, told, "https://resolver.invalid", {})
        await again.load()
        assert again.identities == {"alice.example": ALICE}


async def test_a_handle_that_does_not_exist_matches_nobody(store: Store, time: FakeClock, told: Told) -> None:
    """The resolver's word is final, told, and not kept over a restart."""
    async with directory(store, time, told) as (made, *_):
        assert await made.resolve(["nobody.example"])
        assert made.identities["nobody.example"] is None
        assert "does not exist" in told.faults[0]
        assert not await store.facts("handle")


async def test_a_resolver_that_is_down_leaves_a_handle_unknown(store: Store, time: FakeClock, told: Told) -> None:
    """Not known is not the same as nobody; what was known before stays."""
    async with directory(store, time, told) as (made, served, _):
        made.identities["bob.example"] = "did:plc:bobbbbbbbbbbbbbbbbbbbbbb"
        await served.down()
        assert not await made.resolve(["alice.example", "bob.example"])
        assert "alice.example" not in made.identities
        assert made.identities["bob.example"] == "did:plc:bobbbbbbbbbbbbbbbbbbbbbb"


async def test_pins_are_never_asked_about(store: Store, time: FakeClock, told: Told) -> None:
    """What the operator fixed, no resolver changes."""
    async with directory(store, time, told) as (made, served, _):
        assert await made.resolve(["pinned.example"])
        assert not served.requests
        assert made.identities["pinned.example"] == ALICE


async def test_keeping_says_when_something_new_is_known(store: Store, time: FakeClock, told: Told) -> None:
    """After a failed look-up the handle is asked for again, and `learned` is called once it is known."""

    class Learned(Exception):
        pass

    def learned() -> None:
        raise Learned

    async with directory(store, time, told) as (made, *_):
        with pytest.raises(Learned):
            await made.keep(["alice.example"], learned)
        assert time.slept == [30.0]


async def test_a_knot_says_whose_repo_an_event_is_about(store: Store, time: FakeClock, told: Told) -> None:
    """Today's events name a repo by its DID alone: its name comes from the knot that sent it, once."""
    async with directory(store, time, told) as (made, _, knot):
        for _ in range(2):
            event = await made.complete(push(named=False))
            assert (event.fields["repo"]["name"], event.fields["repo"]["owner"]) == ("hello", ALICE)
        assert len(knot.requests) == 1


async def test_a_knot_cannot_give_an_event_another_owner(store: Store, time: FakeClock, told: Told) -> None:
    """An event that says its owner keeps it, and gets no name from an answer that says otherwise."""
    async with directory(store, time, told) as (made, *_):
        other = push(named=False, ownerDid="did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
        assert "name" not in (await made.complete(other)).fields["repo"]


async def test_a_knot_that_does_not_say_is_not_asked_each_time(store: Store, time: FakeClock, told: Told) -> None:
    """A repo that it does not know is asked about again after ten minutes, and not before."""
    async with directory(store, time, told) as (made, _, knot):
        unknown = changed(push(), fields={**push().fields, "repo": {"did": "did:plc:unknownunknownunknown22"}})
        for _ in range(3):
            assert "name" not in (await made.complete(unknown)).fields["repo"]
        assert len(knot.requests) == 1
        time.forward(601)
        await made.complete(unknown)
        assert len(knot.requests) == 2


class InPieces(Server):
    """A resolver that flushes between the two halves of its JSON."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/xrpc/com.atproto.identity.resolveHandle", self._answer)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        body = json.dumps({"did": ALICE}).encode()
        for part in (body[:9], body[9:]):
            await response.write(part)
            for _ in range(20):
                await asyncio.sleep(0)
        return response


async def test_an_answer_may_come_in_pieces(store: Store, time: FakeClock, told: Told) -> None:
    """Half of it is not yet an answer that cannot be understood."""
    async with InPieces("resolver") as served, open_session() as http:
        made = Directory(store, Host(http, time), told, served.url, {})
        assert await made.resolve(["alice.example"])
        assert made.identities["alice.example"] == ALICE


async def test_a_repo_that_was_renamed_gets_its_new_name(store: Store, time: FakeClock, told: Told) -> None:
    """A name is asked for again after an hour, also where the store remembers it; the old one serves where no answer comes."""
    async with directory(store, time, told) as (made, _, knot):
        await made.complete(push(named=False))
        knot.repos = (KnotRepo(HELLO, ALICE, "renamed"),)
        assert (await made.complete(push(named=False))).fields["repo"]["name"] == "hello"
        time.forward(3601)
        assert (await made.complete(push(named=False))).fields["repo"]["name"] == "renamed"
        again = Directory(store, made.host, told, "https://resolver.invalid", {})
        again.knots = made.knots
        await again.load()
        knot.repos = ()
        assert (await again.complete(push(named=False))).fields["repo"]["name"] == "renamed"
        assert len(knot.requests) == 3


async def test_what_knots_say_of_repos_is_bounded_on_disk(
    store: Store, time: FakeClock, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A knot that invents repos pushes out its own, in memory and in the store, and never those of others."""
    monkeypatch.setattr(described, "OF_ONE_KNOT", 3)
    many = tuple(KnotRepo(f"did:plc:{number:a<24}", ALICE, f"r{number}") for number in "bcdefgh")
    async with directory(store, time, told) as (made, *_):
        await made.complete(push(named=False))
        async with Knot("other", repos=many) as other:
            made.knots["other.example"] = other.url
            for repo in many:
                event = push(named=False, repo=repo.did)
                fields = {**event.fields, "knot": "other.example", "repo": {"did": repo.did}}
                await made.complete(changed(event, fields=fields))
        kept = list(await store.facts("repo"))
        assert kept == [f"knot.example {HELLO}", *(f"other.example {repo.did}" for repo in many[-3:])]
        monkeypatch.setattr(described, "MOST", 2)
        again = Directory(store, made.host, told, "https://resolver.invalid", {})
        await again.load()
        assert len(again._repos) == len(await store.facts("repo")) == 2


@pytest.mark.threat("S-07")
async def test_a_knot_that_only_a_record_names_is_called_as_a_stranger(store: Store, time: FakeClock, told: Told) -> None:
    """It answered from a public address when it was heard from; its name may lead inside by now."""
    async with directory(store, time, told) as (made, _, knot), open_outside(Egress()) as guarded:
        made.host = replace(made.host, guarded=guarded)
        host = knot.url.removeprefix("http://")
        made.knots = {}
        event = push(named=False, knot=host)
        assert (await made.complete(event)) == event
        assert not knot.requests
