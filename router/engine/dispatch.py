"""The way out: claim what is due, let its provider act, settle what came of it.

What may have happened is never simply done again. A delivery whose attempt was cut off (a crash, a lost answer, a lease that
ran out) is looked up first, no sooner than its provider says that a look-up can be believed; a provider that cannot look up
gets it again only where doing it twice does no harm.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from router.core import options
from router.core.errors import Ambiguous, Permanent, RenderError, RouterError, StoreFull, Transient
from router.core.model import Delivery, Entry, Outcome, Receipt, State, Status, changed
from router.core.retry import judge
from router.engine.crash import crash_point
from router.engine.destinations import Destinations, Target
from router.engine.store.base import Wanted
from router.provider import Addresses, AnyPlugin, EndsWithItsAttempt, Follows, Hears, Provider, Reconciles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from router.core.model import Retry, Tree
    from router.engine.bell import Bell
    from router.engine.store.base import Claim, Store
    from router.host import Host
    from router.observe import Observer

#: Seconds between two looks for leases that ran out.
SWEEP = 15.0
#: Deliveries of which is remembered how often in a row their look-up failed, or since when they are unsure.
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Guest:
    """An opened provider."""

    name: str
    plugin: AnyPlugin
    provider: Provider[Any]
    #: What router.yaml says of its attempts, where it says anything.
    retry: Retry | None = None
    #: The provider as what it can be, asked once: Python looks at every attribute of a protocol each time that it is asked.
    reconciles: Reconciles[Any] | None = field(init=False)
    addresses: Addresses[Any] | None = field(init=False)
    ends: bool = field(init=False)
    #: Whether it tells later how what it made ended.
    told_later: bool = field(init=False)

    def __post_init__(self) -> None:
        provider: object = self.provider
        object.__setattr__(self, "reconciles", provider if isinstance(provider, Reconciles) else None)
        object.__setattr__(self, "addresses", provider if isinstance(provider, Addresses) else None)
        object.__setattr__(self, "ends", isinstance(provider, EndsWithItsAttempt))
        object.__setattr__(self, "told_later", isinstance(provider, (Follows, Hears)))

    def policy(self, delivery: Delivery[Any]) -> Retry:
        """The rule's own, or the operator's, or the provider's."""
        return delivery.retry or self.retry or self.plugin.retry

    @property
    def settle(self) -> float | None:
        return self.reconciles.settle if self.reconciles is not None else None


class Keeps(Protocol):
    """Keeps the secrets of repos."""

    async def reveal(self, repo: str, keys: Sequence[str]) -> Mapping[str, str]:
        """The values of those that the repo has. Raises RouterError where none can be told."""


