"""Parts of the schema for small values: texts, names, durations, times of the day.

A number stands for its text wherever the loader takes it so: `branch: 1.10` is the text 1.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core import durations, keys, rules, steps

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

Schema = dict[str, Any]

#: What makes a text a template; as `templates.is_template` has it.
IS_TEMPLATE = r"\{[{%#]"
TEXT: Schema = {"type": ["string", "number"]}
TEMPLATE: Schema = {"type": ["string", "number"], "description": "Text that may be a template."}
FLAG: Schema = {"type": "boolean"}


def whole(pattern: re.Pattern[str]) -> str:
    """The pattern of the loader, for a schema, where patterns are looked for anywhere in a text."""
    return f"^(?:{pattern.pattern})$"


DURATION: Schema = {
    "type": "string",
    "pattern": whole(durations.WHOLE),
    "description": "A duration, like 30s, 10m or 1h30m.",
}
#: Where no time at all is no sense: `0s` is refused.
SOME_DURATION: Schema = {**DURATION, "not": {"pattern": r"^[0.]+[a-z]+([0.]+[a-z]+)*$"}}
NAME: Schema = {"type": ["string", "number"], "pattern": whole(rules.NAME)}
ID: Schema = {
    "type": ["string", "number"],
    "pattern": whole(rules.ID),
    "description": "What deliveries are known by; survives renaming the rule.",
}
STEP_ID: Schema = {"type": "string", "pattern": whole(steps.STEP_ID)}
ITEM: Schema = {
    "type": "string",
    "pattern": whole(rules.ITEM),
    "not": {"enum": sorted(steps.ROOTS - steps.SHADOWED)},
    "description": "What templates call an item of `each`.",
}
EACH: Schema = {
    "type": "string",
    "pattern": r"^(workflows$|\$)",
    "description": "`workflows`, or a JSON path to a list in the record.",
}
CLOCK: Schema = {"type": "string", "pattern": whole(keys.CLOCK)}
SHARE: Schema = {"type": "string", "pattern": r"^(100(\.0+)?|0?[0-9]{1,2}(\.[0-9]+)?)%$"}


def closed(properties: Schema, required: Sequence[str] = ()) -> Schema:
    """A mapping with these keys and no others."""
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": list(required)} if required else made


def counted(most: int, *, is_whole: bool = True) -> Schema:
    """A number from 1 to `most`."""
    return {"type": "integer" if is_whole else "number", "minimum": 1, "maximum": most}
