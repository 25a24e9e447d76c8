"""A provider's settings with every secret replaced: a test reads none, and needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

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
    required = {key: field.annotation for key, field in plugin.settings.model_fields.items() if field.is_required()}
    lacking = [key for key, annotation in required.items() if annotation is not Secret]
    if lacking:
        raise BadInput(f"The provider `{name}` needs settings: say `{lacking[0]}` of it in router.yaml, under `providers`.")
    made: BaseModel = plugin.settings.model_validate({key: Placeholder("env", key) for key in required})
    return made


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
