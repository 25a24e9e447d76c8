"""What a condition asks of values. Operators are data first, to be explained and analysed, and checks second.

An operator looks at all values that a field has in an event (none where the field is absent, several for `paths` or a JSONPath)
and holds if any of them will do; a list among the values stands for its items. Types are strict: "3" is not 3, true is not 1.

A comparison that makes no sense (a number with text) raises Unevaluable; see `truth` for what becomes of it.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import globs, regex
from router.core.truth import Identities, Operator, Unevaluable, attempt, settle
from router.core.values import instant, same, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Tree


class Leaf(Struct, frozen=True, gc=False):
    """An operator on single values: holds if it does for any."""

    def check(self, value: Tree) -> bool:
        """Whether it holds for one value. Raises Unevaluable."""
        raise NotImplementedError

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        doubt: Unevaluable | None = None
        for value in values:
            for single in value if isinstance(value, list) else (value,):
                try:
                    if self.check(single):
                        return True
                except Unevaluable as found:
                    doubt = found
        if doubt is not None:
            raise doubt
        return False


class Equals(Leaf, frozen=True):
    value: Tree

    def check(self, value: Tree) -> bool:
        return same(self.value, value)

    def __str__(self) -> str:
        return show(self.value)


class OneOf(Leaf, frozen=True):
    """A long list of exact texts (`{in: vars.name}`), by hash."""

    name: str
    texts: frozenset[str]

    def check(self, value: Tree) -> bool:
        return isinstance(value, str) and value in self.texts

    def __str__(self) -> str:
        return f"in {self.name}"


class Glob(Leaf, frozen=True):
    glob: str
    separator: str = "/"

    def check(self, value: Tree) -> bool:
        return isinstance(value, str) and globs.predicate(self.glob, self.separator)(value)

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        # Of the many paths of a push.
        fits = globs.predicate(self.glob, self.separator)
        for value in values:
            for single in value if isinstance(value, list) else (value,):
                if isinstance(single, str) and fits(single):
                    return True
        return False

    def __str__(self) -> str:
        return show(self.glob)


class GlobList(Leaf, frozen=True):
    """Globs of which some negate, as GitHub reads them: the last that matches a value decides."""

    parts: tuple[tuple[bool, Leaf], ...]

    def check(self, value: Tree) -> bool:
        for positive, part in reversed(self.parts):
            if part.check(value):
                return positive
        return False

    def __str__(self) -> str:
        return "[" + ", ".join(str(part) if positive else f"not {part}" for positive, part in self.parts) + "]"


class Affix(Leaf, frozen=True):
    """`prefix`, `suffix` or `contains`."""

    kind: str
    text: str

    def check(self, value: Tree) -> bool:
        if not isinstance(value, str):
            return False
        if self.kind == "prefix":
            return value.startswith(self.text)
        return value.endswith(self.text) if self.kind == "suffix" else self.text in value

    def __str__(self) -> str:
        return f"{self.kind} {show(self.text)}"


class Regex(Leaf, frozen=True):
    pattern: str

    def check(self, value: Tree) -> bool:
        return isinstance(value, str) and regex.found(self.pattern, value)

    def __str__(self) -> str:
        return f"regex {show(self.pattern)}"


class EqualsIgnoreCase(Leaf, frozen=True):
    folded: str

    def check(self, value: Tree) -> bool:
        return isinstance(value, str) and value.casefold() == self.folded

    def __str__(self) -> str:
        return f"equals_ignore_case {show(self.folded)}"


class Range(Leaf, frozen=True):
    """Numbers between bounds: ((operator, bound), ...)."""

    bounds: tuple[tuple[str, float], ...]

    def check(self, value: Tree) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Unevaluable(f"{show(value)} is not a number, so it cannot be compared with {self}")
        return all(_within(value, operator, bound) for operator, bound in self.bounds)

    def __str__(self) -> str:
        return " and ".join(f"{operator} {bound}" for operator, bound in self.bounds)


def _within(value: float, operator: str, bound: float) -> bool:
    if operator == "gt":
        return value > bound
    if operator == "gte":
        return value >= bound
    return value < bound if operator == "lt" else value <= bound


class Cidr(Leaf, frozen=True):
    network: str

    def check(self, value: Tree) -> bool:
        try:
            # A whole number would be an address, too.
            address = ipaddress.ip_address(value if isinstance(value, str) else "")
        except ValueError:
            raise Unevaluable(f"{show(value)} is not an IP address") from None
        network = ipaddress.ip_network(self.network, strict=False)
        return address.version == network.version and address in network

    def __str__(self) -> str:
        return f"cidr {self.network}"


class When(Leaf, frozen=True):
    """Times: `before` and `after` (RFC 3339), each exclusive."""

    before: datetime | None
    after: datetime | None

    def check(self, value: Tree) -> bool:
        moment = instant(value)
        if moment is None:
            raise Unevaluable(f"{show(value)} is not a time in RFC 3339")
        return (self.before is None or moment < self.before) and (self.after is None or moment > self.after)

    def __str__(self) -> str:
        bounds = (("after", self.after), ("before", self.before))
        return " and ".join(f"{word} {bound.isoformat()}" for word, bound in bounds if bound)


class Exists(Struct, frozen=True, gc=False):
    wanted: bool

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        return bool(values) is self.wanted

    def __str__(self) -> str:
        return "exists" if self.wanted else "absent"


class Not(Struct, frozen=True, gc=False):
    """Plain negation: holds where the field is absent, too."""

    operator: Operator

    def check(self, value: Tree) -> bool:
        """Whether it holds for one value, where `operator` is a Leaf."""
        return not self.operator.check(value)  # type: ignore[attr-defined]

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        return not self.operator.holds(values, identities)

    def __str__(self) -> str:
        return f"not {self.operator}"


class AnyOf(Struct, frozen=True, gc=False):
    operators: tuple[Operator, ...]

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        return settle((attempt(operator, values, identities) for operator in self.operators), wanted=True)

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.operators)) + "]"


class Both(Struct, frozen=True, gc=False):
    """Every operator (`paths: {any: …, none: …}`)."""

    operators: tuple[Operator, ...]

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        return settle((attempt(operator, values, identities) for operator in self.operators), wanted=False)

    def __str__(self) -> str:
        return " and ".join(map(str, self.operators))


class Every(Struct, frozen=True, gc=False):
    """All values, and at least one (`paths: {every: …}`)."""

    operator: Operator

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        if not values:
            return False
        return settle((attempt(self.operator, (value,), identities) for value in values), wanted=False)

    def __str__(self) -> str:
        return f"every {self.operator}"
