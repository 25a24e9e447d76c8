"""Who may ask, by TCP: with and without a token, from a browser and from elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router import config
from router.core.errors import BadInput, RouterError
from router.engine.store.sqlite import open_store
from router.secret import Secret
from router.sections import AdminSection
from router.web import admin
from tests.web.parts import desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
TOKEN = "a token that is as long as it must be"


class Served:
    """Where it is served, and the statuses of what was refused."""

    def __init__(self, url: str, refused: list[int]) -> None:
        self.url = url
        self.refused = refused

    async def ask(self, path: str, method: str = "GET", **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with aiohttp.ClientSession() as http, http.request(method, self.url + path, headers=named) as answer:
            return answer.status


@asynccontextmanager
async def serving(token: Secret | None = None) -> AsyncIterator[Served]:
    store = await open_store(":memory:")
    refused: list[int] = []
    made, told = desk(store, refused=refused.append), asyncio.get_running_loop().create_future()
    made.pulse.beaten += 60
    section = AdminSection(listen="127.0.0.1:0", token=token)
    task = asyncio.create_task(admin.serve_address(made, section, told.set_result))
    yield Served(f"http://{await told}", refused)
    task.cancel()
    await asyncio.wait([task])
    await store.close()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    return Secret("env", "ADMIN_TOKEN")


@pytest.mark.threat("S-22")
async def test_a_token_opens_everything_and_nothing_else_does(token: Secret) -> None:
    """Reading, changing, metrics and the description need it, as it is; probes do not, since kubelets have none."""
    async with serving(token) as served:
        for path in ("/metrics", "/openapi.json", "/api/v1/status", "/nowhere"):
            assert await served.ask(path) == 401
            assert await served.ask(path, Authorization=f"Bearer {TOKEN[:-1]}") == 401
            assert await served.ask(path, Authorization=f"Basic {TOKEN}") == 401
            assert await served.ask(path, Authorization=f"Bearer {TOKEN}") == (404 if path == "/nowhere" else 200)
        assert await served.ask("/-/reload", "POST") == 401
        assert await served.ask("/-/reload", "POST", Authorization=f"bearer {TOKEN}") == 409
        assert [await served.ask(path) for path in ("/livez", "/readyz")] == [200, 200]
        assert len(served.refused) == 13


@pytest.mark.threat("S-22")
async def test_a_short_or_missing_token_opens_nothing(token: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was emptied, or a word somebody chose, makes nobody an operator."""
    async with serving(token) as served:
        for wrong in ("", "secret", TOKEN[:31]):
            monkeypatch.setenv("ADMIN_TOKEN", wrong)
            assert await served.ask("/metrics", Authorization=f"Bearer {wrong}") == 503
        assert await served.ask("/metrics", Authorization="Bearer ") == 503


@pytest.mark.threat("S-22")
async def test_a_web_site_reaches_nothing_on_loopback() -> None:
    """A name that leads to 127.0.0.1, a form, a script: the browser says who is behind it, and that is refused."""
    async with serving() as served:
        port = served.url.rpartition(":")[2]
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", f"LOCALHOST:{port}"):
            assert await served.ask("/api/v1/status", Host=host) == 200
        for host in (f"evil.example:{port}", "localhost.evil.example", f"127.0.0.1.nip.io:{port}", "", "127.0.0.1:80:80"):
            assert await served.ask("/api/v1/status", Host=host) == 403
        assert await served.ask("/api/v1/status", Origin="https://evil.example") == 403
        assert await served.ask("/api/v1/status", Origin="null") == 403
        assert await served.ask("/api/v1/status", Origin=served.url) == 200
        assert await served.ask("/-/reload", "POST", Sec_Fetch_Site="cross-site") == 403
        assert await served.ask("/-/reload", "POST", Sec_Fetch_Site="same-origin") == 409


async def test_no_other_origin_is_ever_invited() -> None:
    """There is no CORS: a preflight is refused, and no answer bears a header that would let a script read it."""
    async with serving() as served, aiohttp.ClientSession() as http:
        asked: Any = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        async with http.options(f"{served.url}/-/reload", headers=asked) as answer:
            assert answer.status == 403
        async with http.get(f"{served.url}/api/v1/status") as answer:
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_a_body_is_read_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never comes ends, and one without end is cut off."""
    monkeypatch.setattr(admin, "WITHIN", 0.05)
    async with serving() as served:
        host, _, port = served.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = ("POST /api/v1/rules/resume HTTP/1.1", f"Host: {host}", "Content-Type: application/json", "Content-Length: 10")
        writer.write("\r\n".join((*head, "", "")).encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        monkeypatch.undo()
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{served.url}/api/v1/rules/resume", data=BytesIO(b"x" * (admin.LARGEST + 1)), headers=JSON) as answer,
        ):
            assert answer.status == 413


@pytest.mark.threat("S-22")
async def test_those_who_ask_nothing_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that say nothing, or half of a request, keep nobody out, and are cut in the end."""
    monkeypatch.setattr(admin, "BOUNDS", replace(admin.BOUNDS, in_all=3, head=0.2))
    async with serving() as served:
        host, _, port = served.url.removeprefix("http://").rpartition(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        for _, writer in opened:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: ")
        assert await served.ask("/livez") == 200
        for reader, writer in opened:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


async def test_an_address_that_cannot_be_had_is_a_sentence() -> None:
    """A port that somebody else has."""
    async with serving() as served:
        store = await open_store(":memory:")
        taken = AdminSection(listen=served.url.removeprefix("http://"))
        with pytest.raises(RouterError, match="cannot be had"):
            await admin.serve_address(desk(store), taken, print)
        await store.close()


@pytest.mark.threat("S-22")
@pytest.mark.parametrize(
    ("section", "fine"),
    [
        ("{listen: '127.0.0.1:9100'}", True),
        ("{listen: '[::1]:9100'}", True),
        ("{listen: 'localhost:9100'}", True),
        ("{listen: '0.0.0.0:9100'}", False),
        ("{listen: '[::]:9100'}", False),
        ("{listen: 'router.internal:9100'}", False),
        ("{listen: '0.0.0.0:9100', token: {env: ADMIN_TOKEN}}", True),
        ("{listen: ':9100', token: {env: ADMIN_TOKEN}}", False),
        ("{token: 'a token that is as long as it must be'}", False),
    ],
)
def test_what_is_no_loopback_needs_a_token(section: str, fine: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Already in the configuration, which names where the token is and never the token."""
    file = tmp_path / "router.yaml"
    file.write_text(f"admin: {section}\n")
    if fine:
        assert config.load(file, {}).admin.listen or not section
        return
    with pytest.raises(BadInput) as caught:
        config.load(file, {})
    assert [problem.place.line for problem in caught.value.problems] == [1]


def test_the_environment_cannot_open_it_either(tmp_path: Path) -> None:
    """ROUTER_ADMIN_LISTEN is judged like the file."""
    file = tmp_path / "router.yaml"
    file.write_text("{}\n")
    with pytest.raises(BadInput):
        config.load(file, {"ROUTER_ADMIN_LISTEN": "0.0.0.0:9100"})
    assert config.load(file, {"ROUTER_ADMIN_LISTEN": "127.0.0.1:9100"}).admin.listen == "127.0.0.1:9100"
