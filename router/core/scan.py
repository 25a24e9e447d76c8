"""Whether YAML of a stranger may be loaded: its parser's events are counted first, and nothing is built.

libyaml's parser takes time that is linear in the text, and keeps its own stack. Its composer recurses, and PyYAML's own scanner
takes a minute for 32,000 opening brackets: neither is given a text that was not scanned.
"""

from __future__ import annotations

from typing import Any

import yaml

DEPTH, NODES, ALIASES = 64, 4096, 50
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSES = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


def trouble(text: str, *, depth: int = DEPTH, nodes: int = NODES, aliases: int = ALIASES) -> str:
    """Why the text is not loaded, as the end of a sentence; empty where it may be. Raises YAMLError where it is no YAML, and
    UnicodeEncodeError where it has half of a character."""
    open_now = seen = named = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, _OPENS):
            open_now += 1
        elif isinstance(event, _CLOSES):
            open_now -= 1
        elif isinstance(event, yaml.AliasEvent):
            named += 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            return "it has a merge key (`<<`)"
        seen += isinstance(event, (*_OPENS, yaml.ScalarEvent, yaml.AliasEvent))
        if open_now > depth:
            return f"it is nested deeper than {depth} levels"
        if seen > nodes:
            return f"it has more than {nodes} values"
        if named > aliases:
            return f"it has more than {aliases} aliases"
    return ""
