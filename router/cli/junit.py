"""What `router test` found as JUnit's XML, which CI servers show: a suite for each test file."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from router.cli.testreport import changed, gaps
from router.core.problems import printable
from router.ruletests.coverage import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.cli.testreport import Report
    from router.ruletests.run import Result

#: name, file, line, and what is wrong with it: nothing where it passed.
_Case = tuple[str, str, int, "Sequence[str]"]


def xml(report: Report) -> str:
    """The whole document, in ASCII. Characters that XML cannot hold, or a terminal should not, are escaped as text."""
    root = ET.Element("testsuites", name="router test")
    for file, results in groupby(report.session.results, key=lambda result: result.place.file):
        _suite(root, file, [_case(result) for result in results])
    if problems := report.session.problems.errors:
        _suite(root, "files", [(p.code, p.place.file, p.place.line, [p.message, p.hint]) for p in problems])
    if not report.session.results and not problems:
        _suite(root, "files", [("selection", "", 1, ["No test was selected."])])
    if report.coverage is not None:
        found = [f"{place}: {sentence}" for place, sentence in gaps(report.coverage)]
        name = f"{together(report.coverage).percent}% covered, at least {report.least:g}% wanted"
        _suite(root, "coverage", [(name, "", 1, [] if report.covers_enough else found)])
    if report.mutation is not None:
        found = [f"{mutant.place}: {changed(mutant)}" for mutant in report.mutation.survivors]
        _suite(root, "mutants", [(f"{report.mutation.total} mutants are noticed", "", 1, found)])
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return written.decode("ascii")


def _case(result: Result) -> _Case:
    return result.name, result.place.file, result.place.line, result.findings


def _suite(root: ET.Element, name: str, cases: Sequence[_Case]) -> None:
    failed = sum(1 for *_, findings in cases if findings)
    told = {"name": printable(name), "tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    suite = ET.SubElement(root, "testsuite", told)
    for case, file, line, findings in cases:
        about = {"name": printable(case), "classname": printable(name)}
        about |= {"file": printable(file), "line": str(line)} if file else {}
        element = ET.SubElement(suite, "testcase", about)
        if findings:
            lines = [printable(finding) for finding in findings if finding]
            failure = ET.SubElement(element, "failure", message=lines[0])
            failure.text = "\n".join(lines)
