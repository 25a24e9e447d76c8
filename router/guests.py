"""The providers of a configuration, opened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router import plugins
from router.core.errors import BadInput
from router.engine.dispatch import Guest
from router.terms import retry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.config import Config
    from router.core.rulebook import Rulebook
    from router.host import Host


def open_guests(
    config: Config,
    rulebook: Rulebook,
    host: Host,
    before: Config | None = None,
    opened: Mapping[str, Guest] | None = None,
) -> Iterator[Guest]:
    """Every installed provider that can be opened: the store may hold deliveries for those that no rule uses any more. What is
    `opened`, and was configured the same `before`, stays as it is."""
    used = {step.provider for rule in rulebook.rules for step in rule.steps}
    for name in plugins.installed(plugins.PROVIDERS):
        known, retry = (opened or {}).get(name), retry_of(config.delivery.retry.get(name))
        if known is not None and before is not None and before.providers.get(name) == config.providers.get(name):
            yield known if known.retry == retry else replace(known, retry=retry)
            continue
        plugin = plugins.provider(name)
        try:
            settings = config.provider_settings(name)
        except BadInput:
            if name in used:
                raise
            continue
        yield Guest(name, plugin, plugin.open(settings, host), retry)
