"""Repos, owners, knots and actors in any of their spellings.

A rule may say `@alice.example/hello`, `did:plc:…/hello` or the repo's own DID. A handle is resolved to its DID by whoever owns
its domain, before rules run, and never the other way round: what a stranger's DID document calls itself decides nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import globs
from router.core.truth import Unevaluable
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.core.model import Tree
    from router.core.truth import Identities, Operator

#: AT Protocol's grammars, slightly wider for DIDs (globs are allowed in a rule's).
DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+")
HANDLE = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(
    rf"(?=[^:]{{1,253}}(:|$)){_LABEL}(\.{_LABEL})*(:([0-9]{{1,4}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|65[0-4][0-9]{{2}}|655[0-3][0-9]))?"
)


class IdentityError(ValueError):
    """The text names nobody; the message is a sentence, `hint` says what to write."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class Who(Struct, frozen=True, gc=False):
    """An account: a DID (a glob may be used), or a handle that is resolved when it is compared."""

    handle: str = ""
    did: str = ""

    @classmethod
    def parse(cls, text: str) -> Who:
        if text.startswith("did:") or text in ("*", "**"):
            _check_glob(text)
            return cls(did=text)
        handle = text.removeprefix("@").lower()
        if not globs.is_plain(handle):
            raise IdentityError(f"A handle must be written out, and {show(text)} has a glob in it.", "List the handles.")
        if HANDLE.fullmatch(handle) is None:
            raise IdentityError(f"{show(text)} is neither a handle nor a DID.", "Write `@alice.example` or `did:plc:…`.")
        return cls(handle=handle)

    def matches(self, did: str, identities: Identities) -> bool:
        """Whether this is `did`. Raises Unevaluable while the handle is not known."""
        if self.did:
            return globs.matches(self.did, "", did)
        if self.handle not in identities:
            raise Unevaluable(f"the handle {self.handle} is not resolved yet", undecided=True)
        return identities[self.handle] == did

    def __str__(self) -> str:
        return self.did or f"@{self.handle}"


class Account(Struct, frozen=True, gc=False):
    """`owner` and `actor`."""

    who: Who

    @classmethod
    def parse(cls, text: str) -> Account:
        return cls(Who.parse(text))

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        for value in values:  # noqa: SIM110 - there is one, and a generator would cost more than it does
            if isinstance(value, str) and self.who.matches(value, identities):
                return True
        return False

    def __str__(self) -> str:
        return str(self.who)


class Repo(Struct, frozen=True, gc=False):
    """`repo`: a repo's own DID, or an owner and a glob over its repos' names."""

    did: str = ""
    owner: Who | None = None
    name: str = "*"

    @classmethod
    def parse(cls, text: str) -> Repo:
        owner, slash, name = text.partition("/")
        if not slash:
            if not text.startswith("did:") and text not in ("*", "**"):
                hint = "Write `@handle/name`, `did:plc:…/name`, or the repo's own DID."
                raise IdentityError(f"{show(text)} does not say whose repo it is.", hint)
            _check_glob(text)
            return cls(did=text)
        _check_glob(name)
        return cls(owner=Who.parse(owner), name=name)

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        for value in values:  # noqa: SIM110 - there is one, and a generator would cost more than it does
            if isinstance(value, dict) and self._is(value, identities):
                return True
        return False

    def _is(self, repo: Mapping[str, Tree], identities: Identities) -> bool:
        if self.owner is None:
            return globs.matches(self.did, "", repo.get("did") or "")
        owner, name = repo.get("owner"), repo.get("name")
        if name is not None and not globs.matches(self.name, "/", name):
            return False
        if owner is not None and not self.owner.matches(owner, identities):
            return False
        if owner is None or (name is None and self.name not in ("*", "**")):
            raise Unevaluable(f"whose repo {show(repo.get('did'))} is, and its name, are not known yet", undecided=True)
        return True

    def __str__(self) -> str:
        return self.did or f"{self.owner}/{self.name}"


class Knot(Struct, frozen=True, gc=False):
    """`knot`: a host name, compared without case."""

    host: str

    @classmethod
    def parse(cls, text: str) -> Knot:
        host = re.sub(r"^(https?://|wss?://|did:web:)", "", text.lower()).rstrip("/")
        if HOST.fullmatch(re.sub(r"[*?]+", "x", host)) is None:
            raise IdentityError(f"{show(text)} is not a knot's host name.", "Write `knot.example.com`.")
        return cls(host)

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        return any(isinstance(value, str) and globs.matches(self.host, "", value.lower()) for value in values)

    def __str__(self) -> str:
        return self.host


Identity = Account | Repo | Knot


def _check_glob(text: str) -> None:
    try:
        globs.check(text, "")
    except globs.GlobError as error:
        raise IdentityError(str(error), "Mend the glob.") from None


def handles(operator: Operator) -> Iterator[str]:
    """Every handle that an operator, or one inside it, will ask to be resolved."""
    who = operator.who if isinstance(operator, Account) else operator.owner if isinstance(operator, Repo) else None
    if who is not None and who.handle:
        yield who.handle
    inner = getattr(operator, "operators", ()) or (getattr(operator, "operator", None),)
    for each in inner:
        if each is not None:
            yield from handles(each)
