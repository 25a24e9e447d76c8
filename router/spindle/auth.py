"""Service authentication: the tokens that accounts' servers sign for calls to this spindle.

Facts: https://atproto.com/specs/xrpc#inter-service-authentication-jwt. The stock spindle does not look whether a token was used
before; we do, because whoever sees one can send it again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, TypeGuard

from router.core.errors import RouterError
from router.core.identity import DID
from router.identity.documents import NoIdentity, Unresolved
from router.identity.keys import ALGORITHMS, verifies

if TYPE_CHECKING:
    from router.engine.store.base import Store
    from router.host import Clock
    from router.identity.documents import Documents

#: Seconds that clocks may differ, that a token may live, and bytes that it may have.
LEEWAY, LONGEST, LARGEST = 5, 3600, 8192
#: Seconds between two fresh looks at one issuer's document: a bad signature costs its sender more than us.
AGAIN = 30
_PART = re.compile(r"[A-Za-z0-9_-]+")


class AuthError(RouterError):
    """The call is nobody's that we know of."""


class Authority:
    """Tells who calls."""

    def __init__(self, hostname: str, documents: Documents, store: Store, clock: Clock) -> None:
        escaped = f"did:web:{hostname.replace(':', '%3A')}"
        #: A server that proxies a call may name the service in the document.
        self.audiences = {f"{did}{part}" for did in (escaped, f"did:web:{hostname}") for part in ("", "#tangled_spindle")}
        self.documents = documents
        self.store = store
        self.clock = clock
        self._looked: dict[str, int] = {}

    async def verify(self, authorization: str | None, lxm: str) -> str:
        """The DID of whoever calls the method `lxm`. Raises AuthError."""
        token = (authorization or "").strip().removeprefix("Bearer ").strip()
        header, claims, signature, signed = _parsed(token)
        now = self.clock.now() // 1_000_000
        issuer = self._checked(claims, lxm, now)
        await self._signed(issuer, str(header["alg"]), signature, signed, now)
        jti = claims.get("jti")
        name = jti if isinstance(jti, str) and jti else hashlib.sha256(signed).hexdigest()
        until = (int(claims["exp"]) + LEEWAY + 1) * 1_000_000
        if not await self.store.use("jti", f"{issuer} {name[:512]}", until, self.clock.now()):
            raise AuthError("signature verification failed: the token was used before")
        return issuer

    def _checked(self, claims: dict[str, Any], lxm: str, now: int) -> str:
        issuer, audience = claims.get("iss"), claims.get("aud")
        if not isinstance(audience, str) or audience not in self.audiences:
            raise AuthError("signature verification failed: the token is for another service")
        if claims.get("lxm") != lxm:
            raise AuthError(f"signature verification failed: the token is not for {lxm}")
        if not isinstance(issuer, str) or not DID.fullmatch(issuer) or "#" in issuer:
            raise AuthError("signature verification failed: the issuer is no account")
        expires, issued = claims.get("exp"), claims.get("iat", now)
        if not _whole(expires) or not _whole(issued):
            raise AuthError("signature verification failed: the token does not say when it was made, or until when it is good")
        if expires + LEEWAY < now or issued - LEEWAY > now or expires - now > LONGEST + LEEWAY:
            raise AuthError("signature verification failed: the token is too old, or not good yet, or good for too long")
        return issuer

    async def _signed(self, issuer: str, algorithm: str, signature: bytes, signed: bytes, now: int) -> None:
        """Under the key that we know, or the one that it may have been exchanged for."""
        try:
            key = (await self.documents.document(issuer)).key
            if key is not None and verifies(key, algorithm, signature, signed):
                return
            if self._looked.get(issuer, -AGAIN) + AGAIN <= now:
                self._looked = {did: at for did, at in self._looked.items() if at + AGAIN > now} | {issuer: now}
                key = (await self.documents.document(issuer, fresh=True)).key
                if key is not None and verifies(key, algorithm, signature, signed):
                    return
        except (NoIdentity, Unresolved) as error:
            raise AuthError(f"signature verification failed: {error}") from None
        raise AuthError("signature verification failed: the signature is not the issuer's")


def _parsed(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    parts = token.split(".")
    if len(token) > LARGEST or len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise AuthError("signature verification failed: there is no token, or it is none")
    try:
        header, claims = (json.loads(_bytes(part), object_pairs_hook=_once) for part in parts[:2])
        signature = _bytes(parts[2])
    except (ValueError, RecursionError):
        raise AuthError("signature verification failed: the token cannot be read") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header or header.get("alg") not in ALGORITHMS:
        raise AuthError("signature verification failed: the token is signed in no way that we know")
    return header, claims, signature, f"{parts[0]}.{parts[1]}".encode()


def _bytes(part: str) -> bytes:
    """Base64url in its one form: without padding, and with nothing in its last bits."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise ValueError("not canonical")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice")
    return made


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
