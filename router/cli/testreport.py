"""What `router test` found, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.cli import findings, show
from router.ruletests.coverage import together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.problems import Place
    from router.ruletests.coverage import Coverage
    from router.ruletests.mutants import Mutant
    from router.ruletests.run import Result, Session


@dataclass(frozen=True, slots=True)
class Mutation:
    """How many mutants there were, and those that no test noticed."""

    total: int
    survivors: Sequence[Mutant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one call found. What was not asked for is None; `least` is the percentage that must be covered."""

    session: Session
    coverage: Sequence[Coverage] | None = None
    least: float = 0.0
    mutation: Mutation | None = None

    @property
    def covers_enough(self) -> bool:
        return self.coverage is None or together(self.coverage).is_at_least(self.least)

    @property
    def failed(self) -> bool:
        session = self.session
        wrong = session.failed or session.problems.errors or not session.results
        return bool(wrong) or not self.covers_enough or bool(self.mutation and self.mutation.survivors)


def tell(report: Report) -> None:
    """For people: each test, then what is left untested."""
    session = report.session
    findings.problems(session.problems.found)
    for result in session.results:
        _result(result)
    for file in session.written:
        show.line(f"wrote {file}")
    show.line(_summary(session), bold=True)
    if not session.results and not session.problems.errors:
        show.line("No test was selected." if session.unselected else "There is no test.", fg="red")
    if report.coverage is not None:
        _coverage(report, report.coverage)
    if report.mutation is not None:
        _mutation(report.mutation)


def _result(result: Result) -> None:
    if not result.findings:
        show.line(f"ok    {result.name}", fg="green")
        return
    show.line(f"FAIL  {result.name} ({result.place.file}:{result.place.line})", fg="red")
    for finding in result.findings:
        show.line(f"      {finding}", fg={"-": "red", "+": "green"}.get(finding.lstrip()[:1]))


def _summary(session: Session) -> str:
    failed = len(session.failed)
    parts = [f"{len(session.results) - failed} passed"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{session.unselected} not selected"] if session.unselected else []
    errors = len(session.problems.errors)
    parts += [f"{show.counted(errors, 'error')} in files"] if errors else []
    return f"{show.counted(len(session.results), 'test')}: {', '.join(parts)}."


def _coverage(report: Report, coverage: Sequence[Coverage]) -> None:
    show.line()
    rows = [(one.file, one.share.reached, one.share.total, f"{one.share.percent}%") for one in coverage]
    show.table(("FILE", "SEEN", "OF", "COVERED"), rows)
    for place, sentence in gaps(coverage):
        show.sentence(sentence, f"{place}: ")
    share = together(coverage)
    if report.covers_enough:
        show.line(f"{share.percent}% covered.", bold=True)
    else:
        show.line(f"{share.percent}% covered, and at least {report.least:g}% must be.", fg="red", bold=True)


def gaps(coverage: Sequence[Coverage]) -> Iterator[tuple[Place, str]]:
    """What was not seen, as sentences, in the order of the files."""
    for one in coverage:
        for goal in sorted(one.goals, key=lambda goal: goal.place):
            for sentence in goal.gaps():
                yield goal.place, f"{sentence}{_whose(goal.rules, goal.text)}."


def _whose(rules: Sequence[str], text: str) -> str:
    """The rule that a gap is of, where the gap does not say so itself."""
    if text.startswith("the rule "):
        return ""
    return f" in {rules[0]}" if len(rules) == 1 else f" in {len(rules)} rules"


def _mutation(mutation: Mutation) -> None:
    show.line()
    for mutant in mutation.survivors:
        show.sentence(changed(mutant), f"{mutant.place}: ", fg="red")
    left = len(mutation.survivors)
    told = f"{left} noticed by no test" if left else "each is noticed by a test"
    show.line(f"{show.counted(mutation.total, 'mutant')}: {told}.", bold=True)


def changed(mutant: Mutant) -> str:
    """Which rule, and what no test would miss."""
    whose = mutant.rules[0].name if len(mutant.rules) == 1 else f"{len(mutant.rules)} rules"
    return f"{whose}: {mutant.what}"


def tree(report: Report) -> dict[str, Any]:
    """As JSON."""
    session = report.session
    found: dict[str, Any] = {
        "tests": [
            {
                "name": result.name,
                "ok": not result.findings,
                **_place(result.place),
                "findings": list(result.findings),
            }
            for result in session.results
        ],
        "problems": [problem.tree() for problem in session.problems.found],
        "not_selected": session.unselected,
        "written": list(map(str, session.written)),
    }
    if report.coverage is not None:
        found["coverage"] = _coverage_tree(report, report.coverage)
    if report.mutation is not None:
        found["mutants"] = {
            "total": report.mutation.total,
            "survivors": [
                {"rules": [rule.id for rule in mutant.rules], "what": mutant.what, **_place(mutant.place)}
                for mutant in report.mutation.survivors
            ],
        }
    return found


def _coverage_tree(report: Report, coverage: Sequence[Coverage]) -> dict[str, Any]:
    return {
        "percent": together(coverage).percent,
        "enough": report.covers_enough,
        "files": [
            {"file": one.file, "percent": one.share.percent, "seen": one.share.reached, "of": one.share.total}
            for one in coverage
        ],
        "gaps": [{"what": sentence, **_place(place)} for place, sentence in gaps(coverage)],
    }


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}
