"""Who is who: the DIDs of the handles that rules name, and whose repo a knot's event is about.

Handles are resolved in one direction only, by the resolver that the operator chose: from the handle in a rule to its DID. A
handle that cannot be resolved *now* leaves events undecided, which are kept and planned again; one that the resolver knows not
to exist matches nobody, and is told.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Protocol

from router.core.errors import RouterError
from router.core.identity import DID
from router.core.model import changed
from router.core.truth import Known
from router.engine.described import Described, key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import aiohttp

    from router.core.model import Event, Micros, Tree
    from router.engine.store.base import Store
    from router.host import Host
    from router.observe import Observer

#: Seconds for one look-up, until a known handle is asked again, and until a failed look-up is tried again.
TIMEOUT = 5.0
REFRESH = 3600.0
AGAIN = 30.0
LANES = 8
#: A repo that its knot would not describe is asked about again after this many microseconds.
_FORGET: Micros = 600_000_000
#: What a knot said of a repo is asked again after this many: repos are renamed.
_FRESH: Micros = 3_600_000_000
#: Failures that are kept in memory. Knots choose how many there are.
REMEMBERED = 10_000
#: Characters of a repo's name.
_LONGEST_NAME = 512
_LARGEST_ANSWER = 65536


class Resolves(Protocol):
    """Tells whose a handle is."""

    async def resolve(self, handle: str) -> str | None:
        """None where it is nobody's. Raises RouterError where that cannot be told now."""


