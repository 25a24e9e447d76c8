"""One configuration with its rules for another, while the router runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.members import canonical_host
from router.egress import Egress
from router.engine import log
from router.guests import open_guests
from router.terms import destinations_of, policy_of, trip_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from router.app import Router
    from router.config import Config
    from router.engine.dispatch import Guest
    from router.loaded import Loaded

#: Sections of router.yaml that are named where something in them is another.
_SECTIONS = ("store", "identity", "delivery", "log", "egress", "quotas", "reload", "spindle")


async def exchange(router: Router, loaded: Loaded) -> Sequence[str]:
    """Put it in force, and say what is another now: open whatever is new, which may raise RouterError; then change everything
    between two events; and only then start and stop sources. What is under way keeps the plan and the provider that it has."""
    config, before = loaded.config, router.config
    guests = {one.name: one for one in open_guests(config, loaded.rulebook, router.host, before, router.guests)}
    opened = router.listening.opened(config.sources)
    changed = [*_providers(router.guests, guests)]
    changed += [name for name in _SECTIONS if getattr(config, name) != getattr(before, name)]
    router.config, router.intake.rulebook = config, loaded.rulebook
    for name in set(router.guests) - set(guests):
        del router.guests[name]
    router.guests.update(guests)
    _set(router, config, before)
    changed += await router.listening.exchange(router.group, config.sources, opened)
    router.follow()
    router.keep_handles(at_once=True)
    router.learned.set()
    router.bell.ring()
    return changed


def _providers(before: dict[str, Guest], now: dict[str, Guest]) -> Sequence[str]:
    changed = [f"provider {name} changed" for name, guest in now.items() if before.get(name) is not guest]
    return [*changed, *(f"provider {name} removed" for name in before if name not in now)]


def _set(router: Router, config: Config, before: Config) -> None:
    router.intake.record = config.store.record
    router.retention.keep, router.retention.keep_dead = config.store.keep, max(config.store.keep, config.store.keep_dead)
    router.destinations.each, router.destinations.terms = config.delivery.each, destinations_of(config)
    router.destinations.circuits.trip = trip_of(config)
    router.overdue.longest, router.audit.every = config.delivery.longest, config.delivery.audit
    router.store.hold_back(policy_of(config))
    router.dispatch.concurrency, router.dispatch.lease = config.delivery.concurrency, config.delivery.lease
    router.directory.change(config.identity.resolver, config.identity.pins, router.handles_of(config))
    router.egress.allow = Egress(config.egress.allow).allow
    if router.spindle is not None and config.spindle is not None:
        router.spindle.change(config.spindle, knots(config))
    if config.log != before.log:
        log.configure(config.log.format, config.log.level)


def knots(config: Config) -> Sequence[str]:
    """The hosts that router.yaml itself listens to."""
    return [_knot_of(source.settings) for source in config.sources if source.kind == "knot"]


def _knot_of(settings: BaseModel) -> str:
    return canonical_host(getattr(settings, "host", "")) or ""
