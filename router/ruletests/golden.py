"""Goldens: a whole plan, kept in a file beside the test, to be read in review when it changes.

A golden is compared as text. It holds what the rules decide, and neither times nor ids: those follow from the event.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import yaml

from router.core.model import Retry, State
from router.core.plan import DEFAULT_TIMEOUT
from router.core.problems import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.model import Delivery, Gates, Plan, Tree

#: Lines of a difference that are shown.
_MOST_LINES = 60
#: Text that is written bare, if PyYAML agrees: it quotes words like `on`.
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[./-][A-Za-z0-9_]+)*")


def text(name: str, made: Plan) -> str:
    """The golden of the case `name`: YAML in ASCII that every reader understands alike, whatever an event has put into it."""
    tree = {"matched": list(made.matched), "deliveries": [_delivery(delivery) for delivery in made.deliveries]}
    body: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=2**31, default_flow_style=False)
    about = printable(name).encode("ascii", "backslashreplace").decode("ascii")
    return f'# The plan of "{about}". `router test --update` writes it.\n{body}'


def differences(kept: str, now: str) -> Iterator[str]:
    """The lines that differ, with those around them: `-` is kept, `+` is what the rules make now."""
    lines = list(difflib.unified_diff(kept.splitlines(), now.splitlines(), n=2, lineterm=""))[2:]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"… and {len(lines) - _MOST_LINES} lines more"


def _delivery(made: Delivery[Tree]) -> dict[str, Tree]:
    """What a delivery is, without what is as it always is. Our keys stand in the order in which they are read."""
    said = {
        "rule": made.rule,
        "step": made.step,
        "provider": made.provider,
        "item": made.item,
        "state": None if made.state is State.READY else str(made.state),
        "reason": made.reason or None,
        "report": made.subject.workflow or None,
        "gates": _gates(made.gates),
        "timeout": None if made.timeout == DEFAULT_TIMEOUT else made.timeout,
        "retry": _retry(made.retry),
        "idempotent": made.idempotent or None,
    }
    return {**{key: value for key, value in said.items() if value is not None}, "options": _sorted(made.options)}


def _retry(retry: Retry | None) -> dict[str, Tree] | None:
    return None if retry in (None, Retry()) else {**asdict(retry), "schedule": list(retry.schedule)}


def _gates(gates: Gates | None) -> dict[str, Tree] | None:
    if gates is None:
        return None
    said = {**asdict(gates), "busy": str(gates.busy) if gates.group is not None else None}
    return {key: value for key, value in said.items() if value not in (None, 0)}


def _sorted(value: Tree) -> Tree:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


class _Dumper(yaml.SafeDumper):
    """Writes every value out, and quotes what some reader of YAML might take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # Half of a character is nothing that a file can hold.
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    style = None if _WORD.fullmatch(whole) else "|" if "\n" in whole else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", whole, style=style)


_Dumper.add_representer(str, _text)
