"""What can be read of a message that is too large to be read: where it stands in its stream, from its first and last bytes.

So it is passed over for good, whatever its size, and what comes after it is heard.
"""

from __future__ import annotations

import json
import re

from router.core import frame, tid

#: Bytes of each end that are worth keeping.
KEPT = 4096
_MEMBER = r'"([A-Za-z_$]{1,64})"\s*:\s*("[^"\\]{0,512}"|-?(?:0|[1-9][0-9]{0,18}))\s*'
_KEY, _VALUE = r'"[A-Za-z_$]{1,64}"', r'(?:"[^"\\]{0,512}"|-?(?:0|[1-9][0-9]{0,18}))'
#: Members of the outermost object, as far as they are texts and numbers. No text of a stranger inside the message can be taken
#: for one: its quotes are escaped.
_FIRST = re.compile(rf"\s*[{{,]\s*({_KEY})\s*:\s*({_VALUE})\s*(?=[,}}])")
_LAST = re.compile(rf"(?:,\s*{_KEY}\s*:\s*{_VALUE}\s*){{1,8}}\}}\s*\Z")
_EACH = re.compile(rf"({_KEY})\s*:\s*({_VALUE})")


def knot(head: bytes, tail: bytes) -> int | None:
    """The cursor of a knot's message in nanoseconds, or None where neither end says it."""
    sent = members(head, tail)
    if frame.whole(created := sent.get("created", 0)):
        return int(created)
    made = tid.micros(sent.get("rkey"))
    return None if made is None or not tail else made * 1000


def jetstream(head: bytes, tail: bytes) -> int | None:
    """The cursor of a Jetstream's message in microseconds, or None where neither end says it."""
    at = members(head, tail).get("time_us", 0)
    return int(at) if frame.whole(at) else None


def members(head: bytes, tail: bytes) -> dict[str, str | int]:
    """Texts and numbers that the outermost object begins and ends with. `tail` is empty where the message did not come to its
    end."""
    found: dict[str, str | int] = {}
    text, at = head.decode("utf-8", "replace"), 0
    while (one := _FIRST.match(text, at)) is not None:
        found[json.loads(one[1])] = json.loads(one[2], strict=False)
        at = one.end()
        if text[at] == "}":
            break
    last = _LAST.search(tail.decode("utf-8", "replace"))
    for key, value in _EACH.findall(last[0]) if last is not None else ():
        found[json.loads(key)] = json.loads(value, strict=False)
    return found
