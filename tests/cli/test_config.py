"""`router config`: the settings in force, and where each was said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from router.core import durations

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

YAML = """\
store:
  path: my.db
sources:
  nightly:
    schedule: {cron: "0 3 * * *"}
providers:
  buildkite:
    token: {env: A_TOKEN}
identity: {resolver: "https://somebody:hidden@resolver.example"}
"""


def shown(call: Call) -> dict[str, dict[str, Any]]:
    done = call("config", "--output", "json")
    assert done.code == 0, done.err
    return {row["key"]: row for row in json.loads(done.out)}


@pytest.fixture
def rows(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    (folder / "router.yaml").write_text(YAML)
    monkeypatch.setenv("A_TOKEN", "a-canary-of-a-token")
    monkeypatch.setenv("ROUTER_LOG_LEVEL", "debug")
    return shown(call)


def test_each_value_has_an_origin(rows: dict[str, dict[str, Any]]) -> None:
    """A line of the file, a variable, or nowhere."""
    assert rows["store.path"] == {"key": "store.path", "value": "my.db", "from": "router.yaml:2:3"}
    assert rows["log.level"] == {"key": "log.level", "value": "debug", "from": "ROUTER_LOG_LEVEL"}
    assert rows["delivery.concurrency"]["from"] == "default"
    assert rows["sources.nightly.cron"] == {"key": "sources.nightly.cron", "value": "0 3 * * *", "from": "router.yaml:5:16"}
    assert rows["spindle"] == {"key": "spindle", "value": None, "from": "default"}


def test_durations_are_as_one_writes_them(rows: dict[str, dict[str, Any]]) -> None:
    """Also within a setting that has parts."""
    assert rows["store.keep"]["value"] == "90d"
    assert rows["delivery.loop"]["value"] == {"events": 100, "within": "10m"}


def test_no_secret_is_shown(rows: dict[str, dict[str, Any]], call: Call) -> None:
    """Where it is kept, and whether anything is there; nor the password of an address."""
    assert rows["providers.buildkite.token"]["value"] == {"env": "A_TOKEN", "set": True}
    assert rows["identity.resolver"]["value"] == "https://***@resolver.example"
    text = call("config").out
    assert "{env: A_TOKEN}" in text
    assert "canary" not in text
    assert "hidden" not in text


def test_a_secret_that_is_not_there_says_so(call: Call, folder: Path) -> None:
    (folder / "router.yaml").write_text(YAML)
    assert "{env: A_TOKEN} (not set)" in call("config").out


def test_the_environment_of_tack_is_an_origin(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACK_HOSTNAME", "spindle.example")
    monkeypatch.setenv("TACK_OWNER_DID", "did:plc:ewvi7nxzyoun6zhxrhs64oiz")
    assert shown(call)["spindle.hostname"]["from"] == "the environment of tack"


@pytest.mark.parametrize("text", ["0s", "1ms", "1s", "90m", "1h30m", "90d", "1d1h1m1s1ms"])
def test_a_duration_reads_back(text: str) -> None:
    """What is shown means what was meant."""
    assert durations.seconds(durations.text(durations.seconds(text))) == durations.seconds(text)
