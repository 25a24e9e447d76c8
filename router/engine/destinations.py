"""Where deliveries go, and whether anything may go there now: slots, limits and circuits of each destination.

A destination is known from its first delivery on. One that is not known yet has free slots and no limits: it is asked about by
its provider before anything is sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from router.core import options
from router.core.errors import Ambiguous, DeliveryError, RateLimited, RenderError, Transient, Unauthorized
from router.core.retry import LONGEST_WAIT
from router.engine.circuits import Circuits, Phase, Trip
from router.engine.limits import Limits
from router.host import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from router.core.model import Micros, Tree
    from router.engine.dispatch import Guest
    from router.host import Clock
    from router.observe import Observer

#: Destinations that are remembered at most: those that were met last.
MOST = 4096


class Target(Struct, frozen=True):
    """A destination by the name that the store has, with its circuits (of failures, of its credential) and its limits."""

    name: str
    circuits: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What router.yaml says of one destination."""

    concurrency: int | None = None
    limit: Limit | None = None


_NONE = Terms()


class Destinations:
    """One for the process. `each` is how many deliveries may be under way to a destination that has no `terms`."""

    def __init__(
        self,
        guests: Mapping[str, Guest],
        clock: Clock,
        observer: Observer,
        *,
        each: int = 8,
        terms: Mapping[str, Terms] | None = None,
        limits: Limits | None = None,
        trip: Trip | None = None,
    ) -> None:
        self.guests = guests
        self.clock = clock
        self.each = each
        self.terms = terms or {}
        self.limits = limits or Limits(clock)
        self.circuits = Circuits(clock, observer.circuit, trip)
        self._known: dict[str, Target] = {}
        #: Until when a destination without limits of its own asked to be left alone.
        self._paused: dict[str, Micros] = {}

    def name(self, provider: str, tree: Tree, parsed: BaseModel | None) -> str:
        """Of a delivery that is being planned: see core.plan. Whatever is wrong with it is found when it is made."""
        guest = self.guests.get(provider)
        if guest is None or guest.addresses is None:
            return provider
        try:
            own = guest.plugin.options
            return self.target(guest, parsed if isinstance(parsed, own) else options.parse(own, tree)).name
        except RenderError:
            return provider

    def target(self, guest: Guest, parsed: Any) -> Target:
        """Where a delivery with these options goes."""
        if guest.addresses is None:
            found = Target(guest.name)
        else:
            place = guest.addresses.destination(parsed)
            name = f"{guest.name}/{place.name}"
            known = self._known.get(name)
            plain = not (place.credential or place.limits or name in self.terms)
            if plain and known is not None and not known.limits and len(known.circuits) == 1:
                return self._met(known)
            circuits = (name, f"{guest.name} {place.credential}") if place.credential else (name,)
            found = Target(name, circuits, place.limits)
        own = self.terms.get(found.name, _NONE).limit
        found = Target(found.name, found.circuits, (*found.limits, own)) if own is not None else found
        return self._met(found)

    def _met(self, target: Target) -> Target:
        known = self._known
        known.pop(target.name, None)
        known[target.name] = target
        if len(known) > MOST:
            del known[next(iter(known))]
        return target

    def room(self, running: Iterable[str]) -> tuple[dict[str, int], set[str]]:
        """How many more each destination takes now, and those of which only look-ups are to be made."""
        under_way = Counter(running)
        now, probed = self.clock.now(), self._probed(under_way)
        room: dict[str, int] = {}
        looking: set[str] = set()
        for name in {*self._known, *under_way}:
            target = self._known.get(name, Target(name))
            free = max(0, self._slots(name) - under_way[name])
            circuit = self.circuits.worst(target.circuits)
            phase = circuit.phase(now)
            paused = self._paused.get(name, 0) > now
            if paused or phase is Phase.OPEN or (phase is Phase.HALF_OPEN and probed.intersection(target.circuits)):
                free = 0
            elif phase is Phase.HALF_OPEN:
                free = min(free, 1)
                probed.update(target.circuits)
            looks, sends = self.limits.room(target.limits, looking=True), self.limits.room(target.limits)
            if sends == 0:
                looking.add(name)
            most = looks if sends == 0 else sends
            room[name] = free if most is None else min(free, most)
        return room, looking

    def opens(self) -> Micros | None:
        """The first moment at which a destination that is shut by a limit or a circuit opens; None where none is shut."""
        now = self.clock.now()
        self._paused = {name: until for name, until in self._paused.items() if until > now}
        moments: list[Micros] = list(self._paused.values())
        for target in self._known.values():
            circuit = self.circuits.worst(target.circuits)
            if circuit.until > now:
                moments.append(circuit.until)
                continue
            moments += [at for at in (self.limits.opens(target.limits, looking=which) for which in (False, True)) if at > now]
        return min(moments, default=None)

    def take(self, target: Target, *, looking: bool = False) -> Micros | None:
        """One request is about to be made: None where it may be, else when it may."""
        if not target.limits:
            return None
        if self.limits.room(target.limits, looking=looking) == 0:
            return self.limits.opens(target.limits, looking=looking)
        self.limits.count(target.limits)
        return None

    def worked(self, target: Target) -> None:
        """The other side took it."""
        for name in target.circuits:
            self.circuits.worked(name)

    def failed(self, target: Target, error: BaseException) -> None:
        """What an error says of its destination."""
        if not target.circuits:
            return
        if isinstance(error, Unauthorized):
            name = target.circuits[0] if error.here else target.circuits[-1]
            self.circuits.refused(name, str(error))
        elif isinstance(error, RateLimited):
            seconds = min(error.retry_after or 0.0, LONGEST_WAIT)
            named = [limit for limit in target.limits if limit.name in error.limits]
            self.limits.drain(named or target.limits, seconds)
            if not target.limits:
                self._paused[target.name] = self.clock.now() + round(seconds * 1_000_000)
        elif isinstance(error, Ambiguous) or (isinstance(error, Transient) and error.counts and not error.alive):
            self.circuits.failed(target.circuits[0], str(error))
        elif isinstance(error, DeliveryError) and (error.response is not None or getattr(error, "alive", False)):
            self.worked(target)

    def shown(self) -> list[dict[str, Tree]]:
        """Every destination that is known, and every credential that is refused, for people."""
        now = self.clock.now()
        rows: dict[str, dict[str, Tree]] = {}
        for name, target in self._known.items():
            rows[name] = {"name": name, "slots": self._slots(name), "requests_left": self.limits.room(target.limits)}
        for name, circuit in self.circuits.all().items():
            found = rows.setdefault(name, {"name": name})
            found |= {"failures": circuit.failures, "reason": circuit.why, "until": circuit.until or None}
        for name, row in rows.items():
            paused = self._paused.get(name, 0)
            phase = self.circuits.worst([name]).phase(now)
            row |= {"state": "paused" if paused > now else str(phase), **({"until": paused} if paused > now else {})}
        return [rows[name] for name in sorted(rows)]

    def _slots(self, name: str) -> int:
        return self.terms.get(name, _NONE).concurrency or self.each

    def _probed(self, under_way: Counter[str]) -> set[str]:
        """The circuits of what is under way."""
        return {circuit for name in under_way for circuit in self._known.get(name, Target(name)).circuits}
