"""Strangers send us to public addresses, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from router.egress import Egress, EgressRefused, GuardedResolver
from router.http import open_outside
from router.testing import Peer

PRIVATE = (
    *(
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "192.0.0.8",
    ),
    *(
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
    ),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "fe80::1%eth0",
    ),
    "nonsense",
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parity(73)
def test_what_is_not_public_is_refused(address: str) -> None:
    """In every disguise that an IPv4 address has in IPv6."""
    assert Egress().refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_called(address: str) -> None:
    assert Egress().refusal(address) == ""


def test_an_operator_may_allow_networks() -> None:
    """And nothing else by it."""
    egress = Egress(["10.1.0.0/16", "::1/128"])
    assert egress.refusal("10.1.2.3") == egress.refusal("::1") == ""
    assert egress.refusal("10.2.0.1")


class Names(AbstractResolver):
    """A name that leads to both worlds, as one does that is being rebound."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [
            {"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}
            for address in host.split("_")
        ]

    async def close(self) -> None: ...


async def test_of_a_name_only_public_addresses_are_connected() -> None:
    """What is checked is what is connected, so that the name cannot lead elsewhere a moment later."""
    guarded = GuardedResolver(Egress(), Names())
    assert [one["host"] for one in await guarded.resolve("8.8.8.8_127.0.0.1")] == ["8.8.8.8"]
    with pytest.raises(EgressRefused):
        await guarded.resolve("10.0.0.1_127.0.0.1")


async def test_an_address_in_the_url_is_checked_too() -> None:
    """It never comes to a resolver."""
    async with Peer() as peer:
        async with open_outside(Egress()) as session:
            with pytest.raises(EgressRefused):
                await session.get(peer.url)
        async with open_outside(Egress(["127.0.0.0/8"])) as session, session.get(peer.url) as response:
            assert response.status == 204
        assert len(peer.requests) == 1
