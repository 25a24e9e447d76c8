"""Where an index files rules by the keys of one field, and what an event finds there (see `ways` for the keys).

A place on a shelf is the number of one rule, a tuple of numbers, or a further index over those that are filed there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, TypeAlias

from router.core.jsonpath import plain_parts
from router.core.truth import Known, Unevaluable
from router.core.view import SINGLE
from router.core.ways import GRAM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from router.core.index import Node
    from router.core.model import Tree
    from router.core.truth import Identities
    from router.core.view import View
    from router.core.ways import Key

Filed: TypeAlias = "int | tuple[int, ...] | Node"


class People:
    """The handles that rules name, as far as they are known: kept up as `identities` changes."""

    def __init__(self, handles: Collection[str]) -> None:
        self.handles = tuple(handles)
        self.by_did: dict[str, list[str]] = {}
        self.unknown: frozenset[str] = frozenset(self.handles)
        self._seen: tuple[object, object] = (None, None)

    def refresh(self, identities: Identities) -> None:
        """Look again where something changed. A plain mapping is compared, one that counts its changes is asked."""
        revision = identities.revision if isinstance(identities, Known) else [identities.get(one, 0) for one in self.handles]
        if self._seen[0] is identities and self._seen[1] == revision:
            return
        self._seen = identities, revision
        self.unknown = frozenset(handle for handle in self.handles if handle not in identities)
        self.by_did = {}
        for handle in self.handles:
            did = identities.get(handle)
            if did is not None:
                self.by_did.setdefault(did, []).append(handle)


def take(filed: Filed, view: View, people: People, out: list[int]) -> None:
    """Put the rules of one place into `out`."""
    kind = type(filed)
    if kind is int:
        out.append(filed)  # type: ignore[arg-type]
    elif kind is tuple:
        out.extend(filed)  # type: ignore[arg-type]
    else:
        filed.gather(view, people, out)  # type: ignore[union-attr]


class Shelf:
    """One field's rules. `affixes` are (whether it is a beginning, length, places by text)."""

    __slots__ = ("absent", "affixes", "exact", "exact_only", "field", "grams", "handles", "present", "ranges", "stem")

    def __init__(self, field: str, filed: Mapping[Key, Filed]) -> None:
        self.field = field
        self.exact = {key.value: place for key, place in filed.items() if key.kind == "="}
        self.handles = {key.value: place for key, place in filed.items() if key.kind == "@"}
        self.grams = {key.value: place for key, place in filed.items() if key.kind == "~"}
        self.present = next((place for key, place in filed.items() if key.kind == "?"), None)
        self.absent = next((place for key, place in filed.items() if key.kind == "!"), None)
        affixes: dict[tuple[bool, int], dict[str, Filed]] = {}
        for key, place in filed.items():
            if key.kind in "^$":
                affixes.setdefault((key.kind == "^", len(key.value)), {})[key.value] = place
        self.affixes = tuple((*which, places) for which, places in sorted(affixes.items()))
        bounds = {key.value: place for key, place in filed.items() if key.kind == "#"}
        self.ranges = Ranges(bounds) if bounds else None
        self.exact_only = not (self.affixes or self.grams or self.handles or self.ranges)
        #: How every text begins that leads to anything but what is exact.
        self.stem = ""
        if not (self.grams or self.handles or self.ranges) and all(beginning for beginning, _ in affixes):
            self.stem = _common([key.value for key in filed if key.kind == "^"])

    def gather(self, view: View, people: People, out: list[int]) -> None:
        """The rules that the event's values lead to."""
        try:
            values = view.values(self.field)
        except Unevaluable:
            # None of them is certainly false.
            for place in self._everything():
                take(place, view, people, out)
            return
        if not values:
            if self.absent is not None:
                take(self.absent, view, people, out)
            return
        if self.present is not None:
            take(self.present, view, people, out)
        for value in values:
            if isinstance(value, list):
                for single in value:
                    self._single(single, view, people, out)
            else:
                self._single(value, view, people, out)

    def _single(self, value: Tree, view: View, people: People, out: list[int]) -> None:
        if isinstance(value, str):
            self._text(value, view, people, out)
        else:
            # What is neither a text nor a number has no hash, or is no key: only what compares numbers minds it.
            if self.ranges is not None:
                for found in self.ranges.of(value):
                    take(found, view, people, out)
            place = self.exact.get(value) if value is None or isinstance(value, (int, float)) else None
            if place is not None:
                take(place, view, people, out)

    def _text(self, value: str, view: View, people: People, out: list[int]) -> None:
        place = self.exact.get(value)
        if place is not None:
            take(place, view, people, out)
        if not self.exact_only and value.startswith(self.stem):
            self._parts(value, view, people, out)

    def _parts(self, value: str, view: View, people: People, out: list[int]) -> None:
        if self.affixes:
            for beginning, length, places in self.affixes:
                place = places.get(value[:length] if beginning else value[-length:])
                if place is not None:
                    take(place, view, people, out)
        if self.grams:
            for gram in {value[at : at + GRAM] for at in range(len(value) - GRAM + 1)}:
                place = self.grams.get(gram)
                if place is not None:
                    take(place, view, people, out)
        if self.handles:
            for place in self._owned(value, people):
                take(place, view, people, out)
        if self.ranges is not None:
            for place in self.ranges.of(value):
                take(place, view, people, out)

    def _owned(self, did: str, people: People) -> Iterator[Filed]:
        """By handles that are this account's, and by those of which nobody knows yet whose they are."""
        for handle in people.by_did.get(did, ()):
            if handle in self.handles:
                yield self.handles[handle]
        yield from (self.handles[handle] for handle in self.handles.keys() & people.unknown)

    def _everything(self) -> Iterator[Filed]:
        yield from self.exact.values()
        yield from self.handles.values()
        yield from self.grams.values()
        yield from (place for place in (self.present, self.absent) if place is not None)
        for _, _, places in self.affixes:
            yield from places.values()
        if self.ranges is not None:
            yield from self.ranges.all


