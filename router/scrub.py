"""A recorded event without the names of those who were in it, to be kept in a repository as the event of a test.

Accounts, hosts, repos, people, addresses and what people wrote get well-formed stand-ins: the same value always the same one
within an event, so that what belonged together still does. What looks like a secret is redacted. Times, nsids, record keys,
commits, refs and paths stay: rules decide by them. Nothing here guarantees that a stranger's record tells nothing more.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from router.core import tid
from router.core.identity import DID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from router.core.model import Tree

REDACTED = "[redacted]"
_PEOPLE = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
#: What a member of a record is about, by its key in lower case and without underscores.
_KINDS = {
    **dict.fromkeys(("knot", "host", "hostname", "server", "spindle", "domain"), "host"),
    **dict.fromkeys(("handle",), "handle"),
    **dict.fromkeys(("reponame",), "repo"),
    **dict.fromkeys(("authorname", "committername", "displayname", "fullname", "username", "login"), "person"),
    **dict.fromkeys(("email", "authoremail", "committeremail"), "email"),
    **dict.fromkeys(("message", "commitmessage", "title", "body", "description", "subject", "comment"), "text"),
    **dict.fromkeys(("bio", "patch", "diff", "summary"), "text"),
}
#: Whose `name` is a person's, and whose is a repo's.
_PERSONS = ("author", "committer", "tagger", "pusher", "user", "person")
_REPOS = ("repo", "repository")
_REPO_RECORD = "sh.tangled.repo"
#: What stays: of the event itself, and wherever it stands in a record.
_OWN, _NEVER = ("nsid", "time", "kind", "source"), ("$type", "ref", "branch", "tag", "paths", "changedFiles")

_SECRET_KEY = re.compile(
    r"token|secret|passw(or)?d|authorization|api_?key|credential|private_?key|cookie|signature", re.IGNORECASE
)
_SECRET_LINE = re.compile(
    r"^(?P<key>[^\S\n]*[-\w.\"']*(?:token|secret|passw(?:or)?d|api_?key|credential|authorization)[-\w.\"']*[^\S\n]*[:=][^\S\n]*)\S.*$",
    re.IGNORECASE | re.MULTILINE,
)
_SECRET = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_URL = re.compile(
    r"(?P<scheme>\b(?!at\b)[a-z][a-z0-9+.-]*://)(?P<user>[^/\s?#@\"']*@)?(?P<host>[^/\s?#\"'<>]+)"
    r"(?P<path>[^\s?#\"'<>]*)(?P<query>\?[^\s#\"'<>]+)?"
)
#: Where a repo's record is named: its key is the repo's name, except where that is a time.
_REPO_KEY = re.compile(rf"/{re.escape(_REPO_RECORD)}/([A-Za-z0-9._~:-]+)")
_INLINE_DID = re.compile(rf"{DID.pattern}(?<![.:])")


class Scrubber:
    """Replaces values of one event. `keep` are keys and values that stay as they are.

    So do names that are words of `texts`, the rule files: what is written there is told already, and the rules go on to match.
    """

    def __init__(self, sent: Mapping[str, Tree], keep: Collection[str], texts: Sequence[str]) -> None:
        self.keep = frozenset(keep)
        self.texts = texts
        self.text = json.dumps(sent, ensure_ascii=False)
        #: What stands for what, by kind.
        self.replaced: dict[str, dict[str, str]] = {}
        self.kept: dict[str, None] = {}
        self.redacted = 0
        self.repo_record = sent.get("nsid") == _REPO_RECORD
        for kind, value in self._found(sent, "", ""):
            self._stand_in(kind, value)

    def event(self, sent: Mapping[str, Tree]) -> dict[str, Tree]:
        """The event in our own form, scrubbed."""
        return {key: value if key in _OWN else self._value(value, key, "") for key, value in sent.items()}

    def inline(self, text: str) -> str:
        """A text with every account, host, address and secret in it replaced."""
        text = _URL.sub(self._url, text)
        text = _EMAIL.sub(lambda found: self._stand_in("email", found[0]), text)
        for name, other in self.replaced.get("repo", {}).items():
            of = re.compile(rf"((?:{DID.pattern}|/{re.escape(_REPO_RECORD)})/){re.escape(name)}(?![\w.-])")
            text = of.sub(lambda found, other=other: found[1] + other, text)  # type: ignore[misc]
        text = _INLINE_DID.sub(lambda found: self._did(found[0]), text)
        for kind in ("host", "handle"):
            for name, other in self.replaced.get(kind, {}).items():
                text = _word(name).sub(other, text)
        for pattern, instead in ((_SECRET_LINE, rf"\g<key>{REDACTED}"), (_SECRET, REDACTED)):
            text, count = pattern.subn(instead, text)
            self.redacted += count
        return text

    def _found(self, value: Tree, key: str, above: str) -> Iterator[tuple[str, str]]:
        """Every (kind, value) that a key or a place tells, wherever else the value may be written."""
        if isinstance(value, dict):
            for name, child in value.items():
                yield from self._found(child, name, key)
        elif isinstance(value, list):
            for child in value:
                yield from self._found(child, key, above)
        elif isinstance(value, str) and value and not self._stays(key):
            kind = self._kind(value, key, above)
            if kind is not None and kind != "text":
                yield kind, value
            if key == "origin" and value.startswith("knot:"):
                yield "host", value.removeprefix("knot:")
            yield from (("host", found["host"]) for found in _URL.finditer(value))
            yield from (("repo", found[1]) for found in _REPO_KEY.finditer(value) if tid.micros(found[1]) is None)

    def _kind(self, value: str, key: str, above: str) -> str | None:
        """What a text is by its key, or None where that says nothing."""
        if value.startswith(("did:", "at://")):
            return None
        if key == "name" and (above in _PERSONS or above in _REPOS):
            return "person" if above in _PERSONS else "repo"
        if key in _REPOS or (self.repo_record and ((key == "name" and above == "record") or key == "rkey")):
            return "repo"
        kind = _KINDS.get(key.lower().replace("_", ""))
        return "text" if kind == "host" and not re.fullmatch(r"[A-Za-z0-9.:-]+", value) else kind

    def _stays(self, key: str) -> bool:
        return key in _NEVER or key in self.keep

    def _value(self, value: Tree, key: str, above: str) -> Tree:
        if isinstance(value, dict):
            if key in self.keep:
                return value
            if _SECRET_KEY.search(key):
                self.redacted += 1
                return REDACTED
            return {self.inline(name): self._value(child, name, key) for name, child in value.items()}
        if isinstance(value, list):
            return [self._value(child, key, above) for child in value]
        if self._stays(key) or value is None or isinstance(value, bool):
            return value
        if _is_secret(key, value):
            self.redacted += 1
            return REDACTED
        if not isinstance(value, str) or not value or value in self.keep:
            return value
        kind = self._kind(value, key, above)
        return self._stand_in(kind, value) if kind is not None else self.inline(value)

    def _url(self, found: re.Match[str]) -> str:
        host = self._stand_in("host", found["host"])
        self.redacted += (found["user"] is not None) + (found["query"] is not None)
        return f"{found['scheme']}{host}{found['path']}{'?redacted' if found['query'] else ''}"

    def _did(self, did: str) -> str:
        if did.startswith("did:web:") and not self._keeps(did):
            return f"did:web:{self._stand_in('host', did.removeprefix('did:web:'))}"
        return self._stand_in("account", did)

    def _keeps(self, value: str) -> bool:
        return value in self.keep or any(_word(value).search(text) for text in self.texts)

    def _stand_in(self, kind: str, value: str) -> str:
        """What stands for the value: never one that the event has already, as somebody else's."""
        known = self.replaced.setdefault(kind, {})
        if value in known:
            return known[value]
        if self._keeps(value):
            self.kept[value] = None
            return value
        if any(value in others.values() for others in self.replaced.values()):
            return value
        number = len(known)
        while (made := _made(kind, number)) in self.text or made in known.values():
            number += 1
        known[value] = made
        return made


