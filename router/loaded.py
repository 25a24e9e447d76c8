"""What a router runs by, read whole: the configuration, its rules, and what tells this reading from another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from router import config, library, plugins
from router.core import rules
from router.core.errors import BadInput
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.config import Config
    from router.core.problems import Problem
    from router.core.rulebook import Rulebook
    from router.core.rules import RuleText
    from router.library import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`named` is the file that was asked for, None for the usual place; `digest` is of the files' contents, and `found` are
    problems that do not stop it from being used."""

    named: Path | None
    config: Config
    rulebook: Rulebook
    digest: str
    found: tuple[Problem, ...] = ()


def read(named: Path | None, *, listening: bool = True) -> Loaded:
    """Raises BadInput with every problem that stops it from being used. While `listening`, having nothing to hear is one.

    Slow, for many rules: on a thread of its own wherever somebody waits.
    """
    # The file's bytes first: who writes while we read is found out by the next look, which then sees another digest.
    written = _written(named)
    made = config.load(named, with_plugins=True)
    if listening and not made.sources and made.spindle is None:
        file = made.file or config.DEFAULT_FILE
        missing = f"There is no {file} here" if made.file is None else f"{file} lists no sources"
        raise BadInput(f"{missing}: there is nothing to hear. `router init DIR` writes a configuration to start from.")
    problems = Problems()
    texts = library.rule_texts(made.rules, problems)
    book = compiled(texts, problems)
    book.prepare()
    for name in {step.provider for rule in book.rules for step in rule.steps}:
        # A sketch is enough to check a step, not to run it. Imported now: whoever opens it would keep events waiting.
        plugins.provider(name)
    return Loaded(named=named, config=made, rulebook=book, digest=_digest(written, texts), found=tuple(problems.found))


def compiled(texts: Sequence[RuleText], problems: Problems, whose: str = "The rules") -> Rulebook:
    """The rules of these texts. Raises BadInput with every problem, where one of them stops the rules from being used; what
    does not is in `problems`."""
    book = rules.load(texts, plugins.OptionModels(), problems)
    if problems.errors:
        raise BadInput(f"{whose} cannot be used: `router validate` checks them.", problems.found)
    return book


def digest(named: Path | None, entries: Sequence[Entry]) -> str:
    """What `Loaded.digest` would be if the files were read now and the configuration listed these entries."""
    return _digest(_written(named), library.rule_texts(entries, Problems()))


def _written(named: Path | None) -> bytes:
    """The configuration file's bytes; none where it cannot be read: whoever loads it says why."""
    try:
        return config.file(named).read_bytes()
    except OSError:
        return b""


def _digest(written: bytes, texts: Iterable[RuleText]) -> str:
    known = hashlib.sha256(hashlib.sha256(written).digest())
    for text in texts:
        for part in (text.name, text.file, text.text):
            known.update(hashlib.sha256(part.encode("utf-8", "surrogateescape")).digest())
    return known.hexdigest()