class SingleShelf(Shelf):
    """The shelf of a named field with one value: most are, and looking it up by itself takes half the time."""

    __slots__ = ()

    def gather(self, view: View, people: People, out: list[int]) -> None:
        value = view.event.fields.get(self.field)
        if type(value) is not str or self.present is not None:
            super().gather(view, people, out)
            return
        place = self.exact.get(value)
        if place is not None:
            if type(place) is int:
                out.append(place)
            else:
                take(place, view, people, out)
        if not self.exact_only and value.startswith(self.stem):
            self._parts(value, view, people, out)


class MemberShelf(Shelf):
    """The shelf of a member of the record (`$.title`), which mostly is a text."""

    __slots__ = ("_member",)

    def __init__(self, field: str, filed: Mapping[Key, Filed], member: str) -> None:
        super().__init__(field, filed)
        self._member = member

    def gather(self, view: View, people: People, out: list[int]) -> None:
        value = view.event.record.get(self._member)
        if type(value) is str and self.present is None:
            self._text(value, view, people, out)
        else:
            super().gather(view, people, out)


class KnotShelf(Shelf):
    """Hosts are compared without case, by what names a host, and with it by other operators."""

    __slots__ = ()

    def _text(self, value: str, view: View, people: People, out: list[int]) -> None:
        super()._text(value, view, people, out)
        if not value.islower():
            super()._text(value.lower(), view, people, out)


