"""What knots said of their repos, as much of it as is worth remembering: knots choose how many there are."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.model import Micros, Tree

#: Repos in all, and of one knot: none can make us forget what others said.
MOST, OF_ONE_KNOT = 10_000, 1_000


class Described:
    """Repos by knot and DID; those that were told the longest ago are forgotten first."""

    def __init__(self) -> None:
        self._knots: OrderedDict[str, OrderedDict[str, tuple[Micros, Tree]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, knot: str, did: str) -> tuple[Micros, Tree]:
        """When it was described, and how; never and None where it was not."""
        repos = self._knots.get(knot)
        return (0, None) if repos is None else repos.get(did, (0, None))

    def put(self, knot: str, did: str, at: Micros, named: Tree) -> Iterator[str]:
        """Remember it. Yields the keys of those that have to go for it."""
        repos = self._knots.setdefault(knot, OrderedDict())
        self._count += did not in repos
        repos[did] = at, named
        repos.move_to_end(did)
        self._knots.move_to_end(knot)
        if len(repos) > OF_ONE_KNOT:
            yield self._drop(knot)
        while self._count > MOST:
            yield self._drop(next(iter(self._knots)))

    def _drop(self, knot: str) -> str:
        repos = self._knots[knot]
        did, _ = repos.popitem(last=False)
        self._count -= 1
        if not repos:
            del self._knots[knot]
        return key(knot, did)


def key(knot: str, did: str) -> str:
    """How the store calls it: neither has a space."""
    return f"{knot} {did}"
