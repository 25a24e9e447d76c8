"""Signing keys of DID documents, and the signatures that they make.

Facts: https://atproto.com/specs/cryptography. Keys are multibase (`z`, base58btc) of a multicodec prefix and a compressed
point; older documents leave the prefix out and name the curve in the method's type. A signature is r and s, 32 bytes each,
and of the two values of s that verify only the lower one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree

Key: TypeAlias = ec.EllipticCurvePublicKey
_PREFIXES: dict[bytes, type[ec.EllipticCurve]] = {b"\xe7\x01": ec.SECP256K1, b"\x80\x24": ec.SECP256R1}
_OLDER: dict[str, type[ec.EllipticCurve]] = {
    "EcdsaSecp256k1VerificationKey2019": ec.SECP256K1,
    "EcdsaSecp256r1VerificationKey2019": ec.SECP256R1,
}
_ORDER = {
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}
#: Which curve a JWT's algorithm means.
ALGORITHMS = {"ES256K": "secp256k1", "ES256": "secp256r1"}


def key_of(method: Mapping[str, Tree]) -> Key | None:
    """The key of a verification method; None where it is none that we know."""
    text = method.get("publicKeyMultibase")
    if not isinstance(text, str) or not text.startswith("z") or len(text) > 200:
        return None
    try:
        raw = base58.b58decode(text[1:])
        older = _OLDER.get(str(method.get("type")))
        curve = older or _PREFIXES.get(raw[:2])
        if curve is None:
            return None
        return ec.EllipticCurvePublicKey.from_encoded_point(curve(), raw if older else raw[2:])
    except ValueError:
        return None


def verifies(key: Key, algorithm: str, signature: bytes, signed: bytes) -> bool:
    """Whether the key made this signature, under an algorithm of its own curve, in the one form that counts."""
    curve = key.curve.name
    if ALGORITHMS.get(algorithm) != curve or len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if s > _ORDER[curve] // 2:
        return False
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