class RepoShelf(Shelf):
    """Repos are asked for by their own DID, or by owner and name. `owned` has them by owner (@ before a handle) and then name.

    Of a repo whose owner or name is not known, everything is found that may turn out to be asked for.
    """

    __slots__ = ("_plain", "named", "owned")

    def __init__(self, field: str, filed: Mapping[Key, Filed]) -> None:
        super().__init__(field, filed)
        self.owned: dict[str, dict[str | None, Filed]] = {}
        #: The handles under which there is a name, None for those with a glob.
        self.named: dict[str | None, set[str]] = {}
        for key, place in filed.items():
            if key.kind == "o":
                did, handle, name = key.value
                self.owned.setdefault(did or f"@{handle}", {})[name] = place
                if handle:
                    self.named.setdefault(name, set()).add(handle)
        #: Whether nothing is asked of a repo but its DID, or its owner's.
        self._plain = self.exact_only and self.present is None and not self.named

    def gather(self, view: View, people: People, out: list[int]) -> None:
        value = view.event.fields.get("repo")
        if not self._plain or type(value) is not dict or (owner := value.get("owner")) is None:
            super().gather(view, people, out)
            return
        place = self.exact.get(value.get("did"))
        if place is not None:
            if type(place) is int:
                out.append(place)
            else:
                take(place, view, people, out)
        named = self.owned.get(owner)
        if named is not None:
            for place in _of_name(named, value.get("name")):
                take(place, view, people, out)

    def _single(self, value: Tree, view: View, people: People, out: list[int]) -> None:
        if not isinstance(value, dict):
            return
        if not self.exact_only:
            self._text(value.get("did") or "", view, people, out)
        elif (found := self.exact.get(value.get("did"))) is not None:
            take(found, view, people, out)
        owned = self.owned
        if owned:
            owner = value.get("owner")
            if owner in owned or owner is None or people.handles:
                for place in self._repos(owner, value.get("name"), people):
                    take(place, view, people, out)

    def _repos(self, owner: str | None, name: str | None, people: People) -> Iterator[Filed]:
        if owner is None:
            for named in self.owned.values():
                yield from _of_name(named, name)
            return
        if owner in self.owned:
            yield from _of_name(self.owned[owner], name)
        for handle in people.by_did.get(owner, ()):
            yield from _of_name(self.owned.get(f"@{handle}", {}), name)
        if people.unknown:
            handles = self.named.get(name, set()) | self.named.get(None, set()) if name is not None else people.unknown
            for handle in handles & people.unknown:
                yield from _of_name(self.owned.get(f"@{handle}", {}), name)

    def _everything(self) -> Iterator[Filed]:
        yield from super()._everything()
        for named in self.owned.values():
            yield from named.values()


def _of_name(named: Mapping[str | None, Filed], name: str | None) -> Iterable[Filed]:
    if name is None:
        return named.values()
    return [named[key] for key in (name, None) if key in named]


class Ranges:
    """Places by bounds of numbers. What has one bound is sorted by it; a value finds those on its side of it.

    Only numbers can be compared: any other value finds all of them.
    """

    __slots__ = ("all", "highs", "lows", "of_highs", "of_lows")

    def __init__(self, bounds: Mapping[tuple[float, float], Filed]) -> None:
        self.all = tuple(bounds.values())
        above = sorted((key for key in bounds if key[0] != float("-inf")), key=lambda key: key[0])
        below = sorted((key for key in bounds if key[0] == float("-inf")), key=lambda key: key[1])
        self.lows, self.of_lows = [key[0] for key in above], [bounds[key] for key in above]
        self.highs, self.of_highs = [key[1] for key in below], [bounds[key] for key in below]

    def of(self, value: Tree) -> Iterator[Filed]:
        """The places whose bounds may hold for a value."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield from self.all
            return
        yield from self.of_lows[: bisect_right(self.lows, value)]
        yield from self.of_highs[bisect_left(self.highs, value) :]


def shelf(field: str, filed: Mapping[Key, Filed]) -> Shelf:
    """The shelf of a field."""
    if field in SINGLE:
        return {"repo": RepoShelf, "knot": KnotShelf}.get(field, SingleShelf)(field, filed)
    parts = plain_parts(field) if field.startswith("$") else None
    if parts is not None and len(parts) == 1 and isinstance(parts[0], str):
        return MemberShelf(field, filed, parts[0])
    return Shelf(field, filed)


def _common(texts: Sequence[str]) -> str:
    """What all of them begin with: of sorted texts the first and the last differ the earliest."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    return next(
        (first[:at] for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), min(first, last)
    )
