"""Sketches of the bundled providers' options, beside their modules: see `router/core/sketch.py`.

python -m scripts.sketches        writes them anew (`make reference`)
"""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from router import plugins
from router.core import sketch
from router.core.marks import Bounded, Command, Exposes, Plainly, Script, Verbatim
from router.core.sketch import Field, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
_MARKS = (Verbatim, Bounded, Command, Script)
_KINDS: dict[Any, str] = {
    str: "text", int: "int", bool: "bool", type(None): "null", list[str]: "texts", dict[str, str]: "mapping"
}  # fmt: skip


def drawn(model: type[BaseModel]) -> Sketch:
    """The sketch of a model. What it does not understand is left to the model: a field of no kind takes templates alone."""
    if (model.model_config.get("extra"), model.model_config.get("strict")) != ("forbid", True):
        raise ValueError(f"{model} is not closed and strict: only the model knows what it takes")
    checks = model.__pydantic_decorators__
    return Sketch(
        fields={info.alias or name: _field(info) for name, info in model.model_fields.items()},
        exposes=getattr(model, "exposes", Exposes.NOTHING),
        takes_secrets=getattr(model, "takes_secrets", False),
        whole=bool(checks.model_validators or checks.field_validators or checks.root_validators or checks.validators),
    )


def _field(info: FieldInfo) -> Field:
    members = [*_members(info.annotation)]
    said = [*info.metadata, *(one for _, metadata in members for one in metadata)]
    types = [kind for kind, _ in members]
    plain = next((one for one in said if isinstance(one, Plainly)), Plainly(""))
    return Field(
        kinds=tuple(_KINDS[kind] for kind in types if kind in _KINDS) + (("text",) if _choices(types) else ()),
        needed=info.is_required(),
        checked=any(not isinstance(one, (*_MARKS, Plainly)) for one in said),
        anything=Any in types,
        choices=_choices(types),
        plainly=plain.text,
        names=plain.names,
        marks=tuple(one for one in said if isinstance(one, _MARKS)),
    )


def _members(annotation: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types of a union, or the one that there is, each with what it is annotated with."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from _members(one)
    elif origin is Annotated:
        inner, *said = get_args(annotation)
        yield inner, tuple(said)
    else:
        yield annotation, ()


def _choices(types: list[Any]) -> tuple[str, ...]:
    texts = [text for kind in types if get_origin(kind) is Literal for text in get_args(kind)]
    return tuple(texts) if all(isinstance(text, str) for text in texts) and str not in types else ()


def sketches() -> dict[Path, bytes]:
    """What should be written, by file."""
    return {
        ROOT / "providers" / f"{name}.sketch.json": sketch.written(drawn(plugins.provider(name).options))
        for name, entry in plugins.installed(plugins.PROVIDERS).items()
        if entry.value.startswith("providers.")
    }


if __name__ == "__main__":
    for file, raw in sketches().items():
        file.write_bytes(raw)
