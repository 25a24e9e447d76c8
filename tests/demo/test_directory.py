"""The directory's documents and handles."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from router.demo.directory import Directory, Identity
from tests.demo.conftest import ALICE, HELLO

RESOLVE = "/xrpc/com.atproto.identity.resolveHandle"


@pytest.fixture
async def directory() -> AsyncIterator[Directory]:
    known = (
        Identity(ALICE, "alice.example", pds="http://127.0.0.1:1"),
        Identity(HELLO, knot="http://127.0.0.1:2"),
    )
    async with Directory("directory", identities=known) as server:
        yield server


async def test_documents(directory: Directory, http: aiohttp.ClientSession) -> None:
    """A person's document names a handle and a PDS, a repo's its knot, and a stranger has none."""
    async with http.get(f"{directory.url}/{ALICE}") as answer:
        person = await answer.json(content_type="application/did+ld+json")
    assert (person["id"], person["alsoKnownAs"]) == (ALICE, ["at://alice.example"])
    assert [service["type"] for service in person["service"]] == ["AtprotoPersonalDataServer"]
    async with http.get(f"{directory.url}/{HELLO}") as answer:
        (service,) = (await answer.json(content_type=None))["service"]
    assert (service["type"], service["serviceEndpoint"]) == ("TangledKnot", "http://127.0.0.1:2")
    async with http.get(f"{directory.url}/did:plc:nobody") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("handle", ["alice.example", "ALICE.example"])
async def test_a_handle_resolves(directory: Directory, http: aiohttp.ClientSession, handle: str) -> None:
    """Handles are names of hosts: their case says nothing."""
    async with http.get(f"{directory.url}{RESOLVE}", params={"handle": handle}) as answer:
        assert (answer.status, await answer.json()) == (200, {"did": ALICE})


@pytest.mark.parametrize(
    ("handle", "message"),
    [
        ("nobody.example", "Unable to resolve handle"),
        ("nobody", "Error: handle must be a valid handle"),
        ("", "Error: handle must be a valid handle"),
    ],
)
async def test_a_handle_that_does_not_resolve(
    directory: Directory, http: aiohttp.ClientSession, handle: str, message: str
) -> None:
    """The answer is a 400 whether nobody has it or nobody could."""
    async with http.get(f"{directory.url}{RESOLVE}", params={"handle": handle}) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "InvalidRequest", "message": message})
