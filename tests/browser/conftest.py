"""A browser, and routers for it to look at. Without Chromium these tests are skipped, except in CI, where they fail."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from router.sections import AdminSection
from router.web import admin
from tests.web.stage import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from router.secret import Secret
    from router.web.desk import Desk

ROOT = Path(__file__).parent.parent.parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
MORE = ("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")
#: What the pages of the running test are in.
_OPEN: list[BrowserContext] = []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures are kept for people to look at."""
    folder = Path(os.environ.get("ROUTER_SCREENSHOTS") or ROOT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's, one for the tests of a module."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        told = "There is no Chromium here: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=[*FLAGS, *MORE])
        yield browser
        browser.close()


class Site:
    """A router that is served from a thread of its own. `do` runs something there."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self.desk = desk
        self.loop = loop
        self.url = url

    def do(self, job: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(30)


@contextmanager
def serving(state: str, token: Secret | None = None) -> Iterator[Site]:
    """A router in this state, on a port of its own."""
    ready = threading.Event()
    made: dict[str, Any] = {}

    async def serve() -> None:
        desk = await STATES[state]()
        section = AdminSection(listen="127.0.0.1:0", token=token)

        def told(address: str) -> None:
            made.update(site=Site(desk, asyncio.get_running_loop(), f"http://{address}"), task=asyncio.current_task())
            ready.set()

        try:
            await admin.serve_address(desk, section, told)
        finally:
            await desk.store.close()

    def work() -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(serve())

    thread = threading.Thread(target=work, name="site", daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield made["site"]
    finally:
        # A page that stays open would ask somebody who is gone.
        while _OPEN:
            _OPEN.pop().close()
        made["site"].loop.call_soon_threadsafe(made["task"].cancel)
        thread.join(30)


class Tab:
    """A page of the browser, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
        )

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens pages, each in a context of its own; nothing may have complained at the end."""
    tabs = []

    def make(width: int = 1400, **more: Any) -> Tab:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **more)
        context.set_default_timeout(20_000)
        _OPEN.append(context)
        tabs.append(Tab(context.new_page()))
        return tabs[-1]

    yield make
    while _OPEN:
        _OPEN.pop().close()
    assert [one.complaints for one in tabs if one.complaints] == []
