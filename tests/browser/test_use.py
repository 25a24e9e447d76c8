"""The page in use: with and without scripts, by keyboard, with a token; and what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from router.core.model import State
from router.secret import Secret
from tests.browser.conftest import serving
from tests.web.stage import HOSTILE, heard, name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
TOKEN = "a token that is as long as it must be"


def test_events_come_by_themselves(tab: Callable[..., Tab]) -> None:
    """A new one is there without a reload, and a filter that is being typed stays; paused, nothing comes."""
    with serving("busy") as site:
        page = tab().page
        page.goto(f"{site.url}/events")
        expect(page.get_by_role("button", name="Live updates")).to_have_text("Live")
        page.get_by_label("Repo").fill("half a na")
        site.do(heard(site.desk.store, 20, "arrived"))
        site.desk.bell.ring()
        expect(page.locator("#event-15")).to_contain_text("arrived")
        assert page.get_by_label("Repo").input_value() == "half a na"
        page.get_by_role("button", name="Live updates").click()
        site.do(heard(site.desk.store, 21, "later"))
        site.desk.bell.ring()
        with page.expect_event("console", lambda message: message.text == "told"):
            page.evaluate("new EventSource('/live').addEventListener('changed', () => console.log('told'))")
        assert page.locator("#event-16").count() == 0
        page.get_by_role("button", name="Live updates").click()
        expect(page.locator("#event-16")).to_contain_text("later")


def test_what_was_opened_stays_open(tab: Callable[..., Tab]) -> None:
    """A part that somebody opened or chose is left as it is while the rest changes."""
    with serving("failing") as site:
        page = tab().page
        page.goto(f"{site.url}/deliveries/{name(3)}")
        summary = page.locator("#attempt-1 summary")
        summary.click()
        expect(page.locator("#attempt-1")).not_to_have_attribute("open", "")
        site.do(site.desk.store.retry([name(3)], site.desk.clock.now()))
        site.desk.bell.ring()
        expect(page.locator("#fresh > p .badge").first).to_have_text("ready")
        expect(page.locator("#attempt-1")).not_to_have_attribute("open", "")


def test_a_dead_letter_is_retried_and_discarded(tab: Callable[..., Tab]) -> None:
    """One by its own button, others by choosing them."""
    with serving("failing") as site:
        page = tab().page
        page.goto(f"{site.url}/deliveries/{name(3)}")
        page.get_by_role("button", name="Retry now").click()
        expect(page.get_by_role("status")).to_have_text("1 to be made once more.")
        page.goto(f"{site.url}/deliveries?state=dead")
        for number in (4, 5):
            page.get_by_label(f"Delivery {name(number)[:12]}").check()
        page.get_by_role("button", name="Discard what is chosen").click()
        expect(page.get_by_role("status")).to_have_text("2 discarded.")
        assert site.do(site.desk.store.counts()) == {"dead": 1, "ready": 3, "discarded": 2}


def test_without_scripts(tab: Callable[..., Tab]) -> None:
    """Every tab, the filter, the tree of an event, a button, a log."""
    with serving("busy") as site:
        page = tab(java_script_enabled=False).page
        page.goto(site.url)
        for title in ("Events", "Deliveries", "Rules", "Pipelines", "Approvals", "Now"):
            page.get_by_role("navigation").get_by_role("link", name=title).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("#pause")).to_be_hidden()
        page.goto(f"{site.url}/events")
        page.get_by_label("Rule").fill("ci/docs")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("main")).to_contain_text("No event is like that.")
        page.get_by_role("link", name="Show all").click()
        page.locator("#event-11 a").first.click()
        expect(page.locator("details.rule").first).to_contain_text("ci/build")
        page.goto(f"{site.url}/approvals")
        page.get_by_label("Event 13").check()
        page.get_by_role("button", name="Deny what is chosen").click()
        expect(page.get_by_role("status")).to_have_text("1 denied.")
        page.goto(f"{site.url}/pipelines")
        page.locator("article").nth(1).get_by_role("link", name="ci").click()
        expect(page.locator("pre.log").first).to_contain_text("12 passed")
        expect(page.locator("pre.log .ink-green").first).to_have_text("✓")


def test_by_keyboard(tab: Callable[..., Tab]) -> None:
    """First past everything to the content, then the sections in order; what has the focus is seen to have it."""
    with serving("busy") as site:
        page = tab().page
        page.goto(f"{site.url}/rules")
        expect(page.get_by_role("button", name="Live updates")).to_have_text("Live")
        order = []
        for _ in range(13):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            order.append(focused.inner_text() or focused.get_attribute("name"))
            style = focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert style == "solid", order
        sections = ["Now", "Events", "Deliveries", "Rules", "Pipelines", "Approvals"]
        assert order == ["Skip to the content", "tangled-router", *sections, "Live", "find", "never", "Show", "ci/build"]
        page.goto(f"{site.url}/rules")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("nightly")
        page.keyboard.press("Enter")
        page.wait_for_url("**/rules?find=nightly")
        expect(page.locator("tbody tr")).to_have_count(1)


def test_with_a_token(tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for once, and leads to where one wanted to go; who logs out is out."""
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    with serving("failing", Secret("env", "ADMIN_TOKEN")) as site:
        opened = tab(400)
        page = opened.page
        page.goto(f"{site.url}/deliveries?state=dead")
        page.get_by_label("Token").fill("another")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        # The browser itself complains of every 401.
        opened.complaints.clear()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{site.url}/deliveries?state=dead")
        expect(page.get_by_role("heading", level=1)).to_have_text("Deliveries")
        assert page.evaluate("document.cookie") == ""
        assert TOKEN not in page.content()
        page.get_by_label(f"Delivery {name(3)[:12]}").check()
        page.get_by_role("button", name="Retry what is chosen").click()
        expect(page.get_by_role("status")).to_have_text("1 to be made once more.")
        page.get_by_role("button", name="Log out").click()
        page.goto(f"{site.url}/events")
        expect(page.get_by_label("Token")).to_be_visible()


@pytest.mark.threat("S-19")
def test_a_hostile_branch_is_text(tab: Callable[..., Tab]) -> None:
    """All of it is there to be read, and nothing of it runs, is followed, or turns the line round."""
    with serving("busy") as site:
        page = tab().page
        page.goto(f"{site.url}/events/11")
        shown = page.locator(".facts .value").first.inner_text()
        assert shown == HOSTILE.encode("unicode_escape").decode("ascii")
        assert page.locator("main script, main img, main iframe").count() == 0
        page.goto(f"{site.url}/deliveries/{name(2)}")
        assert page.locator("a[href^=javascript]").count() == 0
        expect(page.locator(".buttons code")).to_have_text("javascript:document.title='stolen'")
        assert page.title() == f"Delivery {name(2)[:12]} · tangled-router"
        assert site.do(site.desk.store.counts()) == {str(State.DONE): 12}