def _word(value: str) -> re.Pattern[str]:
    """The value where it is no part of a longer name."""
    return re.compile(rf"(?<![\w.-]){re.escape(value)}(?![\w-]|\.\w)")


def _made(kind: str, number: int) -> str:
    who = _PEOPLE[number] if number < len(_PEOPLE) else f"person{number + 1}"
    match kind:
        case "account":
            return f"did:plc:{_letters(number):a>24}"
        case "host":
            return f"knot{number + 1}.example.com"
        case "repo":
            return f"repo{number + 1}"
        case "handle":
            return f"{who}.example"
        case "email":
            return f"{who}@example.com"
        case "person":
            return f"{who.title()} Example"
        case _:
            return f"text {number + 1}"


def _letters(number: int) -> str:
    """A number in the letters that a did:plc has, and readable as what it is: …standinb."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 26)
        digits = chr(ord("a") + digit) + digits
    return "standin" + digits


def _is_secret(key: str, value: Tree) -> bool:
    """By its key; under a plain `key` also by what it looks like."""
    if _SECRET_KEY.search(key):
        return isinstance(value, (str, int, float)) and value != ""
    return key.lower() == "key" and isinstance(value, str) and len(value) >= 20 and _entropy(value) > 3.5


def _entropy(text: str) -> float:
    """Bits for each character, by how often each occurs."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
