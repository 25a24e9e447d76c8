"""The demo's terminal: each event, the rule that it matched and why, the action, and the status coming back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from router.core.model import State
from router.demo.cast import NAMES
from router.demo.record import Record
from router.demo.words import describe, safe, whereabouts
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from router.core.model import Delivery, Entry, Event, Outcome, Plan, Tree
    from router.demo.script import Played

_LABEL = 10
_STYLES = {"success": "green", "failed": "red", "timeout": "red", "cancelled": "yellow", "running": "cyan", "pending": "dim"}
_STATES = {
    State.DONE: "done",
    State.READY: "will be tried again",
    State.VERIFY: "may have happened, will be looked up",
    State.DEAD: "is dead",
}
#: The option that says best what a step does, by provider or not.
_TELLING = ("pipeline", "url", "message", "command", "script")


def terminal() -> Console:
    """stdout, with colours where it is a terminal and NO_COLOR is not set; nothing that is printed is ever markup."""
    return Console(markup=False, highlight=False, emoji=False)


class DemoView(Silent):
    """Prints what it observes. `why(event, rule id)` tells what made a rule match; `names` are those of known DIDs."""

    def __init__(
        self, console: Console, why: Callable[[Event, str], Sequence[str]], names: Mapping[str, str] | None = None
    ) -> None:
        self.console = console
        self.why = why
        self.names = NAMES if names is None else names
        self.record = Record()

    def say(self, sentence: str) -> None:
        """A sentence of the demo's own."""
        self._headline("demo", sentence, "bold")

    def source(self, name: str, state: str, sentence: str = "") -> None:
        if state in ("up", "down"):
            self._row(name, f"{state}{': ' + safe(sentence) if sentence else ''}", "dim")

    def bad_frame(self, source: str, sentence: str) -> None:
        self.record.bad_frame(source, sentence)
        self._headline(source, "a frame that is no event", "yellow")
        self._row("  passed", safe(sentence), "yellow")

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        self.record.planned(event, plan, fresh)
        if not fresh or (event.kind == "spindle" and not plan.matched):
            return
        self._headline(event.source, describe(event, self.names), "bold")
        for trouble in plan.troubles:
            self._row("  trouble", f"{safe(trouble.rule)}: {safe(trouble.sentence)}", "yellow")
        for rule in plan.matched:
            self._row("  rule", safe(rule), "magenta")
            for reason in self.why(event, rule):
                self._row("  because", safe(reason), "dim")
        if not plan.matched:
            self._row("  rule", "none matched", "dim")
        elif not plan.deliveries and not plan.troubles:
            self._row("  action", "none, on purpose", "dim")
        for delivery in plan.deliveries:
            what = (
                "" if delivery.state is State.READY else f" ({delivery.state}{': ' * bool(delivery.reason)}{delivery.reason})"
            )
            self._row("  action", f"{_what(delivery)}{safe(what)}")

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        self.record.attempted(delivery, outcome)
        told = f"{_what(delivery)} {_STATES.get(outcome.state, str(outcome.state))}"
        if outcome.reason:
            told += f": {safe(outcome.reason)}"
        self._row("  answer", told + self._of(delivery.id), "" if outcome.state is State.DONE else "yellow")
        if outcome.receipt is not None and outcome.receipt.url:
            self._row("", safe(outcome.receipt.url), "blue")

    def reported(self, entry: Entry) -> None:
        happening = self.record.by_delivery.get(entry.delivery)
        known = happening is not None and happening.statuses.get(entry.delivery) == str(entry.status)
        self.record.reported(entry)
        if known or not entry.workflow:
            return
        told = f"{safe(entry.workflow, 40)} {entry.status}{': ' + safe(entry.error) if entry.error else ''}"
        self._row("  status", told + self._of(entry.delivery), _STYLES.get(str(entry.status), ""))
        if entry.url and entry.status.final:
            self._row("", safe(entry.url), "blue")

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.record.fault(what, sentence, error)
        self._row("fault", f"{safe(what)}: {safe(sentence)}", "red")

    def summary(self, played: Sequence[Played] | None = None) -> int:
        """Print the counts and, given the lines that were played, what is not as they expect. The exit code: 0 or 1."""
        self.console.print()
        self._row("summary", ", ".join(f"{what} {count}" for what, count in self.record.counts().items()), "bold")
        if played is None:
            return 0
        missing = list(self.record.missing(played))
        for sentence in missing:
            self._row("  missing", safe(sentence, 300), "red")
        if not missing and any(one.line.expect.rules is None for one in played):
            self._row("", "Everything that these rules began is over.", "green")
        elif not missing:
            self._row("", f"Everything that {len(played)} lines of the script expect has happened.", "green")
        return 1 if missing else 0

    def _of(self, delivery: str) -> str:
        """Which event a late line is about."""
        happening = self.record.by_delivery.get(delivery)
        return f" - {whereabouts(happening.event, self.names)}" if happening else ""

    def _headline(self, source: str, told: str, style: str) -> None:
        self.console.print()
        self._row(source, told, style)

    def _row(self, label: str, told: str, style: str = "") -> None:
        """A label and a text that hangs beside it. Text, never markup: rich would obey what a stranger wrote."""
        margin = Text(self._encodable(safe(label, _LABEL)).ljust(_LABEL + 1), style="cyan")
        body = Text(self._encodable(told), style=style)
        for line in body.wrap(self.console, max(self.console.width - _LABEL - 1, _LABEL), overflow="fold"):
            line.rstrip()
            self.console.print(margin + line, soft_wrap=True)
            margin = Text(" " * (_LABEL + 1))

    def _encodable(self, text: str) -> str:
        """What the terminal's encoding cannot say is escaped, because printing must not raise."""
        encoding = self.console.encoding
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _held_back(delivery: Delivery[Tree]) -> str:
    """Why nothing will be sent: shadow, skipped, or dead because it could not be rendered."""
    if delivery.state is State.READY:
        return ""
    return f" ({delivery.state}: {safe(delivery.reason)})" if delivery.reason else f" ({delivery.state})"


def _what(delivery: Delivery[Tree]) -> str:
    options = delivery.options if isinstance(delivery.options, dict) else {}
    said = next((safe(options[key], 60) for key in _TELLING if isinstance(options.get(key), str)), "")
    item = f" [{safe(delivery.item, 40)}]" if delivery.item else ""
    return f"{safe(delivery.provider, 40)} {said}".rstrip() + item
