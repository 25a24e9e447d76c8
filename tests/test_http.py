"""The manners of our HTTP session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from router.http import RedirectRefused, open_session, product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that sends everybody elsewhere, except from /here; and the requests that it got."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        if request.path == "/here":
            answered = web.Response(text="here")
            answered.set_cookie("track", "1")
            return answered
        return web.Response(status=307, headers={"Location": "/here"})

    app = web.Application()
    app.router.add_route("*", "/{anything}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def test_we_say_who_we_are_and_keep_no_cookies(server: tuple[str, list[web.Request]]) -> None:
    """A server's operator can see what calls it; what it sets is not sent back."""
    url, seen = server
    async with open_session() as http:
        for _ in range(2):
            async with http.get(f"{url}/here") as answer:
                assert answer.status == 200
    assert seen[1].headers["User-Agent"].startswith(product())
    assert "Cookie" not in seen[1].headers


async def test_a_redirect_is_never_followed(server: tuple[str, list[web.Request]]) -> None:
    """A request that forgot to say so does not go where a server sends it, with whatever it carries."""
    url, seen = server
    async with open_session() as http:
        with pytest.raises(RedirectRefused, match=r"127\.0\.0\.1 answered 307: redirects are not followed"):
            await http.post(f"{url}/there", json={"secret": "x"})
    assert [request.path for request in seen] == ["/there"]


async def test_a_redirect_can_be_looked_at(server: tuple[str, list[web.Request]]) -> None:
    """Who asks for no redirects gets the answer itself."""
    url, _ = server
    async with open_session() as http, http.get(f"{url}/there", allow_redirects=False) as answer:
        assert answer.status == 307


async def test_no_proxy_is_taken_from_the_environment(
    server: tuple[str, list[web.Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of the shell does not decide through whom secrets travel."""
    url, _ = server
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with open_session() as http, http.get(f"{url}/here") as answer:
        assert await answer.text() == "here"
