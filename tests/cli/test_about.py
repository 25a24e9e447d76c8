"""`router providers` and `router schema`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]


def test_providers_are_listed_with_their_options(call: Call) -> None:
    """Each provider has who brought it and its options, those that are needed marked."""
    code, out, err = call("providers")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["PROVIDER", "FROM", "OPTIONS", "(*", "needed)"]
    assert [line.split()[0] for line in lines[1:]] == ["buildkite", "log", "shell", "sourcehut", "webhook"]
    assert "tangled-router 0.1.0" in lines[2]
    assert "message*" in lines[2]


def test_providers_as_json_have_their_schemas(call: Call) -> None:
    """Programs get what a step and router.yaml may say of each provider."""
    found = {provider["name"]: provider for provider in json.loads(call("providers", "--output", "json").out)}
    assert found["log"]["distribution"] == "tangled-router 0.1.0"
    assert "message" in found["log"]["options"]["properties"]
    assert set(found["webhook"]) == {"name", "distribution", "idempotent", "options", "settings"}


def test_the_schema_knows_the_installed_providers(call: Call) -> None:
    """What an editor offers in a step is what is installed here."""
    found = json.loads(call("schema").out)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"log", "webhook", "shell", "buildkite"} <= set(found["$defs"]["step"]["properties"])
