"""Tokens that are nearly right: each is refused for its own reason, and none of them is used up by it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from router.engine.store.sqlite import open_store
from router.identity.documents import Document, NoIdentity
from router.spindle.auth import AuthError, Authority
from router.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
METHOD = "sh.tangled.ci.triggerPipeline"
ORDERS = {
    "ES256K": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}
KEYS = {"ES256K": ec.generate_private_key(ec.SECP256K1()), "ES256": ec.generate_private_key(ec.SECP256R1())}


class People:
    """Who is who, and how often that was asked anew."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key
        self.known = key
        self.fresh = 0

    async def document(self, did: str, *, fresh: bool = False) -> Document:
        if did != ALICE:
            raise NoIdentity("There is nobody of this name.")
        if fresh:
            self.fresh += 1
            self.known = self.key
        return Document(did, key=self.known.public_key())


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(head: str, body: str, algorithm: str, *, high: bool = False) -> str:
    data = f"{head}.{body}".encode()
    r, s = decode_dss_signature(KEYS[algorithm].sign(data, ec.ECDSA(hashes.SHA256())))
    low = min(s, ORDERS[algorithm] - s)
    s = ORDERS[algorithm] - low if high else low
    return f"{head}.{body}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


def token(algorithm: str = "ES256K", head: Any = None, *, high: bool = False, **over: Any) -> str:
    now = FakeClock().now() // 1_000_000
    claims = {"iss": ALICE, "aud": "did:web:ci.example.com", "lxm": METHOD, "iat": now, "exp": now + 60, "jti": "one", **over}
    header = head or {"typ": "JWT", "alg": algorithm}
    body = json.dumps({name: value for name, value in claims.items() if value is not None})
    return signed(encoded(json.dumps(header).encode()), encoded(body.encode()), algorithm, high=high)


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    store = await open_store(":memory:")
    yield Authority("ci.example.com", People(KEYS["ES256K"]), store, FakeClock())  # type: ignore[arg-type]
    await store.close()


@pytest.mark.parametrize("algorithm", ["ES256K", "ES256"])
@pytest.mark.parity(71)
@pytest.mark.acceptance("A-08", "P-13")
@pytest.mark.threat("S-17")
async def test_both_curves_are_known(authority: Authority, algorithm: str) -> None:
    """secp256k1 as stock servers sign, and P-256; with or without the word Bearer; a token counts once."""
    authority.documents = People(KEYS[algorithm])  # type: ignore[assignment]
    assert await authority.verify(f"Bearer {token(algorithm)}", METHOD) == ALICE
    with pytest.raises(AuthError, match="used before"):
        await authority.verify(token(algorithm), METHOD)
    assert await authority.verify(token(algorithm, jti="two"), METHOD) == ALICE


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ("", "there is no token"),
    "no token": ("Bearer x.y", "there is no token"),
    "no JSON": ("Bearer eA.eA.eA", "cannot be read"),
    "padding": (lambda: token().replace(".", "=.", 1), "there is no token"),
    "no signature at all": (lambda: token(head={"alg": "none"}), "in no way that we know"),
    "the other curve's name": (lambda: token(head={"alg": "ES256"}), "not the issuer's"),
    "a shared secret": (lambda: token(head={"alg": "HS256"}), "in no way that we know"),
    "something critical": (lambda: token(head={"alg": "ES256K", "crit": ["b64"]}), "in no way that we know"),
    "the other s": (lambda: token(high=True), "not the issuer's"),
    "another key": (lambda: token("ES256", head={"alg": "ES256K"}), "not the issuer's"),
    "an altered byte": (lambda: token()[:-3] + "AAA", "not the issuer's|cannot be read"),
    "another service": (lambda: token(aud="did:web:ci.example.org"), "another service"),
    "another part of it": (lambda: token(aud="did:web:ci.example.com#other"), "another service"),
    "several services": (lambda: token(aud=["did:web:ci.example.com"]), "another service"),
    "another method": (lambda: token(lxm="sh.tangled.ci.cancelPipeline"), "is not for"),
    "no method": (lambda: token(lxm=None), "is not for"),
    "nobody": (lambda: token(iss=None), "is no account"),
    "somebody unknown": (lambda: token(iss="did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"), "nobody of this name"),
    "a part of an account": (lambda: token(iss=f"{ALICE}#atproto_labeler"), "is no account"),
    "no end": (lambda: token(exp=None), "until when"),
    "an end that is true": (lambda: token(exp=True), "until when"),
    "past": (lambda: token(exp=1), "too old"),
    "future": (lambda: token(iat=10**12), "not good yet"),
    "for ever": (lambda: token(exp=10**12), "too long"),
    "far too long": (lambda: token(pad="a" * 9000), "there is no token"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parity(72)
@pytest.mark.acceptance("A-08", "P-14")
@pytest.mark.threat("S-17")
async def test_what_is_not_quite_a_token_is_refused(authority: Authority, case: str) -> None:
    """And the good one that came before or after it counts all the same."""
    made, said = BAD[case]
    with pytest.raises(AuthError, match=said):
        await authority.verify(made if isinstance(made, str) else made(), METHOD)
    assert await authority.verify(token(), METHOD) == ALICE


@pytest.mark.threat("S-17")
async def test_a_key_twice_is_no_claim(authority: Authority) -> None:
    """Two readers of one token must not read two things."""
    now = FakeClock().now() // 1_000_000
    body = f'{{"iss":"{ALICE}","aud":"did:web:ci.example.com","lxm":"{METHOD}","exp":{now + 60},"exp":{now + 61}}}'
    made = signed(encoded(b'{"alg":"ES256K"}'), encoded(body.encode()), "ES256K")
    with pytest.raises(AuthError, match="cannot be read"):
        await authority.verify(made, METHOD)


@pytest.mark.threat("S-17")
async def test_bad_signatures_do_not_make_us_ask_for_ever(authority: Authority) -> None:
    """A key may have been exchanged, so its document is looked up once more; not for every bad token."""
    people = authority.documents
    for _ in range(5):
        with pytest.raises(AuthError):
            await authority.verify(token(high=True), METHOD)
    assert people.fresh == 1  # type: ignore[attr-defined]
