"""Circuit breakers: after failures in a row nothing is sent to a destination for a while, then one delivery, which decides.

What waits meanwhile uses up no attempts. A credential that is refused has a circuit of its own, for all that it is used for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from router.core.errors import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from router.core.model import Micros
    from router.host import Clock

#: Circuits that are kept at most; closed ones without a failure are not kept at all.
MOST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """So many failures in a row open a circuit, for `wait` seconds at first, and after each time that the one delivery failed
    for twice as long, up to `longest`."""

    failures: int = 5
    wait: float = 30.0
    longest: float = 600.0


class Phase(StrEnum):
    """`half-open` lets one delivery through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True)
class Circuit:
    """Why it failed last, how often in a row, and until when it is open (0: it is not)."""

    why: str = ""
    failures: int = 0
    until: Micros = 0
    wait: float = 0.0

    def phase(self, now: Micros) -> Phase:
        if not self.until:
            return Phase.CLOSED
        return Phase.OPEN if self.until > now else Phase.HALF_OPEN


class Circuits:
    """By name. `changed` is told of each that opens or closes, with a sentence."""

    def __init__(self, clock: Clock, changed: Callable[[str, str], None], trip: Trip | None = None) -> None:
        self.clock = clock
        self.trip = trip or Trip()
        self.changed = changed
        self._circuits: dict[str, Circuit] = {}

    def worst(self, names: Iterable[str]) -> Circuit:
        """Of those that a delivery needs all of, the one that keeps it back longest."""
        found = (self._circuits.get(name, Circuit()) for name in names)
        return max(found, key=lambda circuit: circuit.until, default=Circuit())

    def failed(self, name: str, why: str) -> None:
        """Once more in a row. While it is open this changes nothing: what fails then was under way before."""
        now = self.clock.now()
        circuit = self._circuits.get(name)
        if circuit is None:
            self._make_room()
            circuit = self._circuits[name] = Circuit()
        circuit.failures += 1
        circuit.why = why
        phase = circuit.phase(now)
        if phase is Phase.HALF_OPEN or (phase is Phase.CLOSED and circuit.failures >= self.trip.failures):
            self._open(name, circuit, min(self.trip.longest, 2 * circuit.wait or self.trip.wait))

    def refused(self, name: str, why: str) -> None:
        """Open at once, until it is worth asking again; `router deliveries retry` asks at once."""
        self._make_room()
        circuit = self._circuits.setdefault(name, Circuit())
        circuit.failures += 1
        circuit.why = why
        if circuit.phase(self.clock.now()) is not Phase.OPEN:
            self._open(name, circuit, Unauthorized.AGAIN)

    def worked(self, name: str) -> None:
        """The other side is there, whatever it said."""
        circuit = self._circuits.pop(name, None)
        if circuit is not None and circuit.until:
            self.changed(name, "It answers again; what waited is made.")

    def close_all(self) -> None:
        """Ask everywhere again at once: an operator mended something."""
        for circuit in self._circuits.values():
            circuit.until = min(circuit.until, self.clock.now()) if circuit.until else 0

    def all(self) -> dict[str, Circuit]:
        """Those that have failed since they last worked."""
        return dict(self._circuits)

    def _open(self, name: str, circuit: Circuit, seconds: float) -> None:
        circuit.wait = seconds
        circuit.until = self.clock.now() + round(seconds * 1_000_000)
        self.changed(name, f"Nothing is sent there for {seconds:g} s: {circuit.why}")

    def _make_room(self) -> None:
        if len(self._circuits) >= MOST:
            now = self.clock.now()
            kept = [(name, one) for name, one in self._circuits.items() if one.phase(now) is not Phase.CLOSED]
            self._circuits = dict(kept[-MOST // 2 :])
