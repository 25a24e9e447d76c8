"""Send an HTTP request, signed by Standard Webhooks where there is a secret for it.

https://github.com/standard-webhooks/standard-webhooks: `webhook-id` is the delivery's id, the same in every attempt, so that a
receiver that gets one twice can tell; `webhook-timestamp` is the attempt's. An answer that is lost is asked for again: the
promise is at least once.
"""

from __future__ import annotations

import base64
import json as jsonlib
import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from pydantic import AfterValidator, Field, model_validator

from providers._requests import READ, Answer, ask
from router.core.errors import Ambiguous, DeliveryError, Permanent, RateLimited, Transient
from router.core.model import Delivery, Receipt, Status
from router.provider import Bounded, Closed, Destination, Duration, Plainly, Plugin, Retry, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.provider import Host

#: Bytes of an answer that are read.
LIMIT = 65536
#: Bytes of a request's body.
LARGEST = 1 << 20
#: Bytes of a signing key: the specification wants 24 to 64, and some senders have fewer.
SHORTEST = 16
#: Seconds for which an answer's body is read once its status is there: that has decided already.
LINGER = 5.0
#: When what failed is tried again: at once, and then after so many seconds each, more than a day in all.
SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0)
#: Seconds until a secret that cannot be used is read again: only an operator can mend it.
REFUSED = 300.0

#: URLs that are surely right.
_USUAL_URL = r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~/-]*)?"
_JSON = jsonlib.JSONEncoder(separators=(",", ":"), allow_nan=False)
_QUICKLY = msgspec.json.Encoder()
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
#: Headers that the request's framing or its signature own.
_OURS = re.compile(r"host|content-length|transfer-encoding|connection|upgrade|te|trailer|expect|webhook-.*", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in text or not text.isprintable():
        raise ValueError("write a URL that begins with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL cannot hold a name or a password")
    if parts.port == 0:  # reading it raises ValueError where it is no port at all
        raise ValueError("a port is a number from 1 to 65535")
    return text


def _method(text: str) -> str:
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("write an HTTP method like POST")
    return text.upper()


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!a} cannot be the name of a header")
        if _OURS.fullmatch(name):
            raise ValueError(f"the header {name} is the router's own")
        if sum(other.lower() == name.lower() for other in headers) > 1:
            raise ValueError(f"the header {name} is there twice")
        if _HEADER_VALUE.fullmatch(value) is None:
            raise ValueError(f"the value of the header {name} must be printable ASCII on one line")
    return headers


#: Fields of which a request has one, and what rules call them.
_BODIES = {"json_": "json", "form": "form", "text": "text"}
Headers = Annotated[dict[str, str], AfterValidator(_headers)]


class Settings(Closed):
    """Secrets that steps name, and how long receivers may take."""

    timeout: Annotated[Duration, Field(gt=0)] = Field(15.0, description="How long a receiver may take to answer.")
    secrets: dict[str, Secret] = Field(default_factory=dict, description="Signing secrets by name: whsec_ and base64.")


class Options(Closed):
    """One request: a JSON tree, a form, a text, or no body."""

    url: Annotated[str, AfterValidator(_url), Plainly(_USUAL_URL), Bounded("where it is sent")]
    method: Annotated[str, AfterValidator(_method), Plainly("GET|POST|PUT|PATCH|DELETE")] = "POST"
    headers: Headers = Field(default_factory=dict)
    json_: Any = Field(default=None, alias="json", description="Sent as application/json.")
    form: dict[str, str] | None = None
    text: str | None = None
    secret: str | None = Field(default=None, description="The name of one of the settings' secrets: the request is signed.")

    @model_validator(mode="after")
    def _one_body(self) -> Options:
        given = self.model_fields_set
        if len(given.intersection(_BODIES)) > 1:
            bodies = [name for field, name in _BODIES.items() if field in given]
            raise ValueError(f"a request has one body, and this has {' and '.join(bodies)}")
        return self


