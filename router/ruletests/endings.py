"""How a delivery ended that was played with scripted answers, and what a case expects of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.core import document
from router.core.model import State
from router.core.problems import nearest
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.core.document import Node
    from router.core.problems import Place, Problems

ENDING_KEYS = ("attempts", "outcome", "reason")
#: What a delivery can be when nobody is at it.
OUTCOMES = tuple(str(state) for state in State if state is not State.CLAIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """`attempts` made, None for any; the last state, "" for any; text that its reason must contain."""

    place: Place
    attempts: int | None = None
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, look-ups before it included. `at` is in seconds since the event; `answers` are those that it used up."""

    at: float
    answers: tuple[str, ...]
    state: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of a delivery when nothing was left to be done, or to be said."""

    state: State
    reason: str
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """What came of playing: the ending of each delivery that was, by its id, and where the answers did not fit."""

    endings: Mapping[str, Ending] = field(default_factory=dict)
    findings: Sequence[str] = ()


def read(item: Node, *, answered: bool, problems: Problems) -> Expectation | None:
    """What an item of `expect` says of the end; None where it says nothing. `answered`: the case has `answers`."""
    said = [key for key in ENDING_KEYS if item.get(key) is not None]
    if not said:
        return None
    outcome = _outcome(item.get("outcome"), problems)
    # What cannot be rendered is dead before anybody is asked.
    if not answered and outcome != State.DEAD:
        sentence = f"`{said[0]}` is about a delivery that is made, and this case has no `answers`."
        problems.error("R050", item.key_place(said[0]), sentence, "Say what the provider is answered.")
    return Expectation(
        place=item.key_place(said[0]),
        attempts=_attempts(item.get("attempts"), problems),
        outcome=outcome,
        reason=_text(item.get("reason"), problems),
    )


def _attempts(node: Node | None, problems: Problems) -> int | None:
    if node is None:
        return None
    if node.kind != "int" or node.value < 0:
        document.wrong_type(node, problems, "`attempts`", "a whole number, zero or more")
        return None
    return int(node.value)


def _outcome(node: Node | None, problems: Problems) -> str:
    word = document.text(node, problems, "`outcome`") if node is not None else None
    if word is None or node is None:
        return ""
    if word not in OUTCOMES:
        hint = nearest(word, OUTCOMES) or f"It is one of {', '.join(OUTCOMES)}."
        problems.error("R050", node.place, f"No delivery is ever `{word}`.", hint)
    return word


def _text(node: Node | None, problems: Problems) -> str:
    return (document.text(node, problems, "`reason`") or "") if node is not None else ""


def differences(expected: Expectation | None, ending: Ending | None) -> Iterator[str]:
    """Each thing that differs, and under it what is expected and what came. `ending` is None for a delivery that was not
    played."""
    if expected is None:
        return
    if ending is None:
        yield "it is not made: `answers` has nothing for its provider"
        return
    made = len(ending.attempts)
    if expected.attempts not in (None, made):
        yield from ("attempts", f"  - {expected.attempts}", f"  + {made}")
    if expected.outcome not in ("", ending.state):
        yield from ("outcome", f"  - {expected.outcome}", f"  + {ending.state}")
    if expected.reason not in ending.reason:
        yield from ("reason", f"  - one with {show(expected.reason, 200)}", f"  + {show(ending.reason, 400)}")


def tale(ending: Ending) -> Iterator[str]:
    """What happened when: one line for each attempt."""
    for attempt in ending.attempts:
        reason = f": {attempt.reason}" if attempt.reason else ""
        yield f"t=+{attempt.at:.1f}s {', '.join(attempt.answers) or 'nothing asked'} -> {attempt.state}{reason}"
