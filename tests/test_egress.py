"""Strangers send us to public addresses, and nowhere else."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from router.core import identity
from router.core.members import canonical_host
from router.egress import Egress, EgressRefused, NotPublic
from router.http import RedirectRefused, open_outside, open_session
from router.testing import Peer, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        "ff0e::1",
        "fec0::1",
        "100::1",
    ),
    *(
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b::e000:1",
        "::ffff:224.0.0.1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:20::1",
        "3fff::1",
        "5f00::1",
        "192.88.99.1",
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
@pytest.mark.threat("S-07")
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
    """Names that lead where a test says, to one place after the other, as one does that is being rebound."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in found
        ]

    async def close(self) -> None: ...


class NoSockets(Egress):
    """Makes none: whatever is let through is told, and no packet leaves this machine."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        super().__init__(allow)
        self.connected: list[str] = []

    def socket(self, found: tuple[Any, ...]) -> socket.socket:
        if why := self.refusal(str(found[4][0]), found[4][1]):
            raise NotPublic(why)
        self.connected.append(found[4][0])
        raise ConnectionRefusedError(111, "nobody is there")


def outside(egress: Egress, names: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """The session for strangers, with names of our own."""
    session = open_outside(egress)
    assert isinstance(session.connector, aiohttp.TCPConnector)
    if names is not None:
        session.connector._resolver = names
    return session


@pytest.mark.threat("S-07")
@pytest.mark.parametrize("address", PRIVATE[:-1])
@pytest.mark.parametrize("way", ["name", "literal", "websocket"])
async def test_no_way_leads_inside(address: str, way: str) -> None:
    """Named by a resolver, or standing in the URL itself, which no resolver is asked about: no socket is made."""
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    async with outside(NoSockets(), Names([address])) as session:
        call = session.ws_connect if way == "websocket" else session.get
        with pytest.raises(EgressRefused):
            await call("https://name.example/" if way == "name" else f"https://{host}/")


@pytest.mark.threat("S-07")
@pytest.mark.parametrize("number", ["127.1", "2130706433", "0x7f000001", "017700000001"])
async def test_spellings_of_loopback(number: str) -> None:
    """The system's resolver takes them for addresses: what they come to is what is checked."""
    async with Peer() as peer, outside(Egress()) as session:
        port = peer.url.rpartition(":")[2]
        with pytest.raises((EgressRefused, aiohttp.ClientError)):
            await session.get(f"http://{number}:{port}/")
        assert peer.requests == []


@pytest.mark.threat("S-07")
async def test_of_a_name_only_public_addresses_are_connected() -> None:
    """A name may have both; and it may lead elsewhere a moment after it was looked at."""
    egress = NoSockets()
    async with outside(egress, Names(["127.0.0.1", "1.1.1.1", "::1"])) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("https://name.example/")
    assert set(egress.connected) == {"1.1.1.1"}
    egress = NoSockets()
    async with outside(egress, Names(["1.1.1.1"], ["169.254.169.254"])) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("https://one.example/")
        with pytest.raises(EgressRefused):
            await session.get("https://two.example/")
    assert set(egress.connected) == {"1.1.1.1"}


@pytest.mark.threat("S-07")
async def test_a_guard_in_the_resolver_would_not_do() -> None:
    """The control of these tests: with a resolver that lets only public addresses through, a literal reaches us."""
    async with Peer() as peer, aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Names([]))) as session:
        async with session.get(peer.url) as response:
            assert response.status == 204
        assert len(peer.requests) == 1


@pytest.mark.threat("S-07")
@pytest.mark.parametrize("port", [22, 25, 53, 111, 465])
async def test_other_protocols_are_not_spoken_to(port: int) -> None:
    async with outside(NoSockets()) as session:
        with pytest.raises(EgressRefused, match="no web server"):
            await session.get(f"https://1.1.1.1:{port}/")


@pytest.mark.threat("S-07")
async def test_what_an_operator_allows_is_called() -> None:
    """And it is the operator's networks that open the way, not the test."""
    async with Peer() as peer:
        async with open_outside(Egress()) as session:
            with pytest.raises(EgressRefused, match=r"egress\.allow"):
                await session.get(peer.url)
        async with open_outside(Egress(["127.0.0.0/8"])) as session, session.get(peer.url) as response:
            assert response.status == 204
        assert len(peer.requests) == 1


@pytest.mark.threat("S-07")
async def test_a_redirect_is_not_followed() -> None:
    """Not even by a request that forgot to say so."""
    async with Peer() as inner, Peer() as peer, open_outside(Egress(["127.0.0.0/8"])) as session:
        peer.replies.append(Reply(302, headers={"Location": inner.url}))
        with pytest.raises(RedirectRefused):
            await session.get(peer.url)
        assert inner.requests == []


@pytest.mark.threat("S-07")
async def test_no_proxy_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect for us, beyond any guard."""
    async with Peer() as proxy, Peer() as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for session in (open_outside(Egress(["127.0.0.0/8"])), open_session()):
            async with session, session.get(peer.url) as response:
                assert response.status == 204
                assert session.trust_env is False
        assert proxy.requests == []


@pytest.mark.threat("S-07")
def test_sessions_are_opened_in_one_place() -> None:
    """Whoever opens one elsewhere has no guard: only the command line does, for the socket of the running router."""
    root = Path(__file__).parent.parent
    found = {
        str(path.relative_to(root))
        for folder in ("router", "providers")
        for path in (root / folder).rglob("*.py")
        if re.search(r"\bClientSession[()]|urlopen|import requests|httpx", path.read_text(encoding="utf-8"))
    }
    found -= {name for name in found if name.startswith("router/demo/")}
    for name in sorted(found - {"router/http.py"}):
        assert name.startswith("router/cli/")
        text = "".join((root / name).read_text(encoding="utf-8").split())
        assert text.count("ClientSession(") == text.count("ClientSession(connector=aiohttp.UnixConnector(")
    assert "router/http.py" in found


@pytest.mark.threat("S-07")
@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "a..b", "-a", "a-", "a b", "a/b", "a@b", "a?b", "a#b", "[::1]", "::1", "a:99999", "a:", "a:1:2", "a\r\nb"),
        *("x" * 64, ".".join(["x" * 63] * 4) + ".x", "ä.example", "a%41", "a\\b", "a\0b"),
    ],
)
def test_hosts_have_a_grammar(host: str) -> None:
    """What a record calls a knot is a host with at most a port, and nothing else that an URL could have."""
    assert identity.HOST.fullmatch(host) is None
    assert canonical_host(f"https://{host}") is None


@pytest.mark.parametrize("host", ["knot.example.com", "knot1.tangled.sh:443", "localhost:5555", "1.1.1.1", "x" * 63, "a-b.c"])
def test_hosts(host: str) -> None:
    assert canonical_host(f"https://{host}/") == host
