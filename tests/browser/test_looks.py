"""Every tab in every state, narrow and wide, light and dark: nothing overflows, nothing complains, everybody can read it. The
pictures are for people to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import serving
from tests.web.stage import name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.conftest import Site, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TABS = {
    "now": "/",
    "events": "/events",
    "deliveries": "/deliveries",
    "rules": "/rules",
    "pipelines": "/pipelines",
    "approvals": "/approvals",
}
LOOKS = [
    *((state, width, "light") for state in ("empty", "busy", "failing") for width in (400, 1400)),
    ("busy", 1400, "dark"),
    ("failing", 400, "dark"),
]


def pages(site: Site, state: str) -> dict[str, str]:
    if state == "empty":
        return TABS
    event, delivery = (11, 2) if state == "busy" else (4, 3)
    more = {"event": f"/events/{event}", "delivery": f"/deliveries/{name(delivery)}", "rule": "/rules/ci/docs"}
    for number, one in enumerate(site.do(site.desk.store.latest_pipelines())):
        more |= {f"pipeline-{number}": f"/pipelines/{one.id}", f"log-{number}": f"/pipelines/{one.id}/log?workflow=ci"}
    return TABS | more


@pytest.mark.threat("S-19")
@pytest.mark.parametrize(("state", "width", "scheme"), LOOKS)
def test_every_tab(state: str, width: int, scheme: str, tab: Callable[..., Tab], screenshots: Path) -> None:
    """No violation of the policy, no error, no horizontal scrolling, nothing of a stranger's that ran, and nothing that axe
    finds (WCAG 2.2 AA)."""
    with serving(state) as site:
        opened = tab(width, color_scheme=scheme, reduced_motion="reduce")
        page = opened.page
        for called, path in pages(site, state).items():
            page.goto(site.url + path)
            page.screenshot(path=screenshots / f"{called}-{state}-{width}-{scheme}.png", full_page=True)
            assert page.title() != "stolen"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, called
            assert page.locator("h1").count() == 1
            found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
            told = [(one["id"], [node["html"][:150] for node in one["nodes"]][:3]) for one in found.response["violations"]]
            assert not told, f"{called}: {json.dumps(told, indent=1)}"
            assert not opened.complaints, called
