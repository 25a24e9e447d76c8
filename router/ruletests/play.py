"""A plan, carried out by the engine itself with scripted answers, on a clock that leaps to whatever is due next.

Store, retries, waits, look-ups and gates are the real ones. Attempts are made one at a time, so that answers go round in one
order only; a delivery whose provider has no answers is left alone.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from router import plugins
from router.core.errors import BadInput
from router.core.model import State, changed
from router.core.plan import MAX_DELIVERIES
from router.engine.bell import Bell
from router.engine.dispatch import Dispatch, Guest
from router.engine.store.base import Arrival
from router.engine.store.connection import MEMORY
from router.engine.store.sqlite import open_store
from router.host import Host
from router.http import open_session
from router.observe import Silent
from router.ruletests.endings import Attempt, Ending, Played
from router.ruletests.events import wrong
from router.ruletests.placeholders import settings_of
from router.ruletests.script import Script, scripted
from router.ruletests.wire import Wire
from router.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from router.core.model import Delivery, Event, Outcome, Plan, Tree
    from router.engine.store.base import Claim, Store
    from router.provider import AnyPlugin
    from router.ruletests.answers import Answer

#: Attempts of one case: more is a provider that fails without asking, for ever.
MOST = 200
#: Real seconds for one case, whose clock costs none: more is a provider that waits for what the clock does not give.
PATIENCE = 20.0
#: The same number each time, so that waits are the same.
SEED = 7


def play(answers: Mapping[str, Sequence[Answer]], event: Event, made: Plan, configured: Mapping[str, BaseModel]) -> Played:
    """Carry the plan out. `configured` are settings of router.yaml by provider; their secrets are not read.

    Raises BadInput where an answer is not one that its provider can get, or a provider cannot do without settings.
    """
    return asyncio.run(_play(answers, event, made, configured))


async def _play(
    answers: Mapping[str, Sequence[Answer]], event: Event, made: Plan, configured: Mapping[str, BaseModel]
) -> Played:
    clock = FakeClock()
    wire = Wire(clock)
    plan = _part(made, answers)
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(open_session(wire))
        host = Host(http, clock, random.Random(SEED))  # noqa: S311 - chance that repeats itself
        store = await open_store(MEMORY)
        opened.push_async_callback(store.close)
        scripts = {name: _script(name, plugins.provider(name), given) for name, given in answers.items()}
        guests = {name: _guest(name, script, answers[name], configured, host) for name, script in scripts.items()}
        await store.accept([Arrival(source=event.source, event=event, plan=plan)], clock.now())
        stage = _Stage(store, guests, scripts, host, clock, wire)
        await stage.run()
        endings = await stage.endings()
    return Played(endings, [*stage.findings, *_uneven(scripts, plan.deliveries, endings)])


class _Stage(Silent):
    """The engine at work, one attempt after the other, and what it tells of them."""

    def __init__(
        self, store: Store, guests: Mapping[str, Guest], scripts: Mapping[str, Script], host: Host, clock: FakeClock, wire: Wire
    ) -> None:
        self.store = store
        self.scripts = scripts
        self.clock = clock
        self.wire = wire
        self.dispatch = Dispatch(store, guests, host, Bell(), self, owner="test")
        self.began = clock.now()
        self.attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
        self.findings: list[str] = []

    async def run(self) -> None:
        """Until nothing is due any more, or a script has no answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                for _ in range(MOST):
                    claim = await self._next()
                    if claim is None:
                        return
                    await self._attempt(claim)
            self.findings.append(f"given up after {MOST} attempts: they go on without using up `answers`")
        except TimeoutError:
            self.findings.append(f"given up after {PATIENCE:g} s of real time: a provider waits for more than its answers")

    async def _next(self) -> Claim | None:
        """The next delivery whose provider has an answer left, when it is due; None where there is none."""
        if any(script.amiss for script in self.scripts.values()):
            return None
        while True:
            free = {name: int(bool(script.left)) for name, script in self.scripts.items()}
            if claims := await self.store.claim("test", 1, 0.0, self.clock.now(), free):
                return claims[0]
            due = await self.store.next_due(self.clock.now())
            if due is None:
                return None
            self.clock.micros = due

    async def _attempt(self, claim: Claim) -> None:
        script = self.scripts[claim.delivery.provider]
        script.told.clear()
        self.wire.script = script
        await self.dispatch.deliver(claim)

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        told = tuple(self.scripts[delivery.provider].told)
        at = (self.clock.now() - self.began) / 1_000_000
        self.attempts[delivery.id].append(Attempt(at=at, answers=told, state=outcome.state, reason=outcome.reason))

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        told = "".join(traceback.format_exception_only(error)).strip() if error is not None else ""
        self.findings.append(f"{what}: {sentence} {told}".rstrip())

    async def endings(self) -> dict[str, Ending]:
        rows = await self.store.deliveries(limit=MAX_DELIVERIES)
        return {row.id: Ending(state=row.state, reason=row.reason, attempts=self.attempts[row.id]) for row in rows}


def _guest(name: str, script: Script, given: Sequence[Answer], configured: Mapping[str, BaseModel], host: Host) -> Guest:
    plugin = plugins.provider(name)
    try:
        settings = settings_of(name, plugin, configured)
    except BadInput as error:
        raise wrong(given[0].place, str(error)) from None
    return Guest(name, plugin, scripted(script, plugin.open(settings, host)))


def _script(name: str, plugin: AnyPlugin, given: Sequence[Answer]) -> Script:
    if plugin.sample is None:
        for answer in given:
            if answer.over_http:
                sentence = f"`{name}` sends no requests that a test could answer with `{answer}`."
                raise wrong(answer.place, sentence, "Say how the attempt ends: done, transient, ambiguous or permanent.")
    return Script(name, given, plugin.sample or (lambda _status: {}))


def _part(made: Plan, answers: Mapping[str, Sequence[Answer]]) -> Plan:
    """The deliveries that there are answers for."""
    chosen = tuple(delivery for delivery in made.deliveries if delivery.provider in answers)
    ids = {delivery.id for delivery in chosen}
    return changed(made, deliveries=chosen, entries=tuple(entry for entry in made.entries if entry.delivery in ids))


def _uneven(
    scripts: Mapping[str, Script], deliveries: Sequence[Delivery[Tree]], endings: Mapping[str, Ending]
) -> Iterator[str]:
    """Where the scripts and the deliveries do not match: an answer too few or too many."""
    for script in scripts.values():
        yield from script.amiss
        if script.left and not script.amiss:
            yield f"`answers` has {script.count} for {script.provider}, and {len(script.left)} of them were not asked for"
    for delivery in deliveries:
        ending, script = endings[delivery.id], scripts[delivery.provider]
        if ending.state is State.READY and not ending.attempts and not script.left:
            yield f"`answers` has {script.count} for {script.provider}, and none is left for `{delivery.rule}`"
