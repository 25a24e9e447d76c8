"""What libraries are imported without, and that nothing is missed."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from router import light

if TYPE_CHECKING:
    from pathlib import Path


def test_authorities_are_loaded_by_the_first_connection() -> None:
    """Into a context that verifies; whoever makes one later is not concerned."""
    load = ssl.SSLContext.load_default_certs
    with light.trusting_later():
        verifies, trusts_all = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusts_all.check_hostname, trusts_all.verify_mode = False, ssl.CERT_NONE
        trusts_all.set_default_verify_paths()
    assert ssl.SSLContext.load_default_certs is load
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)
    loaded: list[ssl.SSLContext] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ssl.SSLContext, "load_default_certs", lambda context: loaded.insert(0, context))
        assert not loaded
        for context in (verifies, verifies, trusts_all):
            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="knot.example")
        assert loaded == [verifies]
    assert type(verifies) is type(trusts_all) is ssl.SSLContext
    assert verifies.verify_mode is ssl.CERT_REQUIRED
    assert verifies.check_hostname


def test_a_session_verifies_whom_it_dials() -> None:
    """In a process that imported aiohttp by ours: a context of its own is what connections get, with authorities."""
    program = """
import ssl
from router import http
import aiohttp.connector as made
context = made._SSL_CONTEXT_VERIFIED
assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname, "it does not verify"
told = []
ssl.SSLContext.load_default_certs = lambda self, *_: told.append(self)
context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="knot.example")
assert told == [context], "it trusts nobody"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_running_router_imports_no_more_than_it_needs() -> None:
    """What was a third of its memory: each of these has its reason in docs/adr/0032."""
    program = """
import sys
from router.cli import _no_plugins
_no_plugins()
from router.cli import run
run._import_jinja()
import router.app, router.core.render, router.engine.log, router.sources.knot, router.sources.websocket
print(*sorted(sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"anyio", "watchfiles", "prometheus_client", "rich", "greenlet", "frozenlist._frozenlist", "aiohttp.web"}
    heavy |= {"importlib.metadata", "importlib.resources", "zipfile", "router.web.admin", "router.web.openapi", "apscheduler"}
    heavy |= {"urllib.request", "http.client", "jinja2.bccache", "tempfile", "shutil", "bz2", "lzma"}
    assert "aiohttp.client" in found
    assert not heavy & set(found)


def test_what_is_there_already_is_found() -> None:
    with light.without("json", "surely_not_there"):
        import json  # noqa: PLC0415 - it is what is tried

        assert json.dumps([]) == "[]"
        with pytest.raises(ImportError):
            import_module("surely_not_there")
    assert "surely_not_there" not in sys.modules


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_is_verified_by_the_systems_authorities(tmp_path: Path, *, is_known: bool) -> None:
    """Over a real connection: whom the system trusts is asked, and nobody else is told anything."""
    key, certificate = _certificate("127.0.0.1")
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "nobody.pem").write_text("")
    program = """
import asyncio, ssl, sys
from router import http
import aiohttp

async def main(key, certificate):
    told = []

    async def answer(reader, writer):
        told.append(await reader.readuntil(b"\\r\\n\\r\\n"))
        writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with http.open_session() as session:
        try:
            async with session.get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response:
                print(response.status, len(told))
        except aiohttp.ClientConnectorCertificateError:
            print("refused", len(told))
    server.close()

asyncio.run(main(*sys.argv[1:]))
"""
    known = tmp_path / ("certificate.pem" if is_known else "nobody.pem")
    environment = {**os.environ, "SSL_CERT_FILE": str(known), "SSL_CERT_DIR": str(tmp_path / "none")}
    command = [sys.executable, "-c", program, str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == (["204", "1"] if is_known else ["refused", "0"])


def _certificate(address: str) -> tuple[bytes, bytes]:
    """A key and a certificate that it signed itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), made.public_bytes(pem)


def test_a_module_is_imported_by_the_first_call_of_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_one.py").write_text("def doubled(number, *, and_more=0):\n    return 2 * number + and_more\n")
    monkeypatch.syspath_prepend(tmp_path)
    with light.later("late_one", "doubled"):
        doubled = import_module("late_one").doubled

    assert "late_one" not in sys.modules
    assert doubled(4, and_more=1) == 9
    real = sys.modules.pop("late_one")
    assert real.doubled is not doubled


def test_what_is_there_already_is_taken_as_it_is() -> None:
    with light.later("json", "dumps"):
        from json import dumps  # noqa: PLC0415 - it is what is tried

    assert dumps is json.dumps
    assert sys.modules["json"] is json


def test_proxies_are_those_of_the_library_when_they_are_asked_for() -> None:
    """In a process that imported aiohttp by ours."""
    program = """
import os, sys
os.environ["http_proxy"] = "http://proxy.example:3128"
from router import http
from aiohttp import helpers
assert "urllib.request" not in sys.modules
assert helpers.getproxies()["http"] == "http://proxy.example:3128"
import urllib.request
assert helpers.getproxies() == urllib.request.getproxies()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