class Dispatch:
    """One for the process. `owner` is the name that its claims bear."""

    def __init__(
        self,
        store: Store,
        guests: Mapping[str, Guest],
        host: Host,
        bell: Bell,
        observer: Observer,
        *,
        owner: str,
        concurrency: int = 16,
        lease: float = 30.0,
        destinations: Destinations | None = None,
    ) -> None:
        self.store = store
        self.guests = guests
        self.host = host
        self.bell = bell
        self.observer = observer
        self.owner = owner
        self.concurrency = concurrency
        self.lease = lease
        self.destinations = destinations or Destinations(guests, host.clock, observer)
        #: Set by whoever keeps secrets.
        self.vault: Keeps | None = None
        #: The attempt's place in a trace, as `traceparent` says it; set by whoever traces.
        self.trace: Callable[[Delivery[Tree]], str] | None = None
        self._running: dict[asyncio.Task[None], Delivery[Tree]] = {}
        #: Of those, the ones whose attempt is over: they are being settled, and their place is free for what is claimed after.
        self._ending: set[asyncio.Task[None]] = set()
        #: Whether there may be more than the last claim got: it got all that it asked for, or there was no place.
        self._more = True
        #: Of claims there is one at a time. It may be the store's, in the transaction of what was heard: see `wants`.
        self._claiming = False
        self._passed_over = False
        self._took = asyncio.Event()
        self._over = False
        #: Why those were cancelled that are being ended.
        self._unwanted: dict[str, str] = {}
        #: By delivery: look-ups that failed in a row. Of this life alone: whoever starts anew asks soon.
        self._failed_looks: dict[str, int] = {}
        #: By delivery: since when it may have happened, in seconds of a clock that never leaps; for those of earlier lives,
        #: since this one began.
        self._unsure: dict[str, float] = {}
        self._begun = host.clock.steady()
        self._swept = host.clock.now()
        self._turned = monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`. What is under way then goes on: see `finish`."""
        self._over = False
        self.store.stand_by(self)
        try:
            while not stop.is_set():
                self._turned = monotonic()
                rung = self.bell.count
                now = self.host.clock.now()
                if now - self._swept >= SWEEP * 1_000_000:
                    await self._sweep()
                self._start(await self._claim(now))
                if not self._more or self._free() <= 0:
                    await self._rest(rung, now)
            self.store.stand_by(None)
            if self._claiming:
                await self._took.wait()
        finally:
            self.store.stand_by(None)
            self._over = True
        self._turned = inf

    def wants(self) -> Wanted | None:
        """Of what is being stored, as much as there are places for."""
        free = self._free()
        if self._claiming or free <= 0:
            return None
        self._claiming = True
        self._took.clear()
        return self._wanted(free, self.host.clock.now(), idle=not self._running and not self._more)

    def took(self, claims: Sequence[Claim]) -> None:
        """Start them. After the end they are left to their lease."""
        self._claiming = False
        self._took.set()
        if not self._over:
            self._start(claims)
        if self._passed_over:
            self._passed_over = False
            self.bell.ring()

    def _start(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            task = asyncio.create_task(self.deliver(claim), name=f"deliver {claim.delivery.id}")
            self._running[task] = claim.delivery
            task.add_done_callback(self._done)

    def _free(self) -> int:
        """Places: of attempts, and of nothing that is being settled."""
        return self.concurrency - len(self._running) + len(self._ending)

    def stands(self, seconds: float) -> bool:
        """Whether it has not looked for so long for what is due, although it has a place for it."""
        return self._free() > 0 and monotonic() - self._turned > seconds

    def cancel(self, delivery: str, why: str) -> bool:
        """End an attempt that is under way, where its provider acts on this machine: whether there was one."""
        for task, running in self._running.items():
            guest = self.guests.get(running.provider)
            if running.id == delivery and guest is not None and guest.ends and task not in self._ending:
                self._unwanted[delivery] = why
                task.cancel()
                return True
        return False

    async def finish(self, seconds: float) -> None:
        """Give what is under way so long to end, and leave the rest to its lease: the next start looks it up."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _claim(self, now: int) -> Sequence[Claim]:
        free = self._free()
        if free <= 0:
            self._more = True  # what waits was not looked at
            return ()
        self._more = False
        if self._claiming:
            self._passed_over = True
            return ()
        self._claiming = True
        wanted = self._wanted(free, now)
        try:
            claims = await self.store.claim(
                wanted.owner, free, wanted.lease, now, wanted.room, each=wanted.each, looking=wanted.looking
            )
        except StoreFull:
            return ()  # what waits, waits: the bell rings when there is room
        finally:
            self._claiming = False
        self._more = len(claims) == free
        return claims

    def _wanted(self, count: int, now: int, *, idle: bool = False) -> Wanted:
        under_way = (delivery.destination for task, delivery in self._running.items() if task not in self._ending)
        room, looking = self.destinations.room(under_way)
        each = self.destinations.each
        return Wanted(
            owner=self.owner, count=count, lease=self.lease, now=now, room=room, each=each, looking=looking, idle=idle
        )

    async def _rest(self, rung: int, now: int) -> None:
        """Wait for the bell, or until something is due or a destination opens. With no free slot only the bell can change
        anything."""
        seconds = SWEEP
        if self._free() > 0:
            # What is due already and yet was not claimed waits for its lane, so for the bell, or for its destination.
            moments = (await self.store.next_due(now), self.destinations.opens())
            seconds = min([SWEEP, *((at - now) / 1_000_000 for at in moments if at is not None and at > now)])
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait(rung)
        except TimeoutError:
            await self._sweep()

    async def _sweep(self) -> None:
        """Take back what was claimed and never settled. What is under way here is not that, however far a clock leapt; nor is
        what the store is just claiming for us, so it is done after that."""
        if self._claiming:
            self._passed_over = True
            return
        self._swept = self.host.clock.now()
        with suppress(StoreFull):
            held = [delivery.id for delivery in self._running.values()]
            if lost := await self.store.recover(self._swept, held):
                self.observer.recovered(lost)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._ending.discard(task)
        self.bell.ring()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.observer.fault("dispatch", "A delivery could not be settled; its lease will run out.", error)

    async def deliver(self, claim: Claim) -> None:
        self.observer.claimed(claim.delivery)
        begun = monotonic()
        try:
            outcome = await self._outcome(claim)
        except asyncio.CancelledError:
            why = self._unwanted.pop(claim.delivery.id, None)
            if why is None:
                raise
            receipt = Receipt(id=claim.delivery.id, status=Status.CANCELLED, error=why)
            outcome = changed(_made(receipt), entries=_entries(claim.delivery, _made(receipt), self.host.clock.now()))
        self.observer.took(claim.delivery, monotonic() - begun)
        self._ends()
        if await self.store.settle(claim, outcome, self.host.clock.now()):
            self.observer.attempted(claim.delivery, outcome)
            for entry in outcome.entries:
                self.observer.reported(entry)

    def _ends(self) -> None:
        """The present attempt is over, and its outcome is about to be handed to the store: a claim comes after it there, so who
        waits for its place need not wait for its commit as well."""
        task = asyncio.current_task()
        if task in self._running:
            self._ending.add(task)
            if self._more:
                self.bell.ring()

    async def _outcome(self, claim: Claim) -> Outcome:
        outcome = await self._try(claim)
        self._remember(claim, outcome)
        guest = self.guests.get(claim.delivery.provider)
        told = guest is not None and guest.told_later
        entries = _entries(claim.delivery, outcome, self.host.clock.now(), told_later=told)
        return changed(outcome, entries=entries) if entries else outcome

    async def _try(self, claim: Claim) -> Outcome:
        guest = self.guests.get(claim.delivery.provider)
        if guest is None:
            return Outcome(state=State.DEAD, reason=f"The provider {claim.delivery.provider} is not installed any more.")
        try:
            parsed = options.parse(guest.plugin.options, claim.delivery.options)
        except RenderError as error:
            return Outcome(state=State.DEAD, reason=f"The provider's options have changed since. {error}")
        if claim.verify and (early := self._too_early(claim, guest)) is not None:
            return early
        if not claim.verify and guest.ends:
            await self._begins(claim.delivery)
        target = self.destinations.target(guest, parsed)
        trace = self.trace(claim.delivery) if self.trace is not None else ""
        return await self._attempt(changed(claim.delivery, options=parsed, trace=trace), claim, guest, target)

    def _remember(self, claim: Claim, outcome: Outcome) -> None:
        """Since when it is unsure. A look-up that came too early, or failed, sent nothing and puts nothing off."""
        if outcome.state is not State.VERIFY:
            self._unsure.pop(claim.delivery.id, None)
        elif outcome.counts or not claim.verify:
            self._unsure[claim.delivery.id] = self.host.clock.steady()
            if len(self._unsure) > REMEMBERED:
                del self._unsure[next(iter(self._unsure))]

    async def _begins(self, delivery: Delivery[Tree]) -> None:
        """What acts on this machine runs as soon as it is tried; nobody else would say so before its end."""
        if not delivery.subject.workflow:
            return
        now = self.host.clock.now()
        entry = Entry(delivery=delivery.id, workflow=delivery.subject.workflow, status=Status.RUNNING, at=now)
        for told in await self.store.tell([entry], now):
            self.observer.reported(told)
            self.bell.ring()

    def _too_early(self, claim: Claim, guest: Guest) -> Outcome | None:
        """A look-up is believed only if it begins `settle` after the failure: before that the other side may not show it. So
        much time has passed only if that is what the wall's clock says, which may leap, and the one that does not."""
        settle, now = guest.settle or 0.0, self.host.clock.now()
        waited = self.host.clock.steady() - self._unsure.get(claim.delivery.id, self._begun)
        due = max(claim.failed_at + int(settle * 1_000_000), now + ceil((settle - waited) * 1_000_000))
        if due <= now:
            return None
        return Outcome(state=State.VERIFY, reason="Waiting before it is looked up.", due=due, counts=False)

    async def _attempt(self, delivery: Delivery[Any], claim: Claim, guest: Guest, target: Target) -> Outcome:
        sending = False
        timeout = self.host.within(delivery.timeout)
        try:
            with timeout:
                if claim.verify:
                    found = await self._look_up(delivery, claim, guest, target)
                    if found is not None:
                        return found
                if delivery.secrets:
                    delivery = changed(delivery, revealed=await self._revealed(delivery))
                if (later := self.destinations.take(target)) is not None:
                    return _full(State.READY, target, later)
                sending = True
                crash_point("before_deliver")
                receipt = await guest.provider.deliver(delivery)
                crash_point("after_deliver")
                self.destinations.worked(target)
                return _made(receipt)
        except Exception as error:  # noqa: BLE001 - the error's class says what to do; an unknown one is the provider's bug
            if timeout.expired and isinstance(error, TimeoutError):
                error = Ambiguous(f"No answer within {delivery.timeout:g} s.")
            elif not isinstance(error, RouterError):
                self.observer.fault(f"provider {guest.name}", f"A bug, met by the delivery {delivery.id}.", error)
            outcome = self._judge(error, delivery, claim, guest, looking=claim.verify and not sending)
            self.destinations.failed(target, error)
            return outcome

    async def _revealed(self, delivery: Delivery[Any]) -> Mapping[str, str]:
        if self.vault is None:
            raise Permanent("Its step asks for secrets, and only a spindle keeps any: router.yaml has no `spindle`.")
        try:
            return await self.vault.reveal(delivery.subject.repo, delivery.secrets)
        except RouterError as error:
            raise Permanent(f"Its secrets cannot be read: {error}") from None

    async def _look_up(self, delivery: Delivery[Any], claim: Claim, guest: Guest, target: Target) -> Outcome | None:
        """What an earlier attempt came to; None where it surely did not happen and may be made now."""
        if guest.reconciles is not None:
            if (later := self.destinations.take(target, looking=True)) is not None:
                return _full(State.VERIFY, target, later)
            receipt = await guest.reconciles.find(delivery)
            self._failed_looks.pop(delivery.id, None)
            self.destinations.worked(target)
            if receipt is not None:
                return _made(receipt, "It had happened already.")
        elif not (guest.plugin.idempotent or delivery.idempotent or claim.asked):
            raise Permanent("It may have happened before the router stopped, and it is not marked idempotent: not made again.")
        if claim.tries > guest.policy(delivery).attempts:
            raise Permanent(f"Given up after {claim.tries - 1} attempts; the last look-up found nothing.")
        return None

    def _judge(
        self, error: Exception, delivery: Delivery[Any], claim: Claim, guest: Guest, *, looking: bool = False
    ) -> Outcome:
        tries, policy = claim.tries, guest.policy(delivery)
        if looking:
            # A look-up sends nothing and, when it fails, proves nothing: it uses up no attempt, is tried until it can tell, and
            # must not make the delivery one that was never sent.
            error = Transient(str(error), response=error.response) if isinstance(error, Ambiguous) else error
            tries = self._failed_look(delivery.id, error)
            policy = replace(policy, attempts=tries + 1)
        outcome = judge(
            error,
            tries=tries,
            policy=policy,
            now=self.host.clock.now(),
            roll=self.host.rng.random(),
            idempotent=guest.plugin.idempotent or delivery.idempotent,
            settle=guest.settle,
        )
        if looking and outcome.state is State.READY:
            return changed(outcome, state=State.VERIFY, counts=False)
        self._failed_looks.pop(delivery.id, None)
        return outcome

    def _failed_look(self, delivery: str, error: Exception) -> int:
        """How often it failed in a row, and so how rarely it is tried: attempts, kills and waits for a turn do not tell."""
        failed = self._failed_looks.pop(delivery, 0) + (not isinstance(error, Transient) or error.counts)
        self._failed_looks[delivery] = failed
        if len(self._failed_looks) > REMEMBERED:
            del self._failed_looks[next(iter(self._failed_looks))]
        return max(1, failed)


def _full(state: State, target: Target, due: int) -> Outcome:
    return Outcome(state=state, reason=f"Waiting for the limit of requests to {target.name}.", due=due, counts=False)


def _made(receipt: Receipt, reason: str = "") -> Outcome:
    return Outcome(state=State.DONE, reason=reason, receipt=receipt)


def _entries(delivery: Delivery[Tree], outcome: Outcome, now: int, *, told_later: bool = True) -> tuple[Entry, ...]:
    """The status that an outcome means by itself: that of a receipt, or failed for a dead letter of a rule that reports. Where
    nothing more can be told later, having been delivered is the end: nobody waits for a status that never comes."""
    workflow, receipt = delivery.subject.workflow, outcome.receipt
    if receipt is not None and receipt.status is not None:
        told = Entry(
            delivery=delivery.id,
            workflow=workflow,
            status=receipt.status,
            at=now,
            error=receipt.error,
            exit_code=receipt.exit_code,
            url=receipt.url,
        )
        return (told,)
    if receipt is not None and workflow and not told_later:
        return (Entry(delivery=delivery.id, workflow=workflow, status=Status.SUCCESS, at=now, url=receipt.url),)
    if outcome.state is State.DEAD and workflow:
        return (Entry(delivery=delivery.id, workflow=workflow, status=Status.FAILED, at=now, error=outcome.reason),)
    return ()
