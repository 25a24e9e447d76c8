"""Handles, asked of their own domains: by name, by HTTPS, and only if their DID agrees."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, ClassVar, cast

import aiohttp
import pytest

from router.demo.directory import Directory, Identity
from router.egress import Egress
from router.host import Host
from router.http import open_outside
from router.identity.documents import Documents, Unresolved
from router.identity.handles import Handles, SystemTexts
from router.testing import Peer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ALICE, EVE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa", "did:plc:eveaaaaaaaaaaaaaaaaaaaaa"


class Texts:
    """TXT records by name; an error for those that nobody answers for."""

    def __init__(self, **records: Sequence[str]) -> None:
        self.records = {name.replace("__", "."): texts for name, texts in records.items()}
        self.asked: list[str] = []

    async def texts(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.records:
            raise OSError("nobody answers")
        return self.records[name]


@pytest.fixture
async def documents() -> AsyncIterator[tuple[Host, Documents]]:
    async with Directory("directory") as directory, aiohttp.ClientSession() as http:
        directory.identities = (Identity(ALICE, handle="alice.example.com"), Identity(EVE, handle="eve.example.com"))
        outside = open_outside(Egress(["127.0.0.0/8"]))
        host = Host(http, guarded=outside)
        yield host, Documents(host, directory.url)
        await outside.close()


@pytest.mark.parametrize(
    ("handle", "texts", "did"),
    [
        ("alice.example.com", [f"did={ALICE}"], ALICE),
        ("ALICE.example.com", [f"did={ALICE}", "v=spf1 -all"], ALICE),
        ("alice.example.com", [f"did={ALICE}", f"did={ALICE}"], ALICE),
        ("alice.example.org", [f"did={ALICE}"], None),
        ("alice.example.com", [f"did={EVE}"], None),
        ("alice.example.com", ["did=did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"], None),
    ],
)
async def test_a_name_says_whose_it_is(
    documents: tuple[Host, Documents], handle: str, texts: list[str], did: str | None
) -> None:
    """And its DID's document says the same, or it is nobody's."""
    asked = Texts(**{f"_atproto.{handle}".replace(".", "__"): texts})
    assert await Handles(*documents, asked).resolve(handle) == did
    assert asked.asked == [f"_atproto.{handle}"]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(200, f"{ALICE}\n"), "no document agrees"),
        (Reply(404, "no"), None),
        (Reply(200, "<html>"), None),
        (Reply(302, "", headers={"Location": "http://127.0.0.1/"}), None),
        (Reply(503, "later"), Unresolved),
    ],
)
async def test_its_domain_is_asked_where_no_name_says(
    documents: tuple[Host, Documents], peer: Peer, reply: Any, found: Any
) -> None:
    """By HTTPS, without following anybody anywhere; a server that is down says nothing."""
    peer.accepts = reply
    handle = peer.url.removeprefix("http://")
    handles = Handles(*documents, Texts(), dev=True)
    if found is Unresolved:
        with pytest.raises(Unresolved, match="503"):
            await handles.resolve(handle)
        return
    assert await handles.resolve(handle) is None
    assert peer.requests[-1].path == "/.well-known/atproto-did"


async def test_of_two_dids_none_counts(documents: tuple[Host, Documents], peer: Peer) -> None:
    """Whoever says two things says nothing."""
    peer.accepts = Reply(404, "")
    handle = peer.url.removeprefix("http://")
    asked = Texts(**{f"_atproto.{handle}".replace(".", "__"): [f"did={ALICE}", f"did={EVE}"]})
    assert await Handles(*documents, asked, dev=True).resolve(handle) is None


class Nameserver(asyncio.DatagramProtocol):
    """Answers TXT questions from `records`: two of a name in one packet, NXDOMAIN for the rest; silent about `silent`."""

    records: ClassVar[dict[bytes, list[list[bytes]]]] = {b"alice": [[f"did={ALICE}".encode()], [b"v=spf1 ", b"-all"]]}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(b"\0", 12) + 5
        name = data[12:end]
        if b"silent" in name:
            return
        found = next((texts for known, texts in self.records.items() if known in name), None)
        flags = 0x8183 if found is None else 0x8180
        answers = [b"".join(bytes([len(part)]) + part for part in parts) for parts in found or ()]
        packet = data[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0) + name
        for answer in answers:
            packet += b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(answer)) + answer
        self.transport.sendto(packet, addr)


async def test_names_are_asked_of_name_servers() -> None:
    """Over the wire: records in parts, no such name, and nobody who answers."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Nameserver, local_addr=("127.0.0.1", 0))
    texts = SystemTexts([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
    try:
        assert await texts.texts("_atproto.alice.example.com") == [f"did={ALICE}", "v=spf1 -all"]
        assert await texts.texts("_atproto.nobody.example.com") == ()
        transport.close()
        with pytest.raises(OSError, match="cannot be looked up"):
            await texts.texts("_atproto.silent.example.com")
    finally:
        transport.close()
