"""The environment of tack, the spindle that many come from: what it calls a thing is understood where nothing else says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPINDLE = {"TACK_HOSTNAME": "hostname", "TACK_OWNER_DID": "owner", "TACK_LISTEN_ADDR": "listen"}
#: Settings of a provider, of variables that hold secrets: they are named, never read here.
_TOKEN, _SECRET = "TACK_BUILDKITE_TOKEN", "TACK_BUILDKITE_WEBHOOK_SECRET"
_SOURCEHUT = "TACK_SOURCEHUT_TOKEN"
#: Those that its environment may say something of.
PROVIDERS = ("buildkite", "sourcehut")


def defaults(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Sections of router.yaml, as far as the environment of tack says them; router.yaml and ROUTER_* outrank them.

    TACK_DB_PATH is left alone: it is tack's own database, and not one of ours.
    """
    spindle: dict[str, Any] = {key: environ[name] for name, key in _SPINDLE.items() if environ.get(name)}
    if environ.get("TACK_JETSTREAM_URL"):
        spindle["jetstream"] = [environ["TACK_JETSTREAM_URL"]]
    if spindle and environ.get("TACK_DEV"):
        spindle["dev"] = True
    made = {"spindle": spindle} if spindle else {}
    if environ.get(_TOKEN):
        made["buildkite"] = _buildkite(environ)
    if environ.get(_SOURCEHUT):
        url = environ.get("TACK_SOURCEHUT_INSTANCE")
        made["sourcehut"] = {"token": {"env": _SOURCEHUT}} | ({"url": url} if url else {})
    return made


def _buildkite(environ: Mapping[str, str]) -> dict[str, Any]:
    provider: dict[str, Any] = {"token": {"env": _TOKEN}}
    if environ.get(_SECRET):
        provider["webhook_secrets"] = [{"env": _SECRET}]
    if environ.get("TACK_BUILDKITE_WEBHOOK_MODE"):
        provider["webhook_mode"] = environ["TACK_BUILDKITE_WEBHOOK_MODE"]
    if environ.get("TACK_BUILDKITE_ORG"):
        provider["org"] = environ["TACK_BUILDKITE_ORG"]
    return provider
