"""Alerts, runbooks and the dashboard: each speaks of metrics that there are, and the alerts do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.counters import Counter, Histogram
from router.metrics import CATALOGUE

ROOT = Path(__file__).parent.parent
ALERTS = ROOT / "contrib" / "prometheus"
DASHBOARD = json.loads((ROOT / "contrib" / "grafana" / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((ALERTS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
#: What Prometheus itself, or its client for Python, has.
OTHERS = {"up", "process_resident_memory_bytes"}


def names() -> dict[str, set[str]]:
    """Every series that the router has, with its labels."""
    made: dict[str, set[str]] = {name: {"job"} for name in OTHERS}
    for one in CATALOGUE:
        endings = ("_bucket", "_sum", "_count") if one.kind is Histogram else ("",)
        name = one.name if one.kind is not Counter or one.name.endswith("_total") else f"{one.name}_total"
        for ending in endings:
            made[name + ending] = {*one.labels, "job", *(("le",) if ending == "_bucket" else ())}
    return made


def series(expression: str) -> list[tuple[str, set[str]]]:
    """The series of an expression, with the labels that it selects by."""
    found = re.findall(r"\b((?:router|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?", expression)
    return [(name, {part.partition("=")[0].strip(" ~!") for part in labels.split(",") if part}) for name, labels in found]


def expressions() -> list[Any]:
    made = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]
    for panel in DASHBOARD["panels"]:
        made += [pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}") for target in panel["targets"]]
    return made


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_is_about_what_there_is(expression: str) -> None:
    """Names and labels are the router's own; what it groups by, too."""
    known, found = names(), series(expression)
    assert found
    for name, labels in found:
        assert name in known
        assert labels <= known[name]
    grouped = {part.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for part in by.split(",")}
    assert all(grouped <= known[name] for name, _ in found)


def test_each_alert_has_its_runbook() -> None:
    """And each runbook its alert; both are listed."""
    alerts = {rule["alert"] for rule in RULES}
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert alerts == pages
    listed = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    for rule in RULES:
        assert rule["annotations"]["runbook_url"].endswith(f"/runbooks/{rule['alert']}/")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert f"]({rule['alert']}.md)" in listed


def test_each_alert_is_tested() -> None:
    """Quiet at one time, and loud at another."""
    tests = yaml.safe_load((ALERTS / "alerts.test.yaml").read_text())["tests"]
    for rule in RULES:
        cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        assert {bool(case["exp_alerts"]) for case in cases} == {True, False}, rule["alert"]


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]])
def test_prometheus_takes_the_alerts(command: list[str]) -> None:
    """With promtool, of Debian's package `prometheus`; CI has it."""
    if shutil.which("promtool") is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing: .ci/run installs it")
        pytest.skip("promtool is not installed here")
    done = subprocess.run(["promtool", *command], cwd=ALERTS, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_can_be_imported() -> None:
    """Its data source and its job are chosen, never written; no two panels share a place."""
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "job"}
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places
        assert at["x"] + at["w"] <= 24
        places |= cells
        assert all('job="$job"' in target["expr"] for target in panel["targets"])
