"""Whether a workflow file runs for a trigger: its `when`, exactly as Tangled reads it.

Facts: Tangled's workflow compiler. Constraints are alternatives; none at all is always; so is a run that somebody asks for.
Where ours is kinder: every scalar is read as its text (`branch: 1.10` is the branch 1.10), in lists too; `engine` may be
missing; and where a knot does not say what changed, `paths` holds: a build too many is better than one that never comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from router.core import scan
from router.core.globs import GlobError, compiled
from router.core.problems import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from router.core.model import Tree

#: Characters of a file that are read.
MAX_TEXT = 32_768
#: Constraints of a file, and globs of each; paths that are tried with globs, beyond which `paths` holds.
MAX_LISTED, MAX_TRIED = 100, 100_000
#: What a pull request that says nothing of it runs for.
TYPES = ("opened", "reopened", "synchronize")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class TooMuch(Exception):
    """The file asks for more than is looked at; a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What happened. `paths` is None where nobody says what changed; of a pull request nobody ever does."""

    kind: str
    branch: str = ""
    tag: str = ""
    target_branch: str = ""
    action: str = ""
    paths: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A workflow file, and whether it runs. `fault` says why it cannot be read: then nobody knows, and it does not run."""

    name: str
    runs: bool
    engine: str = ""
    clone: Mapping[str, Tree] = field(default_factory=dict)
    fault: str = ""


def compile_file(name: str, text: str, occasion: Occasion) -> Compiled:
    """Never raises: the file is a stranger's."""
    if len(text) > MAX_TEXT:
        return Compiled(name=name, runs=False, fault=f"The file is longer than {MAX_TEXT} characters.")
    try:
        if why := scan.trouble(text):
            return Compiled(name=name, runs=False, fault=f"The file is not read: {why}.")
        root = yaml.load(text, Loader=_LOADER)  # noqa: S506 - texts, lists and mappings are all that this loader makes
        if not isinstance(root, Mapping):
            return Compiled(name=name, runs=False, fault="The file is no mapping.")
        constraints = _constraints(root.get("when"))
        runs = occasion.kind == "manual" or not constraints or any(_holds(one, occasion) for one in constraints)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return Compiled(name=name, runs=False, fault=printable(f"The file is no YAML{line}: {error.problem}.")[:300])
    except (yaml.YAMLError, RecursionError, ValueError):
        return Compiled(name=name, runs=False, fault="The file is no YAML.")
    except TooMuch as error:
        return Compiled(name=name, runs=False, fault=f"In `when`: {error}")
    except GlobError as error:
        return Compiled(name=name, runs=False, fault=printable(f"In `when`: {error}")[:300])
    engine = root.get("engine")
    return Compiled(name=name, runs=runs, engine=engine if isinstance(engine, str) else "", clone=_clone(root.get("clone")))


def _constraints(when: Any) -> list[Mapping[str, Any]]:
    """Those that are mappings; one that stands alone is a list of one."""
    listed = when if isinstance(when, list) else [when] if isinstance(when, Mapping) else []
    if len(listed) > MAX_LISTED:
        raise TooMuch(f"It lists more than {MAX_LISTED} constraints.")
    return [one for one in listed if isinstance(one, Mapping)]


def _holds(constraint: Mapping[str, Any], occasion: Occasion) -> bool:
    if occasion.kind not in _texts(constraint, "event"):
        return False
    if occasion.kind == "pull_request":
        types = _texts(constraint, "types") or TYPES
        if not _matches(_texts(constraint, "branch"), occasion.target_branch) or (occasion.action or "opened") not in types:
            return False
    elif occasion.branch:
        if not _matches(_texts(constraint, "branch"), occasion.branch):
            return False
    elif not occasion.tag or not _matches(_texts(constraint, "tag"), occasion.tag):
        return False
    return _paths_hold(_texts(constraint, "paths"), occasion)


def _paths_hold(globs: Sequence[str], occasion: Occasion) -> bool:
    if not globs:
        return True
    if occasion.kind == "pull_request":
        return False
    if occasion.paths is None or len(occasion.paths) * len(globs) > MAX_TRIED:
        return True
    tests = [compiled(glob) for glob in globs]
    return any(test(path) for path in occasion.paths for test in tests)


def _matches(globs: Iterable[str], text: str) -> bool:
    tests: list[Callable[[str], bool]] = [compiled(glob) for glob in globs]
    return any(test(text) for test in tests)


def _texts(constraint: Mapping[str, Any], name: str) -> list[str]:
    value = constraint.get(name)
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_LISTED:
        raise TooMuch(f"`{name}` lists more than {MAX_LISTED} texts.")
    return [one for one in listed if isinstance(one, str) and one]


def _clone(given: Any) -> dict[str, Tree]:
    said = given if isinstance(given, Mapping) else {}
    depth = said.get("depth")
    return {
        "skip": said.get("skip") == "true",
        "depth": int(depth) if isinstance(depth, str) and depth.isascii() and depth.isdigit() and len(depth) < 10 else 0,
        "submodules": said.get("submodules", "true") == "true",
        "tags": said.get("tags", "true") == "true",
    }
