"""The cases of test files, each against the rules of the folder that its file is in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router import library, plugins
from router.core import rules
from router.core.errors import BadInput
from router.core.problems import Place, Problems
from router.ruletests import cases, golden, trials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from router.core.model import Plan
    from router.core.rulebook import Rulebook
    from router.ruletests.endings import Played
    from router.ruletests.trials import Trial

    #: What router.yaml says of providers, by their names.
    Settings = Mapping[str, BaseModel]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case: no `findings` where it holds."""

    name: str
    place: Place
    findings: tuple[str, ...] = ()


@dataclass(slots=True)
class Folder:
    """Rules that are tested together, and the cases that were run with them. `sound`: none of its test files has mistakes."""

    book: Rulebook | None
    trials: list[Trial] = field(default_factory=list)
    sound: bool = True


@dataclass(slots=True)
class Session:
    """All that was run. `problems` are mistakes in rules and test files: what they touch did not run.

    `written` are the goldens that were written.
    """

    folders: dict[Path, Folder] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    unselected: int = 0
    written: list[Path] = field(default_factory=list)

    @property
    def failed(self) -> Sequence[Result]:
        return [result for result in self.results if result.findings]


def run(
    entries: Sequence[library.Entry],
    pins: Mapping[str, str],
    selects: Callable[[str], bool],
    configured: Callable[[], Settings] = dict,
    *,
    update: bool = False,
    step: Callable[[], object] = lambda: None,
) -> Session:
    """Run the tests of these files and folders whose names are selected. `pins` are handles that are known anyway;
    `configured` is asked for the settings of providers where a case has `answers`, and raises what it raises. `update`
    writes goldens that are missing or differ. `step` is called after each test."""
    runner = _Runner(pins, selects, configured, update=update, step=step)
    problems = runner.session.problems
    files = library.test_files(entries, problems)
    if not files and entries and not problems.errors:
        hint = "Tests are files beside the rules whose names end in .test.yaml."
        problems.error("R041", entries[0].place, "There is no test here.", hint)
    for file in files:
        runner.file(file)
    runner.stale(library.golden_files(entries))
    return runner.session


class _Runner:
    """Runs one file after the other. `named` are the goldens of all cases, also of those that were not selected."""

    def __init__(
        self,
        pins: Mapping[str, str],
        selects: Callable[[str], bool],
        configured: Callable[[], Settings],
        *,
        update: bool,
        step: Callable[[], object],
    ) -> None:
        self.pins = pins
        self.selects = selects
        self.configured = configured
        self.update = update
        self.step = step
        self.session = Session()
        self.named: dict[Path, Place] = {}

    def file(self, file: Path) -> None:
        session = self.session
        text = library.read(file, session.problems)
        folder = session.folders.get(file.parent)
        if folder is None:
            folder = session.folders[file.parent] = Folder(_rulebook(file.parent, session.problems))
        mine = Problems()
        found = cases.read(text, file, list(plugins.OptionModels()), mine) if text is not None else []
        session.problems.found.extend(mine.found)
        folder.sound = folder.sound and text is not None and not mine.errors
        found = [case for case in found if self._owns_golden(case)]
        chosen = [case for case in found if self.selects(case.name)]
        session.unselected += len(found) - len(chosen)
        if folder.book is None:
            return
        settings = self.configured() if any(case.answers for case in chosen) else {}
        for case in chosen:
            try:
                self._case(case, folder, folder.book, settings)
            except BadInput as error:
                session.problems.found.extend(error.problems)
            self.step()

    def _owns_golden(self, case: cases.Case) -> bool:
        """Whether no other case has the same golden: --update would write it for one, and break the other."""
        if case.golden is None:
            return True
        if other := self.named.get(case.golden):
            hint = f"Name one of them differently; the other case is at {other}."
            self.session.problems.error("R050", case.place, f"Two cases have the golden {case.golden.name}.", hint)
            return False
        self.named[case.golden] = case.place
        return True

    def _case(self, case: cases.Case, folder: Folder, book: Rulebook, settings: Settings) -> None:
        """Raises BadInput with the place of a mistake that shows only now."""
        trial = trials.prepare(case, book, self.pins)
        made = trial.plan(book)
        missing = ""
        if case.golden is not None:
            trial, missing = self._with_golden(trial, case.golden, made)
        if case.answers:
            trial = replace(trial, played=_played(trial, made, settings))
        findings = [*trial.findings(book, made), *([missing] if missing else [])]
        folder.trials.append(trial)
        self.session.results.append(Result(case.name, case.place, tuple(findings)))

    def _with_golden(self, trial: Trial, file: Path, made: Plan) -> tuple[Trial, str]:
        """The trial with what its golden holds, and what is to be said where there is none."""
        try:
            kept: str | None = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            kept = None
        except (OSError, UnicodeDecodeError) as error:
            return trial, f"{file.name} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        now = golden.text(trial.case.name, made)
        if self.update and kept != now:
            file.write_text(now, encoding="utf-8")
            self.session.written.append(file)
            kept = now
        return replace(trial, kept=kept), "" if kept is not None else f"There is no {file.name}: --update writes it"

    def stale(self, files: Sequence[Path]) -> None:
        """Tell which of these goldens no case names: they would be kept for nothing, and prove nothing."""
        for file in files:
            folder = self.session.folders.get(file.parent)
            if file not in self.named and (folder is None or folder.sound):
                self.session.problems.error("R050", Place(str(file)), "No test names this golden.", "Remove it.")


def _rulebook(folder: Path, problems: Problems) -> Rulebook | None:
    """The rules beside a test file, or None where they have errors: judging others in their place would mislead."""
    mine = Problems()
    files = sorted(path for path in folder.iterdir() if library.is_rule_file(path))
    texts = library.rule_texts(library.on_command_line([str(path) for path in files]), mine)
    book = rules.load(texts, plugins.OptionModels(), mine)
    problems.found.extend(mine.found)
    return None if mine.errors else book


def _played(trial: Trial, made: Plan, settings: Settings) -> Played:
    from router.ruletests.play import play  # noqa: PLC0415 - few cases have answers, and the others need no engine

    return play(trial.case.answers, trial.event, made, settings)
