"""What everything that strangers or operators write must lead to: an answer or a refusal of its own, and nothing else. Used by
the tests and by the fuzzer."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, cast

from providers import _webhooks, buildkite
from router.core import rules, when, workflows
from router.core.errors import BadInput
from router.core.problems import Problems
from router.host import Host
from router.plugins import OptionModels
from router.provider import Refused
from router.spindle import xrpc
from router.spindle.auth import AuthError, Authority
from router.spindle.xrpc import Refusal
from router.testing import FakeClock
from tests import canaries
from tests.spindle.test_auth import KEYS, METHOD, People, encoded, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

#: When webhooks come, in seconds.
NOW = 1_795_435_201
_VARIABLE = "FUZZED_WEBHOOK_SECRET"


def workflow_file(text: str) -> None:
    """What it asks for is plain data or a fault in a sentence; whether it runs is told, or why it cannot be."""
    asked = workflows.asked(text)
    assert set(asked) <= {"provider", "options", "fault"}
    assert str(asked.get("fault", "")).isprintable()
    for kind in ("push", "pull_request", "manual"):
        occasion = when.Occasion(kind=kind, branch="main", target_branch="main", paths=["a/b"])
        made = when.compile_file("ci.yml", text, occasion)
        assert made.fault.isprintable()
        assert not (made.fault and made.runs)
    json.dumps(asked)


def rule_file(text: str) -> None:
    """With the options of real providers: rules, or problems that can be shown."""
    problems = Problems()
    rules.load([rules.RuleText("r", "r.yaml", text)], OptionModels(), problems)
    assert all(str(problem).isprintable() for problem in problems.found)


def nobodys_webhook(headers: Mapping[str, str], body: bytes, mode: str) -> None:
    """Refused, in either scheme, by an exception of its own, whose sentence has no secret."""
    try:
        _webhooks.proved(headers, body, [canaries.HEARD], mode, NOW)
    except Refused as refused:
        assert canaries.HEARD not in str(refused)  # noqa: PT017 - either is right
        return
    raise AssertionError("It was believed.")


def buildkites_webhook(body: bytes) -> None:
    """With the right token, any body is news, nothing, or bad input."""
    os.environ[_VARIABLE] = canaries.HEARD
    settings = buildkite.Settings.model_validate({"token": {"env": "A_TOKEN"}, "webhook_secrets": [{"env": _VARIABLE}]})
    provider = buildkite.Buildkite(settings, Host(cast("aiohttp.ClientSession", None), FakeClock()))
    try:
        told = asyncio.run(provider.receive({"x-buildkite-token": canaries.HEARD}, body))
    except BadInput as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right
        return
    assert isinstance(list(told), list)


class _Once:
    """A store that remembers no token."""

    async def use(self, *_given: Any) -> bool:
        return True


def refused_token(header: str) -> None:
    """AuthError, and a sentence for the caller."""
    made = Authority("ci.example.com", People(KEYS["ES256K"]), cast("Any", _Once()), FakeClock())  # type: ignore[arg-type]
    try:
        asyncio.run(made.verify(header, METHOD))
    except AuthError as error:
        assert len(str(error)) < 500  # noqa: PT017 - either is right
        return
    raise AssertionError("It was believed.")


def signed_token(head: bytes, claims: bytes) -> str:
    """By a key that is known, whatever it says."""
    return signed(encoded(head), encoded(claims), "ES256K")


def trigger(said: Any) -> None:
    """What `triggerPipeline` is sent: a trigger of the right types, or an error of XRPC."""
    try:
        made = xrpc._trigger(said)
    except Refusal as error:
        assert error.status in (400, 401, 403)  # noqa: PT017 - either is right
        return
    assert all(isinstance(made[name], str) for name in ("ref", "sourceBranch", "targetBranch", "action") if name in made)
    assert all(isinstance(one["key"], str) and isinstance(one["value"], str) for one in made["inputs"])
