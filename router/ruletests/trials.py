"""A case, ready to be judged: its event is built, and who is who in it is known. Rules come later, and may be others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router.core.errors import BadInput
from router.core.plan import plan
from router.core.problems import Problem, nearest
from router.core.rulebook import Rulebook
from router.ruletests import events, golden, verdicts
from router.ruletests.endings import Played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.core.model import Event, Plan
    from router.ruletests.cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One case of a test file. `kept` is the text of its golden; None where it has none, or none was written yet.

    `played` is what came of the deliveries that the rules made as they are.
    """

    case: Case
    event: Event
    identities: Mapping[str, str | None]
    kept: str | None = None
    played: Played = field(default_factory=Played)

    def plan(self, book: Rulebook) -> Plan:
        """What these rules make of the event, with the case's own variables."""
        return plan(self.event, with_vars(book, self.case), self.identities)

    def findings(self, book: Rulebook, made: Plan) -> Iterator[str]:
        """What is wrong with a plan of these rules; nothing where the case holds. Raises BadInput where it names no rule."""
        yield from verdicts.judge(self.case, made, self.event, book, self.identities, self.played.endings)
        yield from self.played.findings
        if self.kept is not None and self.case.golden is not None:
            now = golden.text(self.case.name, made)
            if now != self.kept:
                yield f"{self.case.golden.name} differs:"
                yield from (f"    {line}" for line in golden.differences(self.kept, now))


def prepare(case: Case, book: Rulebook, pins: Mapping[str, str]) -> Trial:
    """The trial of a case. Raises BadInput where its event is none, or it changes a variable that no rule file has.

    A handle that nobody names belongs to nobody here: tests ask no network.
    """
    event = events.with_facts(events.build(case.event), trust=case.trust, now=case.now)
    known = {name for ruleset in book.rulesets for name in ruleset.vars}
    for name in case.vars:
        if name not in known:
            sentence = f"No rule file here has a variable `{name}`."
            raise BadInput(sentence, [Problem("R031", case.place, sentence, nearest(name, known))])
    return Trial(case=case, event=event, identities={**dict.fromkeys(book.handles), **pins, **case.identities})


def with_vars(book: Rulebook, case: Case) -> Rulebook:
    """The rules with the case's variables for templates. Conditions (`{in: vars.x}`) were compiled with the file's own."""
    if not case.vars:
        return book
    changed = tuple(
        replace(ruleset, vars={**ruleset.vars, **{k: v for k, v in case.vars.items() if k in ruleset.vars}})
        for ruleset in book.rulesets
    )
    return Rulebook(changed, book.handles)
