"""Settings without secrets, for tests."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.errors import BadInput
from router.provider import Closed, Plugin, Secret
from router.ruletests.placeholders import PLACEHOLDER, settings_of
from router.secret import Secret as Kept


class Inner(Closed):
    """A section of settings."""

    key: Secret


class Settings(Closed):
    """Secrets wherever settings may have them."""

    token: Secret
    url: str = "https://x.example"
    inner: Inner | None = None
    named: dict[str, Secret] = {}  # noqa: RUF012 - pydantic copies it
    listed: list[Secret] = []  # noqa: RUF012 - as above
    paired: tuple[str, Secret] | None = None


class Strict(Settings):
    """Settings that are more than secrets."""

    room: str


def plugin(settings: type[Closed]) -> Plugin[Any, Any]:
    return Plugin(settings=settings, options=Closed, open=lambda *_: None)  # type: ignore[arg-type]


def test_every_secret_is_replaced_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """In mappings, lists, pairs and sections alike; what is no secret stays."""
    monkeypatch.setenv("KEY", "canary")
    key = Kept("env", "KEY")
    given = Settings(
        token=key, url="https://y.example", inner=Inner(key=key), named={"a": key}, listed=[key], paired=("a", key)
    )
    made = settings_of("x", plugin(Settings), {"x": given})
    assert isinstance(made, Settings)
    assert made.inner is not None
    assert made.paired is not None
    found = [made.token, made.inner.key, made.named["a"], made.listed[0], made.paired[1]]
    assert [secret.reveal() for secret in found] == [PLACEHOLDER] * 5
    assert (made.url, made.paired[0]) == ("https://y.example", "a")


def test_without_a_configuration_the_defaults_hold() -> None:
    """A secret that the settings need is made up, and the rest is as by default."""
    made = settings_of("x", plugin(Settings), {})
    assert isinstance(made, Settings)
    assert (made.token.reveal(), made.url) == (PLACEHOLDER, "https://x.example")


def test_what_cannot_be_made_up_is_asked_for() -> None:
    """A setting that is needed and no secret has to be written."""
    with pytest.raises(BadInput, match="needs settings: say `room` of it"):
        settings_of("x", plugin(Strict), {})