class Directory:
    """Known identities: pins, the store, look-ups. `knots` maps a knot's host to its base URL where that is not https."""

    def __init__(self, store: Store, host: Host, observer: Observer, resolver: str, pins: Mapping[str, str]) -> None:
        self.store = store
        self.host = host
        self.observer = observer
        self.resolver = resolver.rstrip("/")
        self.pins = dict(pins)
        #: Asked instead of `resolver`, where there is one.
        self.handles: Resolves | None = None
        self.knots: dict[str, str] = {}
        self.identities = Known(pins)
        self._repos = Described()
        self._failed: dict[tuple[str, str], Micros] = {}

    async def load(self) -> None:
        """What the store remembers from before. Pins win over it."""
        self.identities = Known({**await self.store.facts("handle"), **self.pins})
        gone: dict[str, Tree | None] = {}
        for one, named in (await self.store.facts("repo")).items():
            knot, _, did = one.partition(" ")
            gone |= dict.fromkeys(self._repos.put(knot, did, 0, named))
        await self.store.remember("repo", gone, self.host.clock.now())

    def change(self, resolver: str, pins: Mapping[str, str], handles: Resolves | None) -> None:
        """Ask elsewhere from now on. Who is pinned no more is unknown until asked for."""
        self.resolver, self.handles = resolver.rstrip("/"), handles
        known: dict[str, str | None] = {handle: did for handle, did in self.identities.items() if handle not in self.pins}
        self.pins = dict(pins)
        self.identities = Known({**known, **self.pins})

    async def resolve(self, handles: Collection[str]) -> bool:
        """Ask for every handle once, a few at a time; whether each got an answer."""
        lanes = asyncio.Semaphore(LANES)

        async def one(handle: str) -> bool:
            async with lanes:
                return await self._resolve(handle)

        return all(await asyncio.gather(*(one(handle) for handle in sorted(set(handles) - set(self.pins)))))

    async def keep(self, handles: Collection[str], learned: Callable[[], object]) -> None:
        """Keep the handles fresh, for ever: `learned` is called after something new became known."""
        complete = set(handles) <= set(self.identities)
        while set(handles) - set(self.pins):
            await self.host.clock.sleep(REFRESH if complete else AGAIN)
            before = dict(self.identities)
            complete = await self.resolve(handles)
            if self.identities != before:
                learned()

    async def _resolve(self, handle: str) -> bool:
        """Ask for one handle; False where no answer came."""
        if self.handles is not None:
            return await self._resolve_by(self.handles, handle)
        url = f"{self.resolver}/xrpc/com.atproto.identity.resolveHandle"
        try:
            status, answer = await self._get(url, {"handle": handle})
        except (OSError, ValueError, RecursionError) as error:
            self.observer.fault(
                "identity", f"The handle {handle} cannot be resolved now: {_reason(error)}. Trying again.", None
            )
            return False
        did = answer.get("did") if isinstance(answer, dict) else None
        if status == 200 and isinstance(did, str) and DID.fullmatch(did):
            await self._learn(handle, did)
            return True
        if status == 400:
            self.observer.fault(
                "identity", f"The handle {handle} does not exist, says {self.resolver}: its rules match nobody."
            )
            await self._learn(handle, None)
            return True
        self.observer.fault("identity", f"The handle {handle} cannot be resolved now: {self.resolver} answered {status}.")
        return False

    async def _resolve_by(self, handles: Resolves, handle: str) -> bool:
        try:
            did = await handles.resolve(handle)
        except RouterError as error:
            self.observer.fault("identity", f"{error} Trying again.", None)
            return False
        if did is None:
            self.observer.fault(
                "identity", f"The handle {handle} is nobody's, say its domain and its DID: its rules match nobody."
            )
        await self._learn(handle, did)
        return True

    async def _learn(self, handle: str, did: str | None) -> None:
        self.identities[handle] = did
        if did is not None:
            await self.store.remember("handle", {handle: did}, self.host.clock.now())

    def lacks(self, event: Event) -> bool:
        """Whether the knot that sent it may tell more of its repo than the event does."""
        if event.kind != "knot":
            return False
        repo = event.fields.get("repo")
        return isinstance(repo, dict) and "did" in repo and not ("name" in repo and "owner" in repo)

    async def complete(self, event: Event) -> Event:
        """The event with its repo's owner and name, where the knot that sent it tells them."""
        if not self.lacks(event):
            return event
        repo = event.fields["repo"]
        knot = str(event.fields.get("knot", ""))
        known = await self._named(knot, repo["did"])
        if known is None or repo.get("owner") not in (None, known["owner"]):
            return event
        fields = {**event.fields, "repo": {**known, **repo}}
        fields.setdefault("owner", known["owner"])
        return changed(event, fields=fields)

    async def _named(self, knot: str, did: str) -> Tree:
        """What is known of a repo: asked for again from time to time, and what was known before where no answer comes."""
        described, known = self._repos.get(knot, did)
        if known is not None and described + _FRESH > self.host.clock.now():
            return known
        return await self._describe(knot, did) or known

    async def _describe(self, knot: str, did: str) -> Tree:
        """Ask the knot that sent an event whose repo it is about; None where it does not say."""
        now = self.host.clock.now()
        if self._failed.get((knot, did), -_FORGET) + _FORGET > now:
            return None
        # A knot that router.yaml does not name was named by a record: it is called as a stranger is.
        base, session = (self.knots[knot], self.host.http) if knot in self.knots else (f"https://{knot}", self.host.outside)
        try:
            status, answer = await self._get(f"{base}/xrpc/sh.tangled.repo.describeRepo", {"repoDid": did}, session)
        except (OSError, ValueError, RecursionError):
            status, answer = 0, None
        named = _described(answer, did) if status == 200 else None
        if named is None:
            if len(self._failed) >= REMEMBERED:
                self._failed.clear()
            self._failed[knot, did] = now
            return None
        gone = dict.fromkeys(self._repos.put(knot, did, now, named))
        await self.store.remember("repo", {**gone, key(knot, did): named}, now)
        return named

    async def _get(self, url: str, params: Mapping[str, str], session: aiohttp.ClientSession | None = None) -> tuple[int, Tree]:
        """Status and JSON. Raises OSError or ValueError where there is no such answer."""
        import aiohttp  # noqa: PLC0415 - only a running router pays for it

        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with (session or self.host.http).get(url, params=params, timeout=timeout, allow_redirects=False) as response:
                body = await _read(response.content)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise OSError(_reason(error)) from None
        return response.status, json.loads(body) if body else None


async def _read(content: aiohttp.StreamReader) -> bytes:
    """All of a body. Raises ValueError for one that is too long."""
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise ValueError(f"its answer is longer than {_LARGEST_ANSWER} bytes")
    return body


def _described(answer: Tree, did: str) -> Tree:
    if not isinstance(answer, dict) or answer.get("repoDid", answer.get("repo")) != did:
        return None
    owner, name = answer.get("ownerDid"), answer.get("rkey")
    if not (isinstance(owner, str) and DID.fullmatch(owner) and isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME):
        return None
    return {"owner": owner, "name": name}


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
