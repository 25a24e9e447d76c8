"""A case's `answers`: what the other side of each provider says, in order, so that nobody is asked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router.core import document
from router.core.problems import Place, Problems, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from router.core.document import Node

#: How an attempt ends, said without a request: for providers that send none, and for those who do not care how it came.
OUTCOMES = ("done", "transient", "ambiguous", "permanent")
#: What becomes of a request that is never answered.
BROKEN = ("lost", "refused")
#: What only a look-up can say: it did not happen.
ABSENT = "absent"
LOOK_UP = "look_up"
REPLY_KEYS = ("status", "headers", "json", "body")

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
#: Headers that say how an answer is cut into bytes: the answer's own would contradict them.
_FRAMING = ("connection", "content-encoding", "content-length", "transfer-encoding", "upgrade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. Without a `word` it is one of HTTP, whose `body` is the provider's own sample where it is None.

    `sentence` is the reason that goes with an outcome. `looks` says that it answers a look-up, not an attempt.
    """

    place: Place
    word: str = ""
    sentence: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    #: The Content-Type, where the headers say none.
    kind: str = "application/json"
    looks: bool = False

    @property
    def over_http(self) -> bool:
        """Whether a request must be sent to get it."""
        return not self.word or self.word in BROKEN

    def __str__(self) -> str:
        return f"{'look-up ' if self.looks else ''}{self.word or self.status}"


def read(node: Node, providers: Collection[str], problems: Problems) -> Iterator[tuple[str, tuple[Answer, ...]]]:
    """(provider, its answers). What is wrong goes to `problems`."""
    if not document.mapping(node, problems, "`answers`", providers):
        return
    for name, child in node.items():
        if child.kind != "list":
            document.wrong_type(child, problems, f"the answers of `{name}`", "a list, in the order in which they are given")
            continue
        if not child.value:
            problems.error("R050", child.place, f"`{name}` has no answer here.", "Write one, or leave the provider out.")
        answers = [_Reader(item, problems).answer() for item in child.value]
        yield name, tuple(answer for answer in answers if answer is not None)


class _Reader:
    """Reads one answer. `looks` is set within `look_up`."""

    def __init__(self, node: Node, problems: Problems, *, looks: bool = False) -> None:
        self.node = node
        self.problems = problems
        self.looks = looks

    def answer(self) -> Answer | None:
        node = self.node
        if node.kind == "int":
            return self._reply(node, {}, None)
        if node.kind != "map":
            text = document.text(node, self.problems, "an answer")
            return self._word(text, "") if text is not None else None
        keys = list(node.value)
        if keys == [LOOK_UP] and not self.looks:
            found = _Reader(node.value[LOOK_UP], self.problems, looks=True).answer()
            return replace(found, looks=True) if found is not None else None
        if len(keys) == 1 and keys[0] in OUTCOMES:
            sentence = document.text(node.value[keys[0]], self.problems, "the reason")
            return self._word(keys[0], sentence or "")
        return self._whole()

    def _error(self, place: Place, message: str, hint: str) -> None:
        self.problems.error("R050", place, message, hint)

    def _word(self, word: str, sentence: str) -> Answer | None:
        known = (*OUTCOMES, *BROKEN, *((ABSENT,) if self.looks else ()))
        if word in known:
            return Answer(place=self.node.place, word=word, sentence=sentence)
        hint = nearest(word, known) or f"Write an HTTP status like 503, or one of {', '.join(known)}."
        if word == ABSENT:
            hint = f"It answers a look-up: write {{{LOOK_UP}: {ABSENT}}}."
        self._error(self.node.place, f"`{word}` is no answer.", hint)
        return None

    def _whole(self) -> Answer | None:
        """`{status, headers, json | body}`."""
        node = self.node
        document.mapping(node, self.problems, "an answer", (*REPLY_KEYS, *OUTCOMES, *(() if self.looks else (LOOK_UP,))))
        status = node.get("status")
        if status is None:
            self.problems.error("R005", node.place, "An answer needs a `status`.", "Write one like {status: 503}.")
            return None
        made = self._reply(status, dict(self._headers(node.get("headers"))), self._body(node))
        return replace(made, kind="text/plain; charset=utf-8") if made is not None and node.get("body") is not None else made

    def _reply(self, status: Node, headers: Mapping[str, str], body: bytes | None) -> Answer | None:
        if status.kind != "int":
            document.wrong_type(status, self.problems, "a status", "a whole number")
            return None
        if not 200 <= status.value <= 599:
            self._error(status.place, f"{status.value} is no status that ends a request.", "Write one from 200 to 599.")
            return None
        return Answer(place=self.node.place, status=status.value, headers=headers, body=body)

    def _headers(self, node: Node | None) -> Iterator[tuple[str, str]]:
        if node is None or not document.mapping(node, self.problems, "`headers`"):
            return
        for name, child in node.items():
            value = document.text(child, self.problems, "a header")
            if name.lower() in _FRAMING:
                self._error(node.key_place(name), f"The header {name} follows from the answer.", "Leave it out.")
            elif _NAME.fullmatch(name) is None:
                self._error(node.key_place(name), "This cannot be the name of a header.", "Write one like Retry-After.")
            elif value is not None and _VALUE.fullmatch(value) is None:
                self._error(child.place, "A header is printable ASCII on one line.", "Write it so.")
            elif value is not None:
                yield name, value

    def _body(self, node: Node) -> bytes | None:
        tree, text = node.get("json"), node.get("body")
        if tree is not None and text is not None:
            self._error(node.key_place("body"), "An answer has one body, and this has `json` and `body`.", "Leave one out.")
        if tree is not None:
            return json.dumps(document.tree(tree, self.problems)).encode()
        written = document.text(text, self.problems, "`body`") if text is not None else None
        return written.encode("utf-8", "replace") if written is not None else None