class Webhook:
    """Every request is one attempt; the answer's status says what comes next."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host

    def destination(self, options: Options, /) -> Destination:
        return _destination(options.url)

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        options = delivery.options
        kind, body = _body(options)
        if body is not None and len(body) > LARGEST:
            raise Permanent(f"The body has {len(body)} bytes; the limit is {LARGEST}.")
        given = options.headers
        headers = dict(given) if body is None or _names(given, "content-type") else {"Content-Type": kind, **given}
        self._sign(headers, delivery.id, body or b"", options.secret)
        if delivery.trace and not _names(given, "traceparent"):
            headers["traceparent"] = delivery.trace
        to = _place(options.url)
        seconds = min(self.settings.timeout, delivery.timeout)
        try:
            with self.host.within(seconds):
                answer = await ask(
                    self.host,
                    options.method,
                    options.url,
                    headers=headers,
                    body=body,
                    limit=LIMIT,
                    to=to,
                    linger=LINGER,
                    hurried=seconds <= READ,
                )
        except Ambiguous as lost:
            # The id is the same in each attempt, and at least once is the promise.
            raise Transient(str(lost)) from None
        except TimeoutError:
            raise Transient(f"{to} did not answer within {seconds:g} s.") from None
        if 200 <= answer.status < 300:
            return Receipt(id=delivery.id, status=Status.SUCCESS, detail={"status": answer.status})
        raise _failed(answer, to)

    def _sign(self, headers: dict[str, str], identity: str, body: bytes, name: str | None) -> None:
        seconds = self.host.clock.now() // 1_000_000
        headers["webhook-id"], headers["webhook-timestamp"] = identity, str(seconds)
        if name is None:
            return
        from standardwebhooks import Webhook as Signer  # noqa: PLC0415 - validate reads only the options

        secret = self.settings.secrets.get(name)
        if secret is None:
            raise Permanent(f"There is no secret `{name}` in router.yaml under providers, webhook, secrets.")
        key = _key(secret.reveal())
        if key is None:
            sentence = f"The secret `{name}` is not whsec_ and base64 of {SHORTEST} bytes or more."
            raise Transient(sentence, retry_after=REFUSED, counts=False)
        moment = datetime.fromtimestamp(seconds, UTC)
        # Signed as bytes would be: what is signed is what is sent, to the letter.
        headers["webhook-signature"] = Signer(key).sign(identity, moment, body.decode("utf-8"))


def _names(headers: Mapping[str, str], name: str) -> bool:
    return bool(headers) and any(one.lower() == name for one in headers)


def _key(secret: str) -> bytes | None:
    """Strictly: the library takes what only looks like base64, and signs with less than was meant."""
    try:
        text = secret.removeprefix("whsec_").rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    return key if len(key) >= SHORTEST else None


@lru_cache(maxsize=1024)
def _place(url: str) -> str:
    """The host, with its port where that is written."""
    return urlsplit(url).netloc


@lru_cache(maxsize=1024)
def _destination(url: str) -> Destination:
    return Destination(name=_place(url).lower())


def _body(options: Options) -> tuple[str, bytes | None]:
    if "json_" in options.model_fields_set:
        try:
            return "application/json", _json(options.json_)
        except ValueError:
            raise Permanent("The body has a number that JSON does not have: nan or inf.") from None
    if options.form is not None:
        return "application/x-www-form-urlencoded", urlencode(options.form, errors="replace").encode()
    if options.text is not None:
        return "text/plain; charset=utf-8", options.text.encode("utf-8", "replace")
    return "", None


def _json(tree: Any) -> bytes:
    """Raises ValueError for a number that JSON does not have. msgspec takes a third of the time and writes null for one, and
    it does not escape what is not ASCII."""
    with suppress(TypeError, ValueError, RecursionError):
        made = _QUICKLY.encode(tree)
        if made.isascii() and b"null" not in made:
            return made
    return _JSON.encode(tree).encode()


def _failed(answer: Answer, to: str) -> DeliveryError:
    """Any answer but 2xx is a failure, a redirect too, and is tried again: receivers are mended. Unless they say otherwise."""
    shown, wait = answer.shown(), answer.wait("Retry-After")
    if answer.headers.get("webhook-delivery", "").strip().lower() == "abort-message":
        return Permanent(f"{to} answered {answer.status} and wants no more attempts.", response=shown)
    if answer.status == 410:
        return Permanent(f"{to} answered 410: it wants no more of these.", response=shown)
    if answer.status == 429 and wait is not None:
        # Not considered, and told when it will be: that uses up no attempt. Who never says when is tried no more than 5xx.
        return RateLimited(f"{to} is asked too often.", response=shown, retry_after=max(1.0, wait))
    hint = ": redirects are not followed. Write the final URL" if 300 <= answer.status < 400 else ""
    # Who refuses this request is there, and may take the next: its circuit stays closed.
    alive = answer.status < 500 and answer.status not in (408, 425, 429)
    return Transient(f"{to} answered {answer.status}{hint}.", response=shown, retry_after=wait, alive=alive)


plugin = Plugin(
    settings=Settings,
    options=Options,
    open=Webhook,
    idempotent=True,
    retry=Retry(attempts=len(SCHEDULE) + 1, schedule=SCHEDULE),
    sample=lambda _status: {},
)
