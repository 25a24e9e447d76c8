"""A provider's settings with every secret replaced: a test reads none, and needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from router.core import options
from router.core.errors import BadInput
from router.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.provider import AnyPlugin

#: Passes for a token and for a signing secret of Standard Webhooks, and says what it is to whoever decodes it.
PLACEHOLDER = "whsec_cGxhY2Vob2xkZXItZm9yLXRlc3RzLW9ubHkh"


class Placeholder(Secret):
    """Stands where a secret is named; neither environment nor file is looked at."""

    __slots__ = ()

    def reveal(self) -> str:
        return PLACEHOLDER


def settings_of(name: str, plugin: AnyPlugin, configured: Mapping[str, BaseModel]) -> BaseModel:
    """What router.yaml says of a provider, or its defaults, without a secret. Raises BadInput where more than secrets lacks."""
    given = configured.get(name)
    if given is None:
        given = _defaults(name, plugin)
    made: BaseModel = _replaced(given)
    return made


def _defaults(name: str, plugin: AnyPlugin) -> BaseModel:
    model: type[BaseModel] = plugin.settings
    given = {key: Placeholder("env", key) for key in _complaints(model, {})}
    if lacking := _complaints(model, given):
        raise BadInput(f"The provider `{name}` needs settings: say `{lacking[0]}` of it in router.yaml, under `providers`.")
    return model.model_validate(given)


def _complaints(model: type[BaseModel], tree: Mapping[str, Secret]) -> list[str]:
    """The settings that cannot do with what `tree` says of them."""
    return [str(found.loc[0]) for found in options.complaints(model, tree, lambda _text: False)]


def _replaced(value: Any) -> Any:
    """The same tree, with a placeholder for each secret."""
    if isinstance(value, Secret):
        return Placeholder(value.kind, value.name)
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _replaced(inner) for name, inner in value})
    if isinstance(value, dict):
        return {key: _replaced(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(inner) for inner in value)
    return value
