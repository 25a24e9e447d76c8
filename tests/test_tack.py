"""Whoever comes from tack brings its environment along."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import config
from router.core.errors import BadInput

OWNER = "did:plc:" + "o" * 24
TACK = {
    "TACK_HOSTNAME": "ci.example.com",
    "TACK_OWNER_DID": OWNER,
    "TACK_LISTEN_ADDR": ":8080",
    "TACK_DEV": "1",
    "TACK_JETSTREAM_URL": "wss://jetstream.example.com/subscribe",
    "TACK_BUILDKITE_TOKEN": "canary-token",
    "TACK_BUILDKITE_WEBHOOK_SECRET": "canary-secret",
    "TACK_BUILDKITE_WEBHOOK_MODE": "signature",
    "TACK_SOURCEHUT_TOKEN": "canary-sourcehut",
    "TACK_SOURCEHUT_INSTANCE": "https://builds.example.com",
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parity(81)
def test_its_environment_alone_makes_a_spindle() -> None:
    """Secrets are named, and stay where they are."""
    made = config.load(environ=TACK)
    assert made.spindle is not None
    assert (made.spindle.hostname, made.spindle.owner, made.spindle.listen, made.spindle.dev) == (
        *("ci.example.com", OWNER, ":8080"),
        True,
    )
    assert made.spindle.jetstream == ["wss://jetstream.example.com/subscribe"]
    assert "canary" not in repr(made)
    assert "TACK_BUILDKITE_TOKEN" in repr(made.providers["buildkite"])
    assert "TACK_SOURCEHUT_TOKEN" in repr(made.providers["sourcehut"])
    assert "https://builds.example.com" in repr(made.providers["sourcehut"])


def test_what_is_written_outranks_it(tmp_path: Path) -> None:
    """And so does the router's own environment."""
    (tmp_path / "router.yaml").write_text(
        "spindle: {hostname: written.example.com}\nproviders: {buildkite: {token: {env: OTHER}}}\n"
    )
    made = config.load(environ={**TACK, "ROUTER_SPINDLE_LISTEN": "127.0.0.1:9"})
    assert made.spindle is not None
    assert (made.spindle.hostname, made.spindle.owner, made.spindle.listen) == ("written.example.com", OWNER, "127.0.0.1:9")
    assert "OTHER" in repr(made.providers["buildkite"])


def test_without_any_of_it_there_is_no_spindle() -> None:
    assert config.load(environ={}).spindle is None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TACK_HOSTNAME": "ci.example.com"}, "owner"),
        ({"ROUTER_SPINDLE_OWNER": OWNER}, "hostname"),
        ({**TACK, "TACK_OWNER_DID": "x"}, "DID"),
    ],
)
def test_half_a_spindle_is_an_error(environ: dict[str, str], said: str) -> None:
    """That says what is missing."""
    with pytest.raises(BadInput) as caught:
        config.load(environ=environ)
    assert any(said in str(problem) for problem in caught.value.problems)
