"""Of a provider's options as much as it takes to see that a step is plainly right, without the provider's module.

Importing a provider and pydantic takes longer than everything else that `router validate` does with a short file, and most
steps are right. A sketch is data, made of the model (`scripts/sketches.py`). It never refuses: whatever it does not take is the
model's to judge, in the model's own words; and it takes nothing that the model would complain of.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json

from router.core.marks import Bounded, Command, Exposes, Script, Verbatim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from router.core.model import Tree

#: What a value that is written out is called. A list and a mapping are of texts.
_KINDS = {str: "text", int: "int", bool: "bool", type(None): "null", list: "texts", dict: "mapping"}


class Field(Struct, frozen=True, omit_defaults=True):
    """One option. `kinds` are those of the values that it takes, where nothing is `checked` beside that; `choices` are all the
    texts that it takes, `plainly` and `names` what `marks.Plainly` says."""

    kinds: tuple[str, ...] = ()
    needed: bool = False
    checked: bool = False
    anything: bool = False
    choices: tuple[str, ...] = ()
    plainly: str = ""
    names: str = ""
    marks: tuple[Verbatim | Bounded | Command | Script, ...] = ()

    def takes(self, value: Tree) -> bool:
        """Whether it surely takes a value that has no template in it."""
        if not self.takes_kind(value):
            return False
        if self.choices and isinstance(value, str) and value not in self.choices:
            return False
        return not self.checked or (bool(self.plainly) and self._is_plain(value))

    def takes_kind(self, value: Tree) -> bool:
        """Whether the value is of the right kind."""
        if self.anything:
            return True
        if _KINDS.get(type(value)) not in self.kinds:
            return False
        names, texts = _texts(value)
        return all(type(one) is str for one in (*names, *texts))

    def _is_plain(self, value: Tree) -> bool:
        names, texts = _texts(value)
        return all(map(re.compile(self.plainly).fullmatch, texts)) and all(map(re.compile(self.names).fullmatch, names))


def _texts(value: Tree) -> tuple[Sequence[Any], Sequence[Any]]:
    """The names of a mapping, and what must be texts."""
    if isinstance(value, dict):
        return [*value], [*value.values()]
    return (), value if isinstance(value, list) else (value,) if isinstance(value, str) else ()


class Sketch(Struct, frozen=True, omit_defaults=True):
    """The options of one provider by the names that rules write; `whole` where the model checks them together, too."""

    fields: dict[str, Field]
    exposes: Exposes = Exposes.NOTHING
    takes_secrets: bool = False
    whole: bool = False

    def takes(self, tree: Tree, is_template: Callable[[str], bool]) -> bool:
        """Whether there is surely nothing to complain of. What is wrong with a template is known when it is rendered."""
        if not isinstance(tree, dict) or any(field.needed and name not in tree for name, field in self.fields.items()):
            return False
        later = False
        for name, value in tree.items():
            field = self.fields.get(name)
            if field is None:
                return False
            if templated(value, is_template):
                later = True
                if not isinstance(value, str) and not field.takes_kind(value):
                    return False
            elif not field.takes(value):
                return False
        return later or not self.whole

    def marked(self, marker: type[Any]) -> tuple[tuple[str, Any], ...]:
        """As `options.marked`."""
        return tuple((name, mark) for name, field in self.fields.items() for mark in field.marks if isinstance(mark, marker))


class Sketched:
    """Stands for the model of a provider's options, and for all that it has, but loads it only when the sketch does not do."""

    def __init__(self, sketch: Sketch, load: Callable[[], type[BaseModel]]) -> None:
        self.sketch = sketch
        self.exposes = sketch.exposes
        self.takes_secrets = sketch.takes_secrets
        self._load = load

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model itself. Raises what loading it raises."""
        return self._load()

    def __getattr__(self, name: str) -> Any:
        # Whoever copies this asks for methods of its own, and before there is a way to load anything.
        if name == "_load" or (name.startswith("__") and not name.startswith("__pydantic")):
            raise AttributeError(name)
        return getattr(self.model, name)


def templated(value: Tree, is_template: Callable[[str], bool]) -> bool:
    """Whether there is a template in a value."""
    if isinstance(value, str):
        return is_template(value)
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(templated(child, is_template) for child in children)


def read(raw: bytes) -> Sketch:
    """A sketch, as `written` has written it. Raises msgspec.MsgspecError where it is none."""
    return json.decode(raw, type=Sketch)


def written(sketch: Sketch) -> bytes:
    """As JSON, one that people can compare."""
    return json.format(json.encode(sketch), indent=2) + b"\n"
