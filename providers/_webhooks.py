"""Buildkite's webhooks: that they are Buildkite's, and what they tell.

Facts: https://buildkite.com/docs/apis/webhooks. A token in a header, or an HMAC-SHA256 over the time and the raw body. A build
in a webhook has no jobs, and may be newer than the event that it came with: its `state` decides.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from providers import _builds
from router.core.errors import BadInput
from router.core.model import Status
from router.provider import News, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.model import Micros

#: Seconds that a signature may be older or newer than now.
TOLERANCE = 300
FAILED = (Status.FAILED, Status.TIMEOUT)
_SIGNATURE = re.compile(r"timestamp=([0-9]{1,12}),\s*signature=([0-9a-f]{64})")
_BUILD = re.compile(r"/organizations/([A-Za-z0-9_-]+)/pipelines/([A-Za-z0-9_-]+)/builds/([0-9]{1,12})")
_DELIVERY = re.compile(r"[0-9a-f]{32}")


def proved(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], mode: str, now: int) -> str:
    """The signature, which counts once; empty for a token. Raises Refused."""
    if not secrets:
        raise Refused("No secret of webhooks is configured: `webhook_secrets` of the provider buildkite in router.yaml.")
    signed, token = headers.get("x-buildkite-signature"), headers.get("x-buildkite-token")
    if signed is not None and mode != "token":
        return _signature(signed, body, secrets, now)
    if token is not None and mode != "signature":
        # Bytes that are no text come as halves of characters.
        given = token.encode("utf-8", "surrogatepass")
        if any([hmac.compare_digest(given, secret.encode()) for secret in secrets]):  # noqa: C419 - all, in constant time
            return ""
        raise Refused("The token is not ours.")
    raise Refused("It has no token and no signature of the kind that is configured.")


def _signature(header: str, body: bytes, secrets: Sequence[str], now: int) -> str:
    found = _SIGNATURE.fullmatch(header.strip())
    if found is None:
        raise Refused("The signature cannot be read.")
    made = [hmac.new(secret.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest() for secret in secrets]
    if not any([hmac.compare_digest(found[2], one) for one in made]):  # noqa: C419 - as above
        raise Refused("The signature is not ours.")
    if abs(int(found[1]) - now) > TOLERANCE:
        raise Refused("The signature is too old, or from the future.")
    return found[2]


def news(body: bytes, now: Micros) -> News | None:
    """What it tells of a delivery of ours; None where it speaks of something else. Raises BadInput."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("The body is not JSON.") from None
    if not isinstance(tree, dict):
        raise BadInput("The body is no object.")
    build = tree.get("build")
    if not isinstance(build, dict):
        return None
    delivery, where = _delivery(build), place(build)
    if delivery is None or where is None:
        return None
    receipt, report = _builds.receipt(build, *where), _builds.report(delivery, build, now)
    if receipt is None or report is None:
        return None
    return News(report=report, receipt=receipt, rerun=_rerun(build))


def _delivery(build: Mapping[str, Any]) -> str | None:
    meta = build.get("meta_data")
    name = meta.get("router:delivery") if isinstance(meta, dict) else None
    return name if isinstance(name, str) and _DELIVERY.fullmatch(name) else None


def place(build: Mapping[str, Any]) -> tuple[str, str] | None:
    """The organization and the pipeline, of the build's own address."""
    url = build.get("url")
    found = _BUILD.search(url) if isinstance(url, str) else None
    return None if found is None else (found[1], found[2])


def _rerun(build: Mapping[str, Any]) -> str:
    """What makes this a further run: it was rebuilt from another. Empty for a first one."""
    before = build.get("rebuilt_from")
    if isinstance(before, dict) and isinstance(before.get("id"), str):
        return f"rebuild {build.get('id')}"
    return ""
