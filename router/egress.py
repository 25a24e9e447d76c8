"""Where strangers may send us. The address that is being connected is what is checked, so rebinding a name does not help."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver
from aiohttp.resolver import DefaultResolver

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.abc import ResolveResult

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Not global, though `ipaddress` of some versions of Python says otherwise.
_RESERVED = tuple(
    map(ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2002::/16", "2001::/23"))
)


class EgressRefused(RouterError):
    """A stranger named an address that is not public."""


class Egress:
    """What may be called: public addresses, and those of the networks that the operator allows."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in allow)

    def refusal(self, text: str) -> str:
        """Why this IP address is not called; empty where it may be."""
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return f"{text!a} is no IP address"
        if any(address in network for network in self.allow if network.version == address.version):
            return ""
        inner = _inner(address)
        if inner is not None:
            return self.refusal(str(inner))
        if (
            not address.is_global
            or address.is_multicast
            or any(address in net for net in _RESERVED if net.version == address.version)
        ):
            return f"{address} is no public address; `egress.allow` in router.yaml lists those that may be called all the same"
        return ""


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


class GuardedResolver(AbstractResolver):
    """Resolves names to the addresses that may be called. Literal addresses come through here too, because the connector of
    `open_outside` asks for them as it does for names."""

    def __init__(self, egress: Egress, resolver: AbstractResolver | None = None) -> None:
        self.egress = egress
        self.resolver = resolver or DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        found = await self.resolver.resolve(host, port, family)
        refusals = {one["host"]: self.egress.refusal(one["host"]) for one in found}
        allowed = [one for one in found if not refusals[one["host"]]]
        if not allowed:
            raise EgressRefused(f"{host!a} is not called: {next(iter(refusals.values()), 'it has no address')}.")
        return allowed

    async def close(self) -> None:
        await self.resolver.close()
