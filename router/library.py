"""Where rule files come from: rulesets that ship with the router, folders, single files.

A ruleset's name is its path below the folder it was listed by, without the ending; rule ids are made of it. A folder that is
one ruleset, with its tests, events and page, has a file `rules.yaml`, which has the folder's name.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from router.core.problems import Place, Problems, nearest
from router.core.rules import RuleText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUNDLED = "bundled:"
ENDINGS = (".yaml", ".yml")
TEST_ENDINGS = (".test.yaml", ".test.yml")
#: A plan that a test compares with.
GOLDEN_ENDING = ".golden.yaml"
_NO_RULES = (*TEST_ENDINGS, GOLDEN_ENDING)
#: A rule file is written by hand: one larger than this is something else, found by accident.
MAX_BYTES = 4_000_000
#: In a folder that is one ruleset.
RULES = "rules.yaml"
#: The configuration may lie in the folder of the rules, and is no rule file.
CONFIGURATION = ("router.yaml", "router.yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of `rules:`, or a PATH of the command line. `base` is what it is relative to."""

    text: str
    place: Place
    base: Path = field(default_factory=Path)


def on_command_line(paths: Sequence[str]) -> tuple[Entry, ...]:
    """The PATHs of a command as entries; a problem with one is told at the path itself."""
    return tuple(Entry(path, Place(path)) for path in paths)


def rule_texts(entries: Sequence[Entry], problems: Problems) -> list[RuleText]:
    """All rule files of the entries, in their order, each folder's sorted. What is missing or unreadable is a problem.

    A file that several entries reach is read once, under the first one's name.
    """
    texts: list[RuleText] = []
    seen: set[Path] = set()
    for entry in entries:
        root = _root(entry, problems)
        if root is None:
            continue
        found = [path for path in _walk(root) if not path.name.endswith(_NO_RULES)]
        if not found:
            hint = "Rule files end in .yaml; those that end in .test.yaml are tests."
            problems.error("R041", entry.place, f"There is no rule file in `{entry.text}`.", hint)
        for path in found:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                _look_who_may_write(path, problems)
                text = read(path, problems)
                texts += [RuleText(_name(path, root, entry), str(path), text)] if text is not None else []
    return texts


def test_files(entries: Sequence[Entry], problems: Problems) -> list[Path]:
    """The `*.test.yaml` files of the entries; an entry that is a rule file stands for the tests beside it."""
    found: dict[Path, None] = {}
    for entry in entries:
        root = _test_root(entry, problems)
        if root is not None:
            found |= dict.fromkeys(path for path in _walk(root) if path.name.endswith(TEST_ENDINGS))
    return list(found)


def golden_files(entries: Sequence[Entry]) -> list[Path]:
    """The `*.golden.yaml` files of the same entries. A test file that is listed by itself speaks for no other's."""
    roots = (_test_root(entry, Problems()) for entry in entries)
    folders = [root for root in roots if root is not None and root.is_dir()]
    return list(dict.fromkeys(path for root in folders for path in _walk(root) if path.name.endswith(GOLDEN_ENDING)))


def _test_root(entry: Entry, problems: Problems) -> Path | None:
    root = _root(entry, problems)
    return root.parent if root is not None and root.is_file() and not root.name.endswith(TEST_ENDINGS) else root


def bundled_folder() -> Path:
    """The rulesets that ship with the router: in the wheel `router/bundled`, in a checkout `rules`."""
    inside = Path(__file__).parent / "bundled"
    return inside if inside.is_dir() else inside.parent.parent / "rules"


def bundled() -> list[str]:
    """The names of the rulesets that ship with the router, sorted."""
    folder = bundled_folder()
    return sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob(RULES))


def nearest_bundled(name: str) -> str:
    """A hint for who named a ruleset that does not ship with the router."""
    known = bundled()
    folders = sorted({one.split("/")[0] for one in known})
    return nearest(name, [*known, *folders]) or f"Bundled are: {', '.join(known) or 'none'}."


def read(path: Path, problems: Problems) -> str | None:
    """A file's text, or None with a problem that says why it cannot be read."""
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            problems.error("R041", Place(str(path)), f"This file is larger than {MAX_BYTES} bytes.", "Split it.")
            return None
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(str(path), line=raw.count(b"\n", 0, error.start) + 1)
        problems.error("R041", place, "This file is not UTF-8 text.", "Save it as UTF-8.")
    except OSError as error:
        problems.error("R041", Place(str(path)), f"This file cannot be read: {error.strerror or error}.")
    return None


def _look_who_may_write(path: Path, problems: Problems) -> None:
    """Rules are code that runs with the router's tokens. A folder like /tmp lets nobody write others' files."""
    for one, what in ((path, "this file"), (path.parent, "the folder of this file")):
        try:
            mode = one.stat().st_mode
        except OSError:
            continue
        if os.name == "posix" and mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            problems.warning("R043", Place(str(path)), f"Anybody on this machine may write {what}.", f"`chmod o-w {one}`.")
            return


def _root(entry: Entry, problems: Problems) -> Path | None:
    """The file or folder that an entry names, or None with a problem."""
    if entry.text.startswith(BUNDLED):
        return _bundled(entry, problems)
    path = entry.base / entry.text
    if path.is_dir() or (path.is_file() and path.name.endswith(ENDINGS)):
        return path
    if path.is_file():
        problems.error("R041", entry.place, f"`{entry.text}` does not end in .yaml.", "Rule files do.")
    else:
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside) or "A path in router.yaml is relative to the file, one in a command to where you are."
        problems.error("R041", entry.place, f"There is no `{path}`.", hint)
    return None


def _bundled(entry: Entry, problems: Problems) -> Path | None:
    name = entry.text.removeprefix(BUNDLED)
    folder = bundled_folder()
    parts = name.split("/")
    if all(parts) and not any(part.startswith(".") for part in parts) and (folder / name).is_dir():
        return folder / name
    problems.error("R041", entry.place, f"No ruleset named `{name}` ships with the router.", nearest_bundled(name))
    return None


def _walk(root: Path) -> Iterator[Path]:
    """The YAML files below a folder, sorted, hidden ones and the configuration left out; a file stands for itself."""
    if root.is_file():
        yield root
        return
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.name in CONFIGURATION:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.name.endswith(ENDINGS) and path.is_file():
            yield path


def is_rule_file(path: Path) -> bool:
    """Whether a file of a folder holds rules, by its name."""
    name = path.name
    return name.endswith(ENDINGS) and not name.endswith(_NO_RULES) and name not in CONFIGURATION and name[0] != "."


def _name(path: Path, root: Path, entry: Entry) -> str:
    """The ruleset's name. A bundled one keeps its folder's, so that it cannot be mistaken for one of the operator's."""
    folder = bundled_folder() if entry.text.startswith(BUNDLED) else root if root.is_dir() else root.parent
    below = path.relative_to(folder)
    named = below.parent if below.name == RULES and below.parent.name else below.with_suffix("")
    return named.as_posix()
