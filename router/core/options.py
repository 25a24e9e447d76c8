"""A step's options against its provider's schema, while some of their values are still templates.

pydantic is imported where there is something to say: it takes as long as all of a short `router validate`.
"""

from __future__ import annotations

from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from msgspec import Struct

from router.core.errors import RenderError
from router.core.marks import Exposes
from router.core.problems import nearest
from router.core.sketch import Sketched, templated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from router.core.document import Node
    from router.core.model import Tree
    from router.core.problems import Place

Loc = tuple[str | int, ...]
_NONE = object()


class Complaint(Struct, frozen=True):
    """One mistake in a step's options. `known` lists the right names where an unknown one was used."""

    loc: Loc
    kind: str
    sentence: str
    known: tuple[str, ...] = ()


def complaints(model: type[BaseModel] | Sketched, tree: Tree, is_template: Callable[[str], bool]) -> Iterator[Complaint]:
    """What is wrong with `tree` for `model`, as far as can be told before rendering: a template's own value is not judged."""
    if isinstance(model, Sketched):
        if model.sketch.takes(tree, is_template):
            return
        model = model.model
    from pydantic import ValidationError  # noqa: PLC0415 - see above

    try:
        model.model_validate(tree)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            loc = _real(found["loc"], tree)
            kind = found["type"]
            if kind not in ("missing", "extra_forbidden") and templated(_at(tree, loc), is_template):
                continue
            known = tuple(_fields_at(model, loc[:-1])) if kind == "extra_forbidden" else ()
            yield Complaint(loc, kind, found["msg"], known)


def placed(found: Complaint, root: Node) -> tuple[Place, str]:
    """Where in the document a complaint belongs, and what to write instead."""
    parent = root.at(found.loc[:-1])
    last = str(found.loc[-1]) if found.loc else ""
    if found.kind == "extra_forbidden":
        hint = nearest(last, found.known) or (f"Known here: {', '.join(found.known)}." if found.known else "Remove it.")
        return parent.key_place(last), hint
    if found.kind == "missing":
        return parent.place, f"Add `{last}`."
    return root.at(found.loc).place, ""


def sentence(found: Complaint) -> str:
    """The complaint, to follow "In the options of x: "."""
    where = ".".join(map(str, found.loc))
    if found.kind == "extra_forbidden":
        return f"there is no `{where}`."
    if found.kind == "missing":
        return f"`{where}` is missing."
    told = found.sentence.removeprefix("Value error, ").rstrip(".")
    return f"`{where}` is wrong: {told[:1].lower()}{told[1:]}." if where else f"{told}."


def parse(model: type[BaseModel], tree: Tree) -> BaseModel:
    """The rendered options. Raises RenderError, naming the first option that is wrong, without quoting its value."""
    try:
        # What `model_validate` does, without what it asks for first: this is on the way of every delivery.
        return model.__pydantic_validator__.validate_python(tree)  # type: ignore[no-any-return]
    except ValueError as error:
        from pydantic import ValidationError  # noqa: PLC0415 - see above

        if not isinstance(error, ValidationError):
            raise
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the options"
        raise RenderError(f"After rendering, {where} is wrong: {first['msg']}.") from None


@lru_cache(maxsize=1024)
def exposed(model: type[BaseModel] | Sketched | None) -> Exposes:
    """What a provider's options say that it puts at risk."""
    return getattr(model, "exposes", Exposes.NOTHING)


@lru_cache(maxsize=1024)
def marked(model: type[BaseModel] | Sketched, marker: type[Any]) -> tuple[tuple[str, Any], ...]:
    """The (field name, marker) pairs of a model's top-level fields that bear `marker`, also where they may be None."""
    if isinstance(model, Sketched):
        return model.sketch.marked(marker)
    return tuple(
        (info.alias or name, mark)
        for name, info in model.model_fields.items()
        for mark in (*info.metadata, *_marks(info.annotation))
        if isinstance(mark, marker)
    )


def _marks(annotation: Any) -> Iterator[Any]:
    """What a union's members are marked with: pydantic keeps only the marks that stand outside of `| None`."""
    for member in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ():
        yield from getattr(member, "__metadata__", ())


def _real(loc: Loc, tree: Tree) -> Loc:
    """A pydantic location without the parts that name a union's branch instead of a place in the tree."""
    real: list[str | int] = []
    for position, part in enumerate(loc):
        child = _child(tree, part)
        if child is _NONE and not (isinstance(tree, dict) and position == len(loc) - 1):
            continue
        tree = child
        real.append(part)
    return tuple(real)


def _at(tree: Tree, loc: Loc) -> Tree:
    for part in loc:
        tree = _child(tree, part)
    return tree


def _child(tree: Tree, part: str | int) -> Tree:
    if isinstance(tree, dict) and part in tree:
        return tree[part]
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return tree[part]
    return _NONE


def _fields_at(model: type[BaseModel], loc: Loc) -> Iterator[str]:
    for part in loc:
        info = model.model_fields.get(str(part))
        inner = next((m for m in _models(info.annotation)), None) if info else None
        if inner is None:
            return
        model = inner
    for name, info in model.model_fields.items():
        yield info.alias or name


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    from pydantic import BaseModel  # noqa: PLC0415 - see above

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None:
        for arg in get_args(annotation):
            yield from _models(arg)
