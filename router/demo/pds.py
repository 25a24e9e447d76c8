"""A PDS: accounts with keys, their records and blobs, and the tokens that they sign for other services."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import base58
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from router.demo.server import Server
from router.demo.wire import DID, Tids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.core.model import Tree
    from router.demo.jetstream import Jetstream

_PREFIX = {"secp256k1": b"\xe7\x01", "secp256r1": b"\x80\x24"}
_ORDER = {
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}
MOST = 100


@dataclass
class Account:
    """Somebody with a key: of secp256k1 as stock servers make them, or of P-256."""

    did: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256K1()))
    records: dict[tuple[str, str], Tree] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    #: The error that the server has for the records of an account that is not there now: `RepoDeactivated`.
    away: str = ""

    @property
    def multikey(self) -> str:
        """The public key as DID documents write it."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        return "z" + base58.b58encode(_PREFIX[self.key.curve.name] + point).decode()


@dataclass
class Pds(Server):
    """Writes are told on the Jetstream, as the network tells them."""

    jetstream: Jetstream | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    _tids: Tids = field(default_factory=Tids)
    _sessions: dict[str, str] = field(default_factory=dict)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/xrpc/com.atproto.repo.getRecord", self._get),
            web.get("/xrpc/com.atproto.repo.listRecords", self._list),
            web.get("/xrpc/com.atproto.sync.getBlob", self._blob),
            web.get("/xrpc/com.atproto.server.getServiceAuth", self._service_auth),
        ]

    def put(self, did: str, collection: str, rkey: str, record: Mapping[str, Tree]) -> None:
        """Create or update a record."""
        records = self.accounts[did].records
        operation = "update" if (collection, rkey) in records else "create"
        records[collection, rkey] = {"$type": collection, **record}
        self._tell(
            did, {"operation": operation, "record": records[collection, rkey], "cid": "bafyrei" + "a" * 52}, collection, rkey
        )

    def create(self, did: str, collection: str, record: Mapping[str, Tree]) -> str:
        """A record under a TID, which is returned."""
        rkey = self._tids.next()
        self.put(did, collection, rkey, record)
        return rkey

    def delete(self, did: str, collection: str, rkey: str) -> None:
        """Its deletion says nothing but its name."""
        del self.accounts[did].records[collection, rkey]
        self._tell(did, {"operation": "delete"}, collection, rkey)

    def _tell(self, did: str, commit: dict[str, Tree], collection: str, rkey: str) -> None:
        if self.jetstream is not None:
            body = {"rev": self._tids.next(), "collection": collection, "rkey": rkey, **commit}
            self.jetstream.emit({"did": did, "kind": "commit", "commit": body})

    def upload(self, did: str, content: bytes, mime: str = "application/gzip") -> dict[str, Tree]:
        """A blob, as records refer to it."""
        raw = b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()
        cid = "b" + base64.b32encode(raw).decode().lower().rstrip("=")
        self.accounts[did].blobs[cid] = content
        return {"$type": "blob", "ref": {"$link": cid}, "mimeType": mime, "size": len(content)}

    def mint(self, did: str, aud: str, lxm: str, *, now: float | None = None, **claims: Tree) -> str:
        """A service token, as `com.atproto.server.getServiceAuth` gives it; `claims` replace its claims."""
        key = self.accounts[did].key
        made = int(time.time() if now is None else now)
        payload = {"iss": did, "aud": aud, "lxm": lxm, "iat": made, "exp": made + 60, "jti": secrets.token_hex(16)} | claims
        algorithm = "ES256K" if key.curve.name == "secp256k1" else "ES256"
        signed = f"{_part(json.dumps({'typ': 'JWT', 'alg': algorithm}))}.{_part(json.dumps(payload))}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        order = _ORDER[key.curve.name]
        return f"{signed}.{_part(r.to_bytes(32) + min(s, order - s).to_bytes(32))}"

    def session(self, did: str) -> str:
        """What an app that its user has let in shows to this server."""
        return self._sessions.setdefault(did, secrets.token_hex(16))

    async def _service_auth(self, request: web.Request) -> web.Response:
        bearer, query = request.headers.get("Authorization", "").removeprefix("Bearer "), request.query
        who = next((did for did, session in self._sessions.items() if secrets.compare_digest(session, bearer)), None)
        if who is None:
            return web.json_response({"error": "AuthMissing", "message": "Authentication Required"}, status=401)
        if not query.get("aud", "").startswith("did:") or not query.get("lxm"):
            return _refused("InvalidRequest", "aud and lxm are required")
        return web.json_response({"token": self.mint(who, query["aud"], query["lxm"])})

    async def _get(self, request: web.Request) -> web.Response:
        query = request.query
        account = self.accounts.get(query.get("repo", ""))
        found = account.records.get((query.get("collection", ""), query.get("rkey", ""))) if account else None
        if found is None:
            return _refused("RecordNotFound", "Could not locate record")
        uri = f"at://{query['repo']}/{query['collection']}/{query['rkey']}"
        return web.json_response({"uri": uri, "cid": "bafyrei" + "a" * 52, "value": found})

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        account, limit = self.accounts.get(query.get("repo", "")), query.get("limit", "50")
        if account is None or not DID.fullmatch(query.get("repo", "")):
            return _refused("InvalidRequest", "Could not find repo")
        if account.away:
            return _refused(account.away, "Repo is not there")
        if not limit.isdigit() or not 1 <= int(limit) <= MOST:
            return _refused("InvalidRequest", f"limit must be between 1 and {MOST}")
        wanted = sorted((rkey for what, rkey in account.records if what == query.get("collection")), reverse=True)
        rest = [rkey for rkey in wanted if not query.get("cursor") or rkey < query["cursor"]]
        page = rest[: int(limit)]
        records = [
            {
                "uri": f"at://{account.did}/{query['collection']}/{rkey}",
                "cid": "x",
                "value": account.records[query["collection"], rkey],
            }
            for rkey in page
        ]
        return web.json_response({"records": records} | ({"cursor": page[-1]} if len(rest) > len(page) else {}))

    async def _blob(self, request: web.Request) -> web.Response:
        account = self.accounts.get(request.query.get("did", ""))
        content = account.blobs.get(request.query.get("cid", "")) if account else None
        if content is None:
            return _refused("BlobNotFound", "Blob not found")
        return web.Response(body=content, content_type="application/gzip")


def _part(content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _refused(error: str, message: str) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=400)
