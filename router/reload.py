"""Read again what the router runs by, try it beside what runs now, and put all of it in force at once, or nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from router import loaded
from router.core.differences import Kind, Pair, Tally
from router.core.errors import BadInput, RouterError
from router.core.rulebook import Rulebook
from router.engine import heap
from router.engine.aside import aside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from router.config import Config
    from router.core.model import Micros, Tree
    from router.core.problems import Problem
    from router.engine.store.base import EventRow, Store
    from router.host import Clock
    from router.loaded import Loaded
    from router.observe import Observer

#: Recorded events that new rules are tried on, and seconds that this may take: those that are left then are not tried.
TRIED, TRY_WITHIN = 100, 10.0
#: What of the spindle can be another while it serves. Everything else is part of who it is, or of how it was reached.
_SPINDLES_OWN = frozenset(("unmatched", "silent"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it. `digest` is of what is in force now; `found` are all problems of what was read; `changed` and `kept` say
    what is another, and what needs a restart to become so."""

    ok: bool
    sentence: str
    at: Micros
    digest: str
    found: tuple[Problem, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    tried: Tally | None = None

    def tree(self) -> dict[str, Tree]:
        """As JSON."""
        made: dict[str, Any] = {
            "ok": self.ok,
            "sentence": self.sentence,
            "at": self.at,
            "digest": self.digest,
            "findings": [problem.tree() for problem in self.found],
            "changed": list(self.changed),
            "kept": list(self.kept),
        }
        return made if self.tried is None else {**made, "tried": _tried(self.tried)}


def _tried(tally: Tally) -> dict[str, Tree]:
    return {
        "events": tally.events,
        "differing": tally.differing,
        "deliveries": {str(kind): tally.counted(kind) for kind in Kind},
        "undecided": {rule: doubt.sentence for rule, doubt in sorted(tally.doubts.items())},
    }


class Reload:
    """One for the process. `exchange` puts something in force: it says what changed, or raises RouterError while nothing has.
    `identities` tells who is who now."""

    def __init__(
        self,
        running: Loaded,
        store: Store,
        clock: Clock,
        observer: Observer,
        identities: Callable[[], Mapping[str, str | None]],
        exchange: Callable[[Loaded], Awaitable[Sequence[str]]],
    ) -> None:
        self.running = running
        self.store = store
        self.clock = clock
        self.observer = observer
        self.identities = identities
        self.exchange = exchange
        #: What the files said when they were last read, in force or not.
        self.seen = running.digest
        self.last: Result | None = None
        #: Set by everything that is put in force.
        self.changed = asyncio.Event()
        self._one_by_one = asyncio.Lock()

    async def again(self) -> Result:
        """Never raises for what was read, however wrong it is: then all stays as it was, and the result says why."""
        async with self._one_by_one:
            before: list[object] = [*self.running.rulebook.rules]
            with heap.building():
                result = self.last = await self._again()
            self.observer.reloaded(result.ok, result.sentence, result.found, result.kept)
            if result.ok:
                heap.built()
                await heap.drop(before)
            return result

    async def look(self) -> None:
        """`again`, if the files have changed since they were last read."""
        if await aside(self._digest, "look") != self.seen:
            await self.again()

    def _digest(self) -> str:
        return loaded.digest(self.running.named, self.running.config.rules)

    async def _again(self) -> Result:
        self.seen = await aside(self._digest, "look")
        try:
            read = await aside(partial(loaded.read, self.running.named), "reload")
            config, kept = lasting(self.running.config, read.config)
            rows = await self.store.events(limit=TRIED)
            identities = {**self.identities(), **config.identity.pins}
            tried = await aside(partial(_try, self.running.rulebook, read.rulebook, rows, identities), "reload")
            made = replace(read, config=config)
            changed = await self.exchange(made)
        except BadInput as error:
            return self._refused(str(error), tuple(error.problems))
        except RouterError as error:
            return self._refused(str(error))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new, the old goes on
            self.observer.fault("reload", "A bug, met while reading configuration and rules again.", error)
            return self._refused(f"A bug in the router: {type(error).__name__}. The log says more.")
        said = [*_rules_changed(self.running.rulebook, made.rulebook), *changed]
        self.running, self.seen = made, made.digest
        self.changed.set()
        return Result(
            ok=True,
            sentence=_sentence(made, tried, said),
            at=self.clock.now(),
            digest=made.digest,
            found=made.found,
            changed=tuple(said),
            kept=tuple(kept),
            tried=tried,
        )

    def _refused(self, sentence: str, found: tuple[Problem, ...] = ()) -> Result:
        told = f"{sentence} What ran before goes on."
        return Result(ok=False, sentence=told, at=self.clock.now(), digest=self.running.digest, found=found)


def lasting(old: Config, new: Config) -> tuple[Config, Sequence[str]]:
    """The new configuration, with what only a restart can change as it was, and a sentence for each such setting."""
    kept: list[str] = []
    if old.store_path.absolute() != new.store_path.absolute():
        kept.append(_kept("store.path"))
        new = replace(new, store=new.store.model_copy(update={"path": str(old.store_path.absolute())}))
    if old.store.ballast != new.store.ballast:
        kept.append(_kept("store.ballast"))
        new = replace(new, store=new.store.model_copy(update={"ballast": old.store.ballast}))
    if old.admin != new.admin:
        kept.append(_kept("admin"))
        new = replace(new, admin=old.admin)
    if (old.spindle is None) != (new.spindle is None):
        kept.append(_kept("spindle"))
        return replace(new, spindle=old.spindle), kept
    if old.spindle is not None and new.spindle is not None:
        names = [name for name in type(old.spindle).model_fields if name not in _SPINDLES_OWN]
        other = [name for name in names if getattr(old.spindle, name) != getattr(new.spindle, name)]
        kept += [_kept(f"spindle.{name}") for name in other]
        new = replace(new, spindle=new.spindle.model_copy(update={name: getattr(old.spindle, name) for name in other}))
    return new, kept


def _kept(name: str) -> str:
    return f"{name} is another now, and stays as it was until the router is started again."


def _try(old: Rulebook, new: Rulebook, rows: Sequence[EventRow], identities: Mapping[str, str | None]) -> Tally:
    """What is different about these events. The running rulebook itself stays with those that run it."""
    tally, end = Tally(), time.monotonic() + TRY_WITHIN
    pair = Pair(Rulebook(old.rulesets, old.handles), new)
    for row in () if pair.same else rows:
        if time.monotonic() > end:
            break
        tally.add(str(row.number), row.event, *pair.plans(row.event, identities))
    return tally


def _rules_changed(old: Rulebook, new: Rulebook) -> Sequence[str]:
    before = {ruleset.name: ruleset.text for ruleset in old.rulesets}
    now = {ruleset.name: ruleset.text for ruleset in new.rulesets}
    return [
        *(f"rules {name} added" for name in now if name not in before),
        *(f"rules {name} changed" for name in now if name in before and now[name] != before[name]),
        *(f"rules {name} removed" for name in before if name not in now),
    ]


def _sentence(made: Loaded, tried: Tally, changed: Sequence[str]) -> str:
    count = len(made.rulebook.rules)
    rules = f"{count} {'rule' if count == 1 else 'rules'}"
    if not changed:
        return f"{rules} in force; nothing is different."
    lead = f"{rules} in force: {', '.join(changed)}."
    if not tried.events:
        return lead
    counts = ", ".join(f"{number} {kind}" for kind in Kind if (number := tried.counted(kind)))
    deliveries = f" (deliveries: {counts})" if counts else ""
    return f"{lead} Of the last {tried.events} events {tried.differing} would differ{deliveries}."
