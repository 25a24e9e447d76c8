"""What a workflow file asks for: the first key of its block `router:` (or else of `tack:`) names a provider, with its options.

The file is a stranger's. It is read by the strict reader of rules, within bounds, and whatever is wrong with it is a sentence
for a person and never an exception: one bad workflow must not hide the others of its commit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.core import document, scan
from router.core.problems import Problems, printable

if TYPE_CHECKING:
    from router.core.document import Node
    from router.core.model import Tree

#: The keys under which a workflow file may speak to us; the first that it has is the one that counts.
BLOCKS = ("router", "tack")
#: Characters of a workflow file that are read, and of all files of an event: they are parsed before any rule has asked for it,
#: and nothing else happens meanwhile.
MAX_TEXT, MAX_ALL = 32768, 262_144
#: Characters of the sentence that says what is wrong.
_MAX_FAULT = 300
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def asked(raw: str, room: int = MAX_ALL) -> dict[str, Tree]:
    """`{provider: text, options: mapping}`, or `{fault: sentence}` of a file that cannot be read, or `{}` of one that has no
    block for us. `room` is how many characters of this event may still be read."""
    if not any(block in raw for block in BLOCKS):
        return {}
    if len(raw) > MAX_TEXT:
        return _fault(f"The file is longer than {MAX_TEXT} characters.")
    if len(raw) > room:
        return _fault(f"The workflow files of this event are longer than {MAX_ALL} characters together.")
    problems = Problems()
    root = document.read(raw, "workflow", problems, aliases=0, values=scan.NODES)
    if problems.errors:
        return _told(problems)
    block = _block(root)
    return _of(*block) if block is not None else {}


def _block(root: Node | None) -> tuple[str, Node] | None:
    for name in BLOCKS:
        if root is not None and (node := root.get(name)) is not None:
            return name, node
    return None


def _of(block: str, node: Node) -> dict[str, Tree]:
    provider, asked_for = next(node.items(), ("", None))
    if asked_for is None:
        return _fault(f"`{block}` in line {node.line} names no provider.")
    if _PROVIDER.fullmatch(provider) is None:
        return _fault(f"`{block}` names a provider that there cannot be: `{provider}`.")
    if asked_for.kind not in ("map", "null"):
        return _fault(f"The options of `{provider}` in line {asked_for.line} are {document.NAMES[asked_for.kind]}, no mapping.")
    problems = Problems()
    options = document.tree(asked_for, problems) if asked_for.kind == "map" else {}
    return _told(problems) if problems.errors else {"provider": provider, "options": options}


def _told(problems: Problems) -> dict[str, Tree]:
    first = problems.errors[0]
    return _fault(f"Line {first.place.line}: {first.message}")


def _fault(sentence: str) -> dict[str, Tree]:
    return {"fault": printable(sentence)[:_MAX_FAULT]}
