"""The page as it is served: who may see it, what its answers allow, and that nothing of a stranger's is markup."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router.core.model import State
from router.secret import Secret
from router.sections import AdminSection
from router.web import admin, opening, unix
from router.web.page import drawing, serving, stream
from router.web.page.visitors import COOKIE, within
from tests.web import stage
from tests.web.stage import HOSTILE, MARKUP, Stopped, name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.web.desk import Desk

TOKEN = "a token that is as long as it must be"
DEAD = name(3)


class Visit:
    """A browser without scripts: it keeps cookies, and follows no redirects unless asked to."""

    def __init__(self, url: str, http: aiohttp.ClientSession, desk: Desk, refused: list[int]) -> None:
        self.url = url
        self.http = http
        self.desk = desk
        self.refused = refused

    async def get(self, path: str, **headers: str) -> tuple[int, str, Any]:
        return await self._ask("GET", path, headers, None)

    async def get_status(self, path: str) -> int:
        """Without waiting for an answer's end."""
        async with self.http.get(self.url + path) as answer:
            return answer.status

    async def post(self, path: str, form: Any, **headers: str) -> tuple[int, str, Any]:
        return await self._ask("POST", path, headers, form)

    async def _ask(self, method: str, path: str, headers: dict[str, str], form: Any) -> tuple[int, str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        where = self.url + path
        async with self.http.request(method, where, headers=named, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def word(self, path: str = "/deliveries") -> str:
        """What the forms of a page bear."""
        found = re.search(r'name="word" value="([0-9a-f]{64})"', (await self.get(path))[1])
        assert found is not None
        return found[1]


@asynccontextmanager
async def visiting(state: str = "failing", token: Secret | None = None) -> AsyncIterator[Visit]:
    desk = await stage.STATES[state]()
    refused: list[int] = []
    object.__setattr__(desk, "refused", refused.append)
    told = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(admin.serve_address(desk, AdminSection(listen="127.0.0.1:0", token=token), told.set_result))
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Visit(f"http://{await told}", http, desk, refused)
    task.cancel()
    await asyncio.wait([task])
    await desk.store.close()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    return Secret("env", "ADMIN_TOKEN")


class Markup(HTMLParser):
    """What could run, load or look otherwise: elements, and attributes with their values."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "action", "formaction", "hx-get")}


def paths(desk: Desk, names: list[str]) -> list[str]:
    more = [f"/pipelines/{one}{end}" for one in names for end in ("", "/log?workflow=ci")]
    every = ["/", "/events", "/deliveries", "/rules", "/pipelines", "/approvals", "/rules/ci/docs"]
    return [
        *every,
        *more,
        *(f"/events/{number}?all=1" for number in range(1, 15)),
        f"/deliveries/{2:064x}",
        f"/deliveries/{DEAD}",
    ]


@pytest.mark.threat("S-19")
@pytest.mark.parametrize("state", ["empty", "busy", "failing"])
async def test_nothing_of_a_strangers_is_markup(state: str) -> None:
    """On no page: no element, no attribute that runs or paints, no link elsewhere but to the CI, no mark of direction."""
    async with visiting(state) as visit:
        names = [one.id for one in await visit.desk.store.latest_pipelines()]
        seen = 0
        for path in paths(visit.desk, names):
            status, text, headers = await visit.get(path)
            assert status in (200, 404), path
            assert headers["Content-Security-Policy"] == serving.HEADERS["Content-Security-Policy"]
            found = Markup(text)
            assert not found.elements & {"img", "style", "iframe", "object", "base"}, path
            assert text.count("<script") == 2
            assert not [name for name in found.attributes if name.startswith("on") or name == "style"], path
            assert not [one for one in found.links if not one.startswith(("/", "#", "https://ci.example/"))], path
            assert not [one for one in found.links if one.startswith("//")], path
            assert not set("\u202e\u2066\x1b\x00\x07") & set(text), path
            seen += "&lt;script&gt;" in text
        assert (seen > 0) == (state != "empty")


async def test_every_answer_is_shut() -> None:
    """Pages, errors, redirects and refusals may not be framed, kept or read elsewhere."""
    async with visiting() as visit:
        asked = [
            await visit.get("/"),
            await visit.get("/events/99"),
            await visit.get("/events?before=x"),
            await visit.get("/static/none"),
            await visit.get("/", Host="evil.example"),
            await visit.post("/deliveries/retry", {"id": DEAD}),
        ]
        assert [status for status, _, _ in asked] == [200, 404, 400, 404, 403, 403]
        for _, text, headers in asked:
            for name, value in serving.HEADERS.items():
                assert headers[name] == value
            assert "default-src 'self'" in headers["Content-Security-Policy"]
            assert headers["Content-Type"] == "text/html; charset=utf-8"
            assert "Traceback" not in text


async def test_files_are_ours_alone() -> None:
    """A name is looked up and leads nowhere; each file has its kind."""
    async with visiting() as visit:
        for name, kind in (("style.css", "text/css"), ("live.js", "text/javascript"), ("htmx.min.js", "text/javascript")):
            status, _, headers = await visit.get(f"/static/{name}")
            assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        for name in ("..%2fserving.py", "%2e%2e%2f%2e%2e%2fguard.py", "templates", "%2e%2e%2ftemplates", "%00"):
            assert (await visit.get(f"/static/{name}"))[0] == 404
        assert (
            "0BSD" in (await visit.get("/static/htmx.LICENSE"))[1]
            or "Zero-Clause" in (await visit.get("/static/htmx.LICENSE"))[1]
        )


@pytest.mark.threat("S-22")
async def test_another_site_changes_nothing() -> None:
    """A form without our word, with somebody else's, of another origin, or as JSON."""
    async with visiting() as visit:
        word = await visit.word()
        form = {"id": DEAD, "word": word, "back": "/deliveries"}
        tried = [
            await visit.post("/deliveries/discard", {"id": DEAD}),
            await visit.post("/deliveries/discard", {**form, "word": "0" * 64}),
            await visit.post("/deliveries/discard", b"id=1&word=%ff", Content_Type="application/x-www-form-urlencoded"),
            await visit.post("/deliveries/discard", form, Origin="https://evil.example"),
            await visit.post("/deliveries/discard", form, Origin="null"),
            await visit.post("/deliveries/discard", form, Sec_Fetch_Site="cross-site"),
            await visit.post("/deliveries/discard", form, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document"),
            await visit.post("/deliveries/discard", form, Host="evil.example"),
            await visit.post("/deliveries/discard", b'{"id": 1}', Content_Type="application/json"),
            await visit.get("/deliveries/discard"),
        ]
        assert [status for status, _, _ in tried] == [403, 403, 403, 403, 403, 403, 403, 403, 415, 405]
        found = await visit.desk.store.delivery(DEAD)
        assert found is not None
        assert found.state is State.DEAD
        assert (await visit.post("/deliveries/discard", form, Origin=visit.url, Sec_Fetch_Site="same-origin"))[0] == 303


async def test_a_link_of_another_site_may_lead_here() -> None:
    """An alert links to the page; a script, an image or a frame of that site may not ask for it."""
    async with visiting() as visit:
        followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        assert (await visit.get("/", **followed, Sec_Fetch_Dest="document"))[0] == 200
        for kind in ("iframe", "image", "empty", "script"):
            assert (await visit.get("/", **followed, Sec_Fetch_Dest=kind))[0] == 403
        assert (await visit.get("/api/v1/status", **followed, Sec_Fetch_Dest="document"))[0] == 403


async def test_the_socket_has_the_page_too(tmp_path: Path) -> None:
    """For whoever owns it, and for a browser behind `ssh -L`; not for a name that leads there."""
    desk = await stage.busy()
    task = asyncio.create_task(opening.serve(desk, tmp_path / "router.db"))
    path = unix.socket_path(tmp_path / "router.db")
    while not path.exists():
        await asyncio.sleep(0)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http:
        async with http.get("http://localhost:9310/events") as answer:
            assert answer.status == 200
        async with http.get("http://evil.example/events") as answer:
            assert answer.status == 403
    task.cancel()
    await asyncio.wait([task])
    await desk.store.close()


async def test_buttons() -> None:
    """Retry, discard, pause, resume: as the API does it; the next page says what was done."""
    async with visiting() as visit:
        word = await visit.word()
        status, _, headers = await visit.post("/deliveries/retry", {"id": DEAD, "word": word, "back": "/deliveries?state=dead"})
        assert (status, headers["Location"]) == (303, "/deliveries?state=dead&done=retry&count=1&not=0")
        assert "1 to be made once more." in (await visit.get(headers["Location"]))[1]
        row = await visit.desk.store.delivery(DEAD)
        assert row is not None
        assert row.state is not State.DEAD
        many = aiohttp.FormData([("id", name(5)), ("id", name(6)), ("word", word), ("back", "/deliveries?done=x")])
        status, _, headers = await visit.post("/deliveries/discard", many)
        assert headers["Location"] == "/deliveries?done=discard&count=2&not=0"
        assert (await visit.post("/rules/pause", {"name": "ci/build", "word": word}))[0] == 303
        assert sorted(visit.desk.pauses.since("rule")) == ["ci/build", "ci/docs"]
        assert (await visit.post("/rules/resume", {"name": "ci/build", "word": word}))[0] == 303
        assert sorted(visit.desk.pauses.since("rule")) == ["ci/docs"]
        assert (await visit.post("/sources/pause", {"name": "knot", "word": word}))[0] == 303
        assert sorted(visit.desk.pauses.since("source")) == ["knot"]
        assert (await visit.post("/sources/pause", {"name": "nowhere", "word": word}))[0] == 404
        assert (await visit.post("/deliveries/retry", {"word": word}))[0] == 400
        assert (await visit.post("/deliveries/retry", {"id": "x" * 300, "word": word}))[0] == 400


async def test_approving_and_denying() -> None:
    """What cannot be approved is told as a number."""
    async with visiting("busy") as visit:
        form = {"event": "14", "word": await visit.word("/approvals"), "back": "/approvals"}
        status, _, headers = await visit.post("/approvals/deny", form)
        assert (status, headers["Location"]) == (303, "/approvals?done=deny&count=1&not=0")
        _, _, headers = await visit.post("/approvals/deny", {**form, "event": "1"})
        assert headers["Location"] == "/approvals?done=deny&count=0&not=1"


@pytest.mark.threat("S-22")
async def test_a_token_is_given_once(token: Secret) -> None:
    """Then a cookie opens the page, and only that: not for scripts, not for other sites, not the API."""
    async with visiting(token=token) as visit:
        for path in ("/", "/events", "/live", "/rules/ci/docs"):
            status, _, headers = await visit.get(path)
            assert (status, headers["Location"]) == (303, "/login?back=" + path.replace("/", "%2F"))
        assert (await visit.post("/deliveries/discard", {"id": DEAD}))[0] == 303
        assert (await visit.get("/static/style.css"))[0] == 200
        word = await visit.word("/login")
        status, text, headers = await visit.post("/login", {"token": TOKEN[:-1], "word": word})
        assert status == 401
        assert "not the token" in text
        assert "Set-Cookie" not in headers
        assert (await visit.post("/login", {"token": TOKEN}))[0] == 403
        status, _, headers = await visit.post("/login", {"token": f" {TOKEN}\n", "word": word, "back": "/events"})
        assert (status, headers["Location"]) == (303, "/events")
        for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
            assert part in headers["Set-Cookie"]
        assert "Secure" not in headers["Set-Cookie"]
        assert TOKEN not in headers["Set-Cookie"]
        status, text, _ = await visit.get("/")
        assert status == 200
        assert TOKEN not in text
        assert (await visit.get("/api/v1/status"))[0] == 401
        assert (await visit.get("/login"))[0] == 303
        form = {"id": DEAD, "word": await visit.word()}
        assert form["word"] != word
        assert (await visit.post("/deliveries/discard", {**form, "word": word}))[0] == 403
        assert (await visit.post("/deliveries/discard", form))[0] == 303
        assert (await visit.post("/logout", {"word": word}))[0] == 403
        kept = {one.key: one.value for one in visit.http.cookie_jar}[COOKIE]
        assert (await visit.post("/logout", {"word": form["word"]}))[0] == 303
        assert (await visit.get("/", Cookie=f"{COOKIE}={kept}"))[0] == 303


@pytest.mark.threat("S-22")
async def test_sessions_end(token: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """After twelve hours, when the token is another, and while it cannot be read."""
    async with visiting(token=token) as visit:
        clock = visit.desk.clock
        assert isinstance(clock, Stopped)

        async def login(given: str) -> int:
            return (await visit.post("/login", {"token": given, "word": await visit.word("/login")}))[0]

        assert await login(TOKEN) == 303
        monkeypatch.setenv("ADMIN_TOKEN", TOKEN + "!")
        assert (await visit.get("/"))[0] == 303
        monkeypatch.setenv("ADMIN_TOKEN", "short")
        assert (await visit.get("/"))[0] == 303
        assert await login("short") == 503
        monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
        assert (await visit.get("/"))[0] == 200
        clock.at += 12 * 3600 * 1_000_000
        assert (await visit.get("/"))[0] == 303


async def test_behind_tls_the_cookie_is_for_tls(token: Secret) -> None:
    """The browser says how it came."""
    async with visiting(token=token) as visit:
        form = {"token": TOKEN, "word": await visit.word("/login")}
        _, _, headers = await visit.post("/login", form, Host="router.example", Origin="https://router.example")
        assert "Secure" in headers["Set-Cookie"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\\b", "/a\r\nX: y", "", "///"]
)
def test_nobody_is_sent_elsewhere(path: str) -> None:
    """Where to go afterwards is a path of ours."""
    assert within(path) == "/"
    assert within("/events?rule=ci%2Fbuild") == "/events?rule=ci%2Fbuild"


async def test_changes_are_told() -> None:
    """A page that is open hears that something is another, and nothing of what."""
    async with visiting() as visit, visit.http.get(f"{visit.url}/live") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readline() == b"retry: 3000\n"
        visit.desk.bell.ring()
        lines = [await answer.content.readline() for _ in range(3)]
        assert lines == [b"\n", b"event: changed\n", b"data: \n"]


async def test_so_many_pages_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that closes makes room."""
    monkeypatch.setattr(stream, "MOST", 1)
    async with visiting() as visit:
        async with visit.http.get(f"{visit.url}/live") as answer:
            await answer.content.readline()
            assert (await visit.get("/live"))[0] == 503
        async with asyncio.timeout(20):
            while (await visit.get_status("/live")) == 503:
                await asyncio.sleep(0.01)


def test_the_environment_escapes_and_is_its_own() -> None:
    """What rules' templates may call is not here, and what is not defined is an error."""
    made = drawing.environment()
    assert made.from_string("{{ x }}").render(x=MARKUP).startswith("&lt;script&gt;")
    assert made.from_string("{{ x|plain }}").render(x=HOSTILE).startswith("&lt;script&gt;")
    with pytest.raises(Exception, match="is undefined"):
        made.from_string("{{ y }}").render()
