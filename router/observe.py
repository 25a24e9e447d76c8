"""Who watches: everything worth telling a person happens through one of these calls, so that the log, the demo's terminal and
metrics and traces are listeners, and no part of the engine formats text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.model import Delivery, Entry, Event, Outcome, Passed, Plan, Tree
    from router.core.problems import Problem


class Observer(Protocol):
    """Called synchronously, on the event loop, after the fact is committed where it is one of the store's. Must not raise."""

    def source(self, name: str, state: str, sentence: str = "") -> None:
        """A source is `connecting`, `up`, `down` (sentence: why, and when it tries again), `quarantined` (it failed for so long
        that it is tried once an hour), `paused` or `ended`."""

    def bad_frame(self, source: str, sentence: str) -> None:
        """A frame was no event; it is in the ring of bad frames."""

    def gap(self, source: str, sentence: str) -> None:
        """Something of this source was missed, and it does not have it any more."""

    def heard(self, event: Event) -> None:
        """A source handed an event on, and now it is decided on."""

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001
        """An event is stored with its plan. `fresh` is false for one that was there already."""

    def unmatched(self, events: Sequence[Event]) -> None:
        """These led to nothing and are not kept: no rule matched, and none was left undecided. Not told by `planned`."""

    def passed(self, source: str, passed: Passed) -> None:
        """Events of kinds that nobody asks for were passed over, without being looked at. Told by nothing else."""

    def held(self, delivery: Delivery[Tree], reason: str) -> None:
        """A gate of its rule held a delivery back that was just planned: it is not made."""

    def claimed(self, delivery: Delivery[Tree]) -> None:
        """It is in its provider's hands. Called in the task that everything happens in until `attempted`."""

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        """An attempt, or a look-up of one, is settled."""

    def took(self, delivery: Delivery[Tree], seconds: float) -> None:
        """So long was the delivery in its provider's hands."""

    def reported(self, entry: Entry) -> None:
        """A status is in the journal."""

    def circuit(self, name: str, sentence: str) -> None:
        """A destination, or a credential, is not asked any more for a while, or is asked again."""

    def doubled(self, delivery: str) -> None:
        """A delivery had happened twice, and the one too many is cancelled."""

    def operated(self, verb: str, kind: str, names: Sequence[str], who: str) -> None:
        """An operator did something to these sources, rules, deliveries or events: `pause`, `resume`, `retry`, `discard`,
        `approve`, `deny`."""

    def recovered(self, count: int) -> None:
        """So many deliveries were in the hands of a process that is gone; each is looked up."""

    def disk(self, state: str, sentence: str) -> None:
        """The disk under the store is `full` (nothing new is heard meanwhile), or `well` again."""

    def reloaded(self, ok: bool, sentence: str, found: Sequence[Problem] = (), kept: Sequence[str] = ()) -> None:  # noqa: FBT001
        """Configuration and rules were read again, and are in force (`ok`) or were refused whole. `found` are all problems;
        `kept` says what only a restart will change."""

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        """Something of ours went wrong that an operator should see: a provider's bug (with its traceback), a resolver down."""


class Silent:
    """Listens to nothing. The base of observers that want only some calls."""

    def source(self, name: str, state: str, sentence: str = "") -> None: ...

    def bad_frame(self, source: str, sentence: str) -> None: ...

    def gap(self, source: str, sentence: str) -> None: ...

    def heard(self, event: Event) -> None: ...

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None: ...  # noqa: FBT001

    def unmatched(self, events: Sequence[Event]) -> None: ...

    def passed(self, source: str, passed: Passed) -> None: ...

    def held(self, delivery: Delivery[Tree], reason: str) -> None: ...

    def claimed(self, delivery: Delivery[Tree]) -> None: ...

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None: ...

    def doubled(self, delivery: str) -> None: ...

    def operated(self, verb: str, kind: str, names: Sequence[str], who: str) -> None: ...

    def recovered(self, count: int) -> None: ...

    def took(self, delivery: Delivery[Tree], seconds: float) -> None: ...

    def reported(self, entry: Entry) -> None: ...

    def circuit(self, name: str, sentence: str) -> None: ...

    def disk(self, state: str, sentence: str) -> None: ...

    def reloaded(self, ok: bool, sentence: str, found: Sequence[Problem] = (), kept: Sequence[str] = ()) -> None: ...  # noqa: FBT001

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None: ...


def several(*observers: Observer) -> Observer:
    """One that tells each of these, in order."""
    return cast("Observer", _Several(observers))


def _nothing(*_args: Any, **_named: Any) -> None: ...


class _Several:
    """Has every call that an Observer has, those that it gets later on as well. Who is silent about something is not called:
    some calls are made for every event of a whole network."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers

    def __getattr__(self, name: str) -> Callable[..., None]:
        silence = getattr(Silent, name, None)
        calls = [getattr(observer, name) for observer in self.observers]
        calls = [call for call in calls if getattr(call, "__func__", None) is not silence]
        if len(calls) == 1:
            setattr(self, name, calls[0])
            return cast("Callable[..., None]", calls[0])

        def both(*args: Any, **named: Any) -> None:
            first(*args, **named)
            second(*args, **named)

        def tell(*args: Any, **named: Any) -> None:
            for call in calls:
                call(*args, **named)

        if len(calls) == 2:
            (first, second), tell = calls, both  # of most calls that are made for each delivery
        told: Callable[..., None] = calls[0] if len(calls) == 1 else tell if calls else _nothing
        setattr(self, name, told)
        return told
