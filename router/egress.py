"""Where strangers may send us. The address that is being connected is what is checked, by whatever name it was found: a name
that is rebound, a number in a URL and an address in disguise all come to the same place, the making of the socket."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Global unicast: of all other IPv6 nothing is anybody's server, though `ipaddress` calls much of it global.
_UNICAST = ipaddress.ip_network("2000::/3")
#: Not global, though `ipaddress` of some versions of Python says otherwise. 6to4 and Teredo have an IPv4 address in them.
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "240.0.0.0/4",
            "2002::/16",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
        ),
    )
)
#: HTTP's own, and those that are no other protocol's by convention: a stranger must not have us speak to a mail server.
_PORTS, _FREE = (80, 443), 1024


class EgressRefused(RouterError):
    """A stranger named an address that is not public."""


class NotPublic(OSError):
    """The same of one address, in the words of those who connect: they may try the next one."""


class Egress:
    """What may be called: public addresses, and those of the networks that the operator allows."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in allow)

    def refusal(self, text: str, port: int = 443) -> str:
        """Why this IP address is not called; empty where it may be."""
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return f"{text!a} is no IP address"
        if any(address in network for network in self.allow if network.version == address.version):
            return ""
        inner = _inner(address)
        if inner is not None:
            return self.refusal(str(inner), port)
        if not _is_public(address):
            return f"{address} is no public address; `egress.allow` in router.yaml lists those that may be called all the same"
        if port not in _PORTS and port < _FREE:
            return f"port {port} of {address} is no web server's"
        return ""

    def socket(self, found: tuple[Any, ...]) -> socket.socket:
        """The socket for one result of getaddrinfo, as connectors of aiohttp take it. Raises NotPublic."""
        family, kind, protocol, _, place = found
        if why := self.refusal(str(place[0]), place[1]):
            raise NotPublic(why)
        return socket.socket(family, kind, protocol)


def _is_public(address: Address) -> bool:
    if any(address in network for network in _RESERVED if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
