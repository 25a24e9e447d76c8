"""Problems as SARIF 2.1.0, the format in which code scanners tell what they found."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from router.cli import pages
from router.cli.findings import by_place, has_file
from router.core.codes import CODES
from router.core.problems import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.problems import Place, Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def log(found: Sequence[Problem]) -> dict[str, Any]:
    """The whole file: one run, with the codes that were found and what was found. No line of any file is in it: one may
    hold a secret."""
    codes = sorted({problem.code for problem in found})
    driver = {"name": "tangled-router", "version": version("tangled-router"), "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes.index(problem.code)) for problem in by_place(found)],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    page = pages.page(code)
    return {"id": code, "shortDescription": {"text": CODES[code]}, "help": {"text": page, "markdown": page}}


def _result(problem: Problem, index: int) -> dict[str, Any]:
    said = f"{problem.message} {problem.hint}" if problem.hint else problem.message
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "note"}[problem.level],
        "message": {"text": said},
    }
    return {**result, "locations": [_location(problem.place)]} if has_file(problem.place) else result


def _location(place: Place) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _artifact(place.file),
            "region": {"startLine": place.line, "startColumn": place.column, "endColumn": place.column + place.width},
        }
    }
    return {**location, "logicalLocations": [{"fullyQualifiedName": place.path}]} if place.path else location


def _artifact(file: str) -> dict[str, str]:
    """Relative to the working directory where the file is below it, so that the log says the same on another machine."""
    path = Path(file).absolute()
    here = Path.cwd()
    if path.is_relative_to(here) and ".." not in path.parts:
        return {"uri": quote(path.relative_to(here).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.resolve().as_uri()}
