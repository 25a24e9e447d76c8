"""`router demo` as a newcomer runs it: the installed program, with a pipe for a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROUTER = Path(sys.executable).parent / "router"
pytestmark = pytest.mark.e2e


def started(*arguments: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
    return subprocess.Popen(
        [ROUTER, "demo", *arguments], env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
    )


def test_the_script_runs_to_its_end() -> None:
    """Everything that the script expects happens, it is told with no traceback and no colour, and the exit code is 0."""
    with started("--once", "--speed", "20") as demo:
        out, err = demo.communicate()
    assert demo.returncode == 0, out + err
    for said in (
        "push to main of alice.example/hello by alice.example",
        "none, on purpose",
        "a frame that is no event",
        "ci success - bob.example/site main",
        "ci failed",
        "/demo/hello/builds/1",
        "Everything that 11 lines of the script expect has happened.",
    ):
        assert said in " ".join(out.split())
    assert "\x1b" not in out
    assert err == ""


def test_it_runs_other_rules(tmp_path: Path) -> None:
    """`--rules` plays the script to somebody's own rules, on the demo's CI."""
    (tmp_path / "mine.yaml").write_text(
        'rules: [{name: tags, when: {tag: "v*"}, report: {workflow: ci}, do: '
        '[{buildkite: {pipeline: release, commit: "{{ sha }}", branch: "{{ tag }}"}}]}]\n'
    )
    with started("--once", "--speed", "20", "--rules", str(tmp_path)) as demo:
        out, err = demo.communicate()
    assert demo.returncode == 0, out + err
    for said in ("rule mine/tags", "/demo/release/builds/1", "status success 1", "Everything that these rules began is over."):
        assert said in " ".join(out.split())


def test_rules_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """Nothing starts, and there is no traceback."""
    (tmp_path / "mine.yaml").write_text("rules: [{name: a, when: {brnch: main}, do: []}]\n")
    with started("--once", "--rules", str(tmp_path)) as demo:
        out, err = demo.communicate()
    assert demo.returncode == 2
    assert "`brnch` is not a field" in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("after", ["loopback", "knot-a", "push to main", "status"])
def test_it_stops_at_any_moment(after: str) -> None:
    """Ctrl-C ends it with a summary and 0, whatever is under way."""
    with started("--speed", "20") as demo:
        assert demo.stdout is not None
        assert any(after in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate()
    assert demo.returncode == 0, out + err
    assert "summary" in out
    assert err == ""
