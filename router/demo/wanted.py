"""What a subscriber of a Jetstream wants to hear: parsing it, and applying it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from router.demo.wire import DID, NSID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import MultiMapping

    from router.core.model import Tree

MAX_COLLECTIONS = 100
MAX_DIDS = 10_000


class NotWanted(ValueError):
    """The wish cannot be granted; the message is a sentence for the other side."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Empty sets want everything; `max_size` is in bytes, 0 for no limit."""

    collections: frozenset[str] = frozenset()
    dids: frozenset[str] = frozenset()
    max_size: int = 0

    @classmethod
    def of_query(cls, query: MultiMapping[str]) -> Self:
        """Raises NotWanted. A size that is no number means no limit, as it does there."""
        size = query.get("maxMessageSizeBytes", "")
        limit = int(size) if size.isascii() and size.isdigit() and len(size) < 10 else 0
        return cls._checked(query.getall("wantedCollections", []), query.getall("wantedDids", []), limit)

    @classmethod
    def of_payload(cls, payload: Tree) -> Self:
        """Raises NotWanted."""
        if not isinstance(payload, dict):
            raise NotWanted("payload must be an object")
        collections, dids = payload.get("wantedCollections") or [], payload.get("wantedDids") or []
        size = payload.get("maxMessageSizeBytes") or 0
        if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in (collections, dids)):
            raise NotWanted("wantedCollections and wantedDids must be lists of strings")
        if not isinstance(size, int) or isinstance(size, bool):
            raise NotWanted("maxMessageSizeBytes must be an integer")
        return cls._checked(collections, dids, max(size, 0))

    @classmethod
    def _checked(cls, collections: Iterable[str], dids: Iterable[str], max_size: int) -> Self:
        wanted = cls(frozenset(collections), frozenset(dids), max_size)
        if len(wanted.collections) > MAX_COLLECTIONS:
            raise NotWanted(f"at most {MAX_COLLECTIONS} wantedCollections")
        if len(wanted.dids) > MAX_DIDS:
            raise NotWanted(f"at most {MAX_DIDS} wantedDids")
        for collection in wanted.collections:
            # The head of a prefix is not checked there either.
            if not collection.endswith(".*") and not NSID.fullmatch(collection):
                raise NotWanted(f"invalid collection: {collection!a}")
        for did in wanted.dids:
            if not DID.fullmatch(did) or len(did) > 2048:
                raise NotWanted(f"invalid did: {did!a}")
        return wanted

    def takes(self, event: Mapping[str, Tree], size: int) -> bool:
        """Identity and account events pass whatever the collections are; accounts and sizes are always looked at."""
        if (self.dids and event["did"] not in self.dids) or (self.max_size and size > self.max_size):
            return False
        if event["kind"] != "commit" or not self.collections:
            return True
        collection = event["commit"]["collection"]
        return any(
            collection.startswith(wanted[:-1]) if wanted.endswith(".*") else collection == wanted for wanted in self.collections
        )
