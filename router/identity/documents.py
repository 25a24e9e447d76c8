"""DID documents, from the PLC directory or from the host that a did:web names, remembered for a while."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from router.core.errors import RouterError
from router.core.identity import HOST
from router.identity.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Micros, Tree
    from router.host import Host
    from router.identity.keys import Key

#: Microseconds for which a document, and the word that there is none, are believed.
FRESH, FRESH_NONE = 3_600_000_000, 60_000_000
REMEMBERED = 10_000
LIMIT = 65_536
TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
_PLC = re.compile(r"did:plc:[a-z2-7]{24}")
_WEB = re.compile(r"did:web:([a-zA-Z0-9.-]{1,253})(?:%3[aA]([0-9]{1,5}))?")


class Unresolved(RouterError):
    """It cannot be told now who a DID is."""


class NoIdentity(RouterError):
    """There is nobody of this DID."""


@dataclass(frozen=True, slots=True)
class Document:
    """`services` are (type, endpoint) by id without `#`; `key` is the account's signing key (`#atproto`)."""

    did: str
    handle: str = ""
    key: Key | None = None
    services: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def pds(self) -> str:
        """The account's server, as scheme and host; empty where it has none, or names what is no such address."""
        url = self.services.get("atproto_pds", ("", ""))[1]
        scheme, _, place = url.partition("://")
        return url if scheme in ("https", "http") and HOST.fullmatch(place.lower()) else ""

    @property
    def knots(self) -> tuple[str, ...]:
        """The servers that a repo's document names as its knot, in any of the forms that were ever written."""
        return tuple(url for name, (kind, url) in self.services.items() if "knot" in (name + kind).lower())


class Documents:
    """`plc` is the operator's own choice of a directory; the hosts of did:web are strangers'."""

    def __init__(self, host: Host, plc: str, *, dev: bool = False) -> None:
        self.host = host
        self.plc = plc.rstrip("/")
        self.dev = dev
        self._known: OrderedDict[str, tuple[Micros, Document | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Document | None]] = {}

    async def document(self, did: str, *, fresh: bool = False) -> Document:
        """Raises NoIdentity and Unresolved. `fresh` asks again, whatever is remembered."""
        at, known = self._known.get(did, (0, None))
        if fresh or at + (FRESH if known else FRESH_NONE) < self.host.clock.now():
            known = await self._asked(did)
        if known is None:
            raise NoIdentity(f"There is nobody called {did!a}.")
        return known

    async def _asked(self, did: str) -> Document | None:
        """One question for all who want to know at the same time."""
        task = self._asking.get(did)
        if task is None:
            task = self._asking[did] = asyncio.create_task(self._ask(did))
            task.add_done_callback(lambda _task: self._asking.pop(did, None))
        found = await asyncio.shield(task)
        self._known[did] = self.host.clock.now(), found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, did: str) -> Document | None:
        web = _WEB.fullmatch(did)
        place = web[1] + (f":{web[2]}" if web[2] else "") if web is not None else ""
        if web is not None and HOST.fullmatch(place.lower()) is None:
            return None
        if web is not None:
            url, session = f"{'http' if self.dev else 'https'}://{place}/.well-known/did.json", self.host.outside
        elif _PLC.fullmatch(did):
            url, session = f"{self.plc}/{did}", self.host.http
        else:
            return None
        try:
            async with session.get(url, timeout=TIMEOUT, allow_redirects=False) as response:
                body = await response.content.read(LIMIT + 1)
                if response.status in (404, 410):
                    return None
                if response.status != 200 or len(body) > LIMIT:
                    raise Unresolved(f"{did} cannot be resolved now: {url} answered {response.status}.")
                tree = json.loads(body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            raise Unresolved(f"{did} cannot be resolved now: {type(error).__name__}.") from None
        return _document(did, tree)


def _document(did: str, tree: Tree) -> Document | None:
    if not isinstance(tree, dict) or tree.get("id") != did:
        return None
    handles = [one[5:] for one in _list(tree, "alsoKnownAs") if isinstance(one, str) and one.startswith("at://")]
    methods = [one for one in _list(tree, "verificationMethod") if isinstance(one, dict)]
    key = next((key_of(one) for one in methods if str(one.get("id", "")).endswith("#atproto")), None)
    services = {
        str(one.get("id", "")).rpartition("#")[2]: (str(one.get("type", "")), one["serviceEndpoint"].rstrip("/"))
        for one in _list(tree, "service")
        if isinstance(one, dict) and isinstance(one.get("serviceEndpoint"), str)
    }
    return Document(did, handles[0] if handles else "", key, services)


def _list(tree: Mapping[str, Tree], name: str) -> list[Tree]:
    value = tree.get(name)
    return value if isinstance(value, list) else []
