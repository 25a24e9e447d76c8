"""`router run` as a command: what it refuses, and that a file of events is run to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router import app
from router.core.errors import StoreBroken

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]


def test_without_a_configuration_there_is_nothing_to_hear(call: Call) -> None:
    """Starting in the wrong folder is told, with what to do; nothing is created there."""
    said = "There is no router.yaml here: there is nothing to hear. `router init DIR` writes a configuration to start from."
    assert call("run") == (2, "", f"router: {said}\n")


def test_a_configuration_without_sources_hears_nothing(call: Call, folder: Path) -> None:
    """A router that would sit there silently does not start."""
    (folder / "router.yaml").write_text("rules: []\n")
    code, _, err = call("run")
    assert code == 2
    assert err.startswith("router: router.yaml lists no sources: there is nothing to hear.")


def test_mistakes_in_the_configuration_stop_it_with_their_places(call: Call, folder: Path) -> None:
    """Every problem is on stderr with its line; the exit code says that starting again will not help."""
    (folder / "router.yaml").write_text("stor: {}\nlog: {level: loud}\n")
    code, out, err = call("run")
    assert (code, out) == (2, "")
    assert err.startswith("router.yaml:1:1: error R003: `stor` is not a key of router.yaml.\n  1 | stor: {}\n    | ^^^^\n")
    assert err.endswith("router: The configuration cannot be used.\n")


def test_a_variable_that_is_wrong_stops_it(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable would be silently void; it has no line to show, only its name."""
    monkeypatch.setenv("ROUTER_STORE_PTH", "/tmp/x")
    code, _, err = call("run")
    assert code == 2
    assert "environment: error R003: ROUTER_STORE_PTH is not a variable that the router reads.\n    = Did you mean" in err


def test_a_file_that_is_not_there_is_a_sentence(call: Call, folder: Path) -> None:
    """--source must be readable before anything starts."""
    assert call("init", ".").code == 0
    assert call("run", "--source", "none.jsonl") == (2, "", "router: There is no file `none.jsonl` of events.\n")


@pytest.fixture
def recorded(call: Call, folder: Path) -> Path:
    """A project, and its push as a line of a file."""
    assert call("init", ".").code == 0
    file = folder / "events.jsonl"
    file.write_text(json.dumps(json.loads((folder / "events/push.json").read_text())) + "\n")
    return file


def states(call: Call) -> list[str]:
    return [row["state"] for row in json.loads(call("deliveries", "list", "--output", "json").out)]


def test_a_file_of_events_is_run_to_its_end(call: Call, recorded: Path) -> None:
    """--source hears the file alone, delivers what rules ask for, and ends with 0 once all is settled."""
    assert call("run", "--source", "events.jsonl").code == 0
    assert states(call) == ["done"]


def test_the_same_file_again_delivers_nothing_twice(call: Call, recorded: Path) -> None:
    """An event that was heard is known, whether the file is the same or has grown."""
    assert call("run", "--source", "events.jsonl").code == 0
    assert call("run", "--source", "events.jsonl").code == 0
    recorded.write_text(
        recorded.read_text().replace("refs/heads/main", "refs/heads/topic").replace("3n2y3epywm22e", "3n2y3epywm23e") * 2
    )
    assert call("run", "--source", "events.jsonl").code == 0
    assert states(call) == ["done"]
    assert len(json.loads(call("events", "list", "--output", "json").out)) == 2


def test_a_disk_that_fails_has_an_exit_code_of_its_own(call: Call, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """74, sysexits' EX_IOERR: whoever supervises the router may know that starting it again will not help."""

    async def fails(*_: object, **__: object) -> None:
        raise StoreBroken("The disk failed under the store router.db: disk I/O error.")

    monkeypatch.setattr(app, "run", fails)
    said = "router: The disk failed under the store router.db: disk I/O error.\n"
    assert call("run", "--source", "events.jsonl") == (74, "", said)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="wants a file that anybody may open and nobody can read")
def test_a_file_that_cannot_be_read_ends_the_run(call: Call, recorded: Path) -> None:
    """At once, with the reason: there is nobody who would mend the file while the router waits."""
    code, _, err = call("run", "--source", "/proc/self/mem")
    assert code == 3
    assert err.endswith("cannot be read: /proc/self/mem: Input/output error.\n")
