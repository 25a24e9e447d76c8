"""`router rules`: the rulesets that ship with the router, to look at and to copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from router import library
from router.cli import FINE, names, show
from router.cli.group import Verbs
from router.cli.opening import output_option
from router.core import document
from router.core.errors import BadInput
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.document import Node

_HERE = "router.cli.rules"


@click.group(
    cls=Verbs,
    verbs={
        "list": (f"{_HERE}:list_", "List the rulesets that ship with the router."),
        "show": (f"{_HERE}:show_one", "Print the rules of one."),
        "copy": (f"{_HERE}:copy", "Copy one, with its tests, to be edited."),
        "hits": ("router.cli.hits:hits", "List the rules in force: how often each matched, and what is paused."),
        "pause": ("router.cli.hits:pause", "Let the deliveries of these rules wait."),
        "resume": ("router.cli.hits:resume", "Make the deliveries of these rules again."),
    },
)
def rules() -> None:
    """Rulesets that ship with the router (router.yaml lists them as `bundled:NAME`), and the rules in force."""


@click.command("list")
@output_option
def list_(output: str) -> int:
    """List the rulesets that ship with the router."""
    found = [_told(name) for name in library.bundled()]
    if output == "json":
        show.as_json(found)
    else:
        show.table(
            ("NAME", "RULES", "TESTS", "WHAT IT DOES"),
            [(one["name"], one["rules"], one["tests"], one["about"]) for one in found],
        )
    return FINE


@click.command("show")
@click.argument("name", metavar="NAME", shell_complete=names.bundled)
@output_option
def show_one(name: str, output: str) -> int:
    """Print the rules of a ruleset as they are written."""
    found = _named(name)
    if len(found) > 1:
        raise BadInput(f"`{name}` is several rulesets: name one of {', '.join(found)}.")
    text = _rules_of(found[0]).read_text(encoding="utf-8")
    if output == "json":
        show.as_json(_told(found[0]) | {"text": text})
    else:
        for line in text.splitlines():
            show.line(line)
    return FINE


@click.command("copy")
@click.argument("name", metavar="NAME", shell_complete=names.bundled)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@output_option
def copy(name: str, folder: Path, output: str) -> int:
    """Copy a ruleset into DIR, with its tests, events and page; or all that are named NAME/….

    Overwrites nothing: where one of the files is there already, nothing is written. The copy has the names and ids of the
    original, so one of the two is loaded, not both.
    """
    shipped = library.bundled_folder()
    files = [file for found in _named(name) for file in _files(shipped / found)]
    targets = {folder / file.relative_to(shipped): file for file in files}
    there = [target for target in targets if target.exists()]
    if there:
        raise BadInput(f"{there[0]} is there already, and nothing is overwritten: name another folder.")
    for target, file in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    if output == "json":
        show.as_json({"written": [str(target) for target in targets]})
        return FINE
    for target in targets:
        show.line(f"wrote {target}")
    show.line(f"Next: edit it, and list {folder} in router.yaml in place of {library.BUNDLED}{_plain(name)}.")
    return FINE


def _plain(name: str) -> str:
    return name.removeprefix(library.BUNDLED).strip("/")


def _named(name: str) -> list[str]:
    """The rulesets that a name means: one, or all of a folder. Raises BadInput."""
    plain = _plain(name)
    found = [one for one in library.bundled() if plain == one or one.startswith(f"{plain}/")]
    if not found:
        raise BadInput(f"No ruleset named `{plain}` ships with the router. {library.nearest_bundled(plain)}")
    return found


def _rules_of(name: str) -> Path:
    return library.bundled_folder() / name / library.RULES


def _files(folder: Path) -> Iterator[Path]:
    """What belongs to a ruleset."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".yaml", ".json", ".md"):
            yield path


def _told(name: str) -> dict[str, str | int]:
    """A ruleset in a line: what its first comment says, and how many rules and tests it has."""
    file = _rules_of(name)
    root = _document(file)
    listed = root.get("rules") if root is not None else None
    tests = [_document(path) for path in sorted(file.parent.iterdir()) if path.name.endswith(library.TEST_ENDINGS)]
    return {
        "name": name,
        "about": file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# "),
        "rules": len(listed.value) if listed is not None else 0,
        "tests": sum(len(cases.value) for cases in tests if cases is not None),
    }


def _document(file: Path) -> Node | None:
    return document.read(file.read_text(encoding="utf-8"), str(file), Problems())
