"""The rules that `router plan` compares with: those of the running router, of a folder, or of a git revision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from router import library
from router.cli import revision
from router.cli.asking import ask
from router.core.problems import Problems
from router.core.rules import RuleText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.config import Config
    from router.library import Entry

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Against:
    """Rule files, and whose they are, to follow "Compared with "."""

    texts: Sequence[RuleText]
    whose: str


def find(name: str, entries: Sequence[Entry], settings: Config, problems: Problems) -> Against:
    """What `--against` names: `live`, a path or a bundled ruleset, or else a revision, at which `entries` are looked up.

    Where no router runs, what the configuration lists is what one would load. Raises BadInput and RouterError.
    """
    if name == LIVE:
        running = _running(settings)
        if running is not None:
            return Against(running, "the rules that the running router has loaded")
        return Against(library.rule_texts(settings.rules, problems), "the rules that would be loaded now: no router is running")
    if name.startswith(library.BUNDLED) or Path(name).exists():
        return Against(library.rule_texts(library.on_command_line([name]), problems), f"the rules of {name}")
    texts, missing = revision.rule_texts(name, entries, problems)
    without = f", which has no {' and no '.join(missing)}" if missing else ""
    return Against(texts, f"the rules at revision {name}{without}")


def _running(settings: Config) -> Sequence[RuleText] | None:
    """What the router that runs on this store has loaded; None where none does."""
    told = ask(settings, "GET", "/api/v1/rulesets")
    return None if told is None else [RuleText(one["name"], one["file"], one["text"]) for one in told["rulesets"]]
