"""The cases of test files, each against the rules of the folder that its file is in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router import library, plugins
from router.core import rules
from router.core.errors import BadInput
from router.core.plan import plan
from router.core.problems import Problem, Problems, nearest
from router.core.rulebook import Rulebook
from router.ruletests import cases, events, verdicts
from router.ruletests.endings import Played

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from router.core.model import Event
    from router.core.problems import Place

    #: What router.yaml says of providers, by their names.
    Settings = Mapping[str, BaseModel]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case: no `findings` where it holds."""

    name: str
    place: Place
    findings: tuple[str, ...] = ()


@dataclass(slots=True)
class Session:
    """All that was run. `problems` are mistakes in rules and test files: what they touch did not run."""

    results: list[Result] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    unselected: int = 0

    @property
    def failed(self) -> Sequence[Result]:
        return [result for result in self.results if result.findings]


def run(
    entries: Sequence[library.Entry],
    pins: Mapping[str, str],
    selects: Callable[[str], bool],
    configured: Callable[[], Settings] = dict,
) -> Session:
    """Run the tests of these files and folders whose names are selected. `pins` are handles that are known anyway;
    `configured` is asked for the settings of providers where a case has `answers`. Raises what it raises."""
    session = Session()
    books: dict[Path, Rulebook | None] = {}
    files = library.test_files(entries, session.problems)
    if not files and entries and not session.problems.errors:
        hint = "Tests are files beside the rules whose names end in .test.yaml."
        session.problems.error("R041", entries[0].place, "There is no test here.", hint)
    for file in files:
        text = library.read(file, session.problems)
        if file.parent not in books:
            books[file.parent] = _rulebook(file.parent, session.problems)
        found = cases.read(text, file, list(plugins.OptionModels()), session.problems) if text is not None else []
        chosen = [case for case in found if selects(case.name)]
        session.unselected += len(found) - len(chosen)
        book = books[file.parent]
        settings = configured() if any(case.answers for case in chosen) else {}
        session.results += _results(chosen, book, pins, settings, session.problems) if book is not None else []
    return session


def _rulebook(folder: Path, problems: Problems) -> Rulebook | None:
    """The rules beside a test file, or None where they have errors: judging others in their place would mislead."""
    mine = Problems()
    files = sorted(path for path in folder.iterdir() if library.is_rule_file(path))
    texts = library.rule_texts(library.on_command_line([str(path) for path in files]), mine)
    book = rules.load(texts, plugins.OptionModels(), mine)
    problems.found.extend(mine.found)
    return None if mine.errors else book


def _results(
    chosen: Sequence[cases.Case], book: Rulebook, pins: Mapping[str, str], settings: Settings, problems: Problems
) -> Iterator[Result]:
    for case in chosen:
        try:
            event = events.with_facts(events.build(case.event), trust=case.trust, now=case.now)
            known = _with_vars(book, case)
            identities = _identities(book, pins, case)
            played = _played(case, event, known, identities, settings)
            findings = [*verdicts.judge(case, event, known, identities, played.endings), *played.findings]
        except BadInput as error:
            problems.found.extend(error.problems)
            continue
        yield Result(case.name, case.place, tuple(findings))


def _played(case: cases.Case, event: Event, book: Rulebook, identities: Mapping[str, str | None], settings: Settings) -> Played:
    if not case.answers:
        return Played()
    from router.ruletests.play import play  # noqa: PLC0415 - few cases have answers, and the others need no engine

    return play(case.answers, event, plan(event, book, identities), settings)


def _identities(book: Rulebook, pins: Mapping[str, str], case: cases.Case) -> dict[str, str | None]:
    """Who is who in this case. A handle that nobody names belongs to nobody here: tests ask no network."""
    return {**dict.fromkeys(book.handles), **pins, **case.identities}


def _with_vars(book: Rulebook, case: cases.Case) -> Rulebook:
    """The rules with the case's variables for templates. Conditions (`{in: vars.x}`) were compiled with the file's own."""
    if not case.vars:
        return book
    known = {name for ruleset in book.rulesets for name in ruleset.vars}
    for name in case.vars:
        if name not in known:
            sentence = f"No rule file here has a variable `{name}`."
            raise BadInput(sentence, [Problem("R031", case.place, sentence, nearest(name, known))])
    changed = tuple(
        replace(ruleset, vars={**ruleset.vars, **{k: v for k, v in case.vars.items() if k in ruleset.vars}})
        for ruleset in book.rulesets
    )
    return Rulebook(changed, book.handles)
