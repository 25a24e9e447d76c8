"""Repos' secrets: encrypted with the operator's key before they are stored, and bound to the repo and the name they are of.

AES-256-GCM with a nonce of its own for each; whoever copies a row to another repo cannot open it there.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router.core.errors import RouterError
from router.core.steps import SECRET_NAME
from router.engine.store.base import SealedSecret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.engine.store.base import Store
    from router.host import Clock
    from router.secret import Secret

LONGEST = 200
_NONCE = 12


class VaultError(RouterError):
    """The base of what follows; the sentence is for the caller."""


class NoVault(VaultError):
    """The operator gave no key."""


class BadKey(VaultError):
    """No name for a secret, or no value."""


class KeyPresent(VaultError):
    """There is one of this name."""


class KeyNotFound(VaultError):
    """There is none of this name."""


class Vault:
    """`key` is the setting `secrets_key`; it is read when it is used."""

    def __init__(self, store: Store, key: Secret | None, clock: Clock) -> None:
        self.store = store
        self.key = key
        self.clock = clock

    async def add(self, repo: str, key: str, value: str, creator: str) -> None:
        """Raises NoVault, BadKey and KeyPresent."""
        if SECRET_NAME.fullmatch(key) is None:
            raise BadKey("key is not a valid identifier")
        if not 1 <= len(value) <= LONGEST:
            raise BadKey(f"a value has 1 to {LONGEST} characters")
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher().encrypt(nonce, value.encode(), _bound(repo, key))
        secret = SealedSecret(repo=repo, key=key, sealed=sealed, created=self.clock.now(), creator=creator)
        if not await self.store.add_secret(secret):
            raise KeyPresent("key already present")

    async def remove(self, repo: str, key: str) -> None:
        """Raises KeyNotFound."""
        if not await self.store.remove_secret(repo, key):
            raise KeyNotFound("key not found")

    async def listed(self, repo: str) -> Sequence[SealedSecret]:
        """Names, and who gave them; no values."""
        return await self.store.secrets(repo)

    async def reveal(self, repo: str, keys: Sequence[str]) -> Mapping[str, str]:
        """The values of those that there are. Raises NoVault."""
        kept = {one.key: one.sealed for one in await self.store.secrets(repo)}
        cipher = self._cipher()
        try:
            return {
                key: cipher.decrypt(kept[key][:_NONCE], kept[key][_NONCE:], _bound(repo, key)).decode()
                for key in keys
                if key in kept
            }
        except InvalidTag:
            raise NoVault("The secrets were encrypted with another key.") from None

    def _cipher(self) -> AESGCM:
        if self.key is None:
            raise NoVault("This spindle keeps no secrets.")
        try:
            raw = base64.b64decode(self.key.reveal(), validate=True)
        except (binascii.Error, RouterError):
            raw = b""
        if len(raw) != 32:
            raise NoVault("`secrets_key` must be 32 bytes in base64.")
        return AESGCM(raw)


def _bound(repo: str, key: str) -> bytes:
    return f"{repo}\0{key}".encode()
