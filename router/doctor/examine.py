"""All checks, in the order in which a person would make them: the machine, the store, names, peers, the spindle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router import plugins
from router.core.checkup import Health, doubtful, ill, well
from router.core.errors import BadInput, RouterError, StoreError
from router.doctor import machine
from router.doctor.reach import Reach
from router.egress import Egress
from router.engine.store.sqlite import open_store
from router.host import Host
from router.http import open_outside, open_session
from router.observe import Silent
from router.provider import Follows, Hears

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator

    from router.config import Config
    from router.core.checkup import Check

#: Settings whose values are addresses that are called.
_ADDRESSES = ("url", "host", "hosts", "resolver", "plc", "jetstream")


async def examine(config: Config, providers: Collection[str]) -> AsyncIterator[Check]:
    """Every finding, as it is made. `providers` are those that rules use."""
    for check in (*machine.disk(config.store_path), *machine.files(len(config.sources)), *machine.sqlite()):
        yield check
    async for check in _store(config):
        yield check
    async with open_session() as http, open_outside(Egress(config.egress.allow)) as outside:
        host = Host(http, guarded=outside)
        reach = Reach(host)
        silent: set[str] = set()
        for what, url in _addresses(config, providers):
            named = await reach.name(what, url)
            found = await reach.answers(what, url) if named.health is Health.WELL else named
            silent |= {what} if found.health is Health.ILL else set()
            yield found
        async for check in _peers(config, providers, host, reach, silent):
            yield check
        if config.spindle is not None:
            from router.doctor.spindle import spindle  # noqa: PLC0415 - a router that is none needs no cryptography

            async for check in spindle(config.spindle, host):
                yield check
        for check in reach.clock():
            yield check


async def _store(config: Config) -> AsyncIterator[Check]:
    if not config.store_path.exists():
        yield well("store", f"{config.store_path} is not there yet: the first start makes it")
        return
    try:
        store = await open_store(config.store_path, read_only=True)
        try:
            counts = await store.counts()
        finally:
            await store.close()
    except StoreError as error:
        yield ill("store", str(error), "Restore a backup, or name another store: it was left as it is.")
        return
    dead = counts.get("dead", 0)
    if dead:
        yield doubtful("dead letters", f"{dead} deliveries failed for good.", "router deliveries list --state dead")
    else:
        yield well("store", "opens, and has no dead letters")


def _addresses(config: Config, providers: Collection[str]) -> Iterator[tuple[str, str]]:
    if config.identity.resolver != "direct":
        yield "identity.resolver", config.identity.resolver
    if config.spindle is not None:
        yield from (("spindle.jetstream", url) for url in config.spindle.jetstream)
        yield "spindle.plc", config.spindle.plc
    for source in config.sources:
        yield from _urls(f"source {source.name}", source.settings)
    for name in providers:
        try:
            yield from _urls(f"provider {name}", config.provider_settings(name))
        except BadInput:
            continue


def _urls(what: str, settings: Any) -> Iterator[tuple[str, str]]:
    for key in _ADDRESSES:
        value = getattr(settings, key, None)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one:
                yield what, one if "://" in one else f"https://{one}"


async def _peers(
    config: Config, providers: Collection[str], host: Host, reach: Reach, silent: Collection[str]
) -> AsyncIterator[Check]:
    """What those say of themselves that answered at all."""
    for source in config.sources:
        if f"source {source.name}" in silent:
            continue
        opened = plugins.source_kind(source.kind).open(source.name, source.settings, host, Silent())
        for check in await reach.asked(f"source {source.name}", opened):
            yield check
    for name in sorted(providers):
        what = f"provider {name}"
        if what in silent:
            continue
        try:
            provider = plugins.provider(name).open(config.provider_settings(name), host)
        except RouterError as error:
            yield ill(what, str(error), f"Write `providers: {{{name}: …}}` into router.yaml.")
            continue
        for check in await reach.asked(what, provider):
            yield check
        if config.spindle is not None and isinstance(provider, Hears) and isinstance(provider, Follows):
            yield _webhooks(what, getattr(config.provider_settings(name), "webhook_secrets", None))


def _webhooks(what: str, secrets: Any) -> Check:
    if not secrets:
        said = "It has no webhook secret: builds are asked about instead, which is slower."
        return doubtful(what, said, "docs/providers says how to set one.")
    for secret in secrets:
        try:
            value = secret.reveal()
        except RouterError as error:
            return ill(what, str(error), "Set it where the router is started.")
        if len(value) < 16:
            return doubtful(what, f"Its webhook secret {secret!r} is short.", "Use at least 16 random characters.")
    return well(what, f"webhooks prove themselves by {len(secrets)} secret{'s' if len(secrets) > 1 else ''}")
