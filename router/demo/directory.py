"""An identity directory: DID documents as PLC serves them, one of did:web, and handles as an XRPC server resolves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from router.demo.server import Server
from router.demo.wire import DID, HANDLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.core.model import Tree


@dataclass(frozen=True, slots=True)
class Identity:
    """An account with a handle, a PDS and a public key, or a repo with the URL of its knot."""

    did: str
    handle: str = ""
    pds: str = ""
    knot: str = ""
    key: str = ""

    def document(self) -> dict[str, Tree]:
        services = [
            {"id": f"#{name}", "type": kind, "serviceEndpoint": url}
            for name, kind, url in (
                ("atproto_pds", "AtprotoPersonalDataServer", self.pds),
                ("tangled_knot", "TangledKnot", self.knot),
            )
            if url
        ]
        return {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": self.did,
            "alsoKnownAs": [f"at://{self.handle}"] if self.handle else [],
            "verificationMethod": [
                {"id": f"{self.did}#atproto", "type": "Multikey", "controller": self.did, "publicKeyMultibase": self.key}
            ]
            if self.key
            else [],
            "service": services,
        }


@dataclass
class Directory(Server):
    """Knows the identities it was given, by DID and by handle."""

    identities: tuple[Identity, ...] = ()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/xrpc/com.atproto.identity.resolveHandle", self._resolve_handle),
            web.get("/.well-known/did.json", self._own),
            web.get("/{did:did:.*}", self._document),
        ]

    @property
    def web_did(self) -> str:
        """The identity that this server's own address is."""
        return f"did:web:{self.host.replace(':', '%3A')}"

    async def _own(self, _request: web.Request) -> web.Response:
        return self._told(self.web_did)

    async def _document(self, request: web.Request) -> web.Response:
        did = request.match_info["did"]
        if not DID.fullmatch(did):
            return web.json_response({"message": f"Invalid DID: {did}"}, status=400)
        if not did.startswith("did:plc:"):
            return web.json_response({"message": f"DID not registered: {did}"}, status=404)
        return self._told(did)

    def _told(self, did: str) -> web.Response:
        for identity in self.identities:
            if identity.did == did:
                return web.json_response(identity.document(), content_type="application/did+ld+json")
        return web.json_response({"message": f"DID not registered: {did}"}, status=404)

    async def _resolve_handle(self, request: web.Request) -> web.Response:
        handle = request.query.get("handle", "").lower()
        if not HANDLE.fullmatch(handle) or len(handle) > 253:
            return _refused("Error: handle must be a valid handle")
        for identity in self.identities:
            if identity.handle == handle:
                return web.json_response({"did": identity.did})
        return _refused("Unable to resolve handle")


def _refused(message: str) -> web.Response:
    return web.json_response({"error": "InvalidRequest", "message": message}, status=400)
