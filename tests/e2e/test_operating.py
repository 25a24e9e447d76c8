"""A router that runs, as its operator meets it: by the command line, by HTTP, by Prometheus."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.processes import ROUTER, RULES, push, until

if TYPE_CHECKING:
    from tests.e2e.processes import Network, Router

pytestmark = pytest.mark.e2e
TOKEN = "of thirty-two bytes, or a few more"


def sha(number: int) -> str:
    return f"{number:040x}"


class Listener:
    """What listens on the address that the log names."""

    def __init__(self, router: Router) -> None:
        (line,) = until(lambda: router.lines("source up", source="admin"), "the admin listener")
        self.url = "http://" + line["reason"].removeprefix("Answering operators on ").rstrip(".")

    def ask(self, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def test_the_page_of_a_router_that_runs(network: Network, router: Router) -> None:
    """What came in and what became of it, the hour's plots, and a rule that is paused by its button."""
    with (router.folder / "router.yaml").open("a") as settings:
        settings.write('admin: {listen: "127.0.0.1:0"}\n')
    router.start()
    network.ask("attended")
    listener = Listener(router)
    network.ask("emit", on="knot-a", frame=push(sha(1)))
    until(lambda: [row["state"] for row in router.cli("deliveries", "list")] == ["done"], "the delivery to be made")
    assert 'aria-label="Events a minute in the last hour: ' in listener.ask("/")[1]
    assert '<a href="/rules/build/build">build/build</a>' in listener.ask("/events")[1]
    found = re.search(r'name="word" value="([0-9a-f]{64})"', listener.ask("/rules")[1])
    assert found is not None
    form = urllib.parse.urlencode({"word": found[1], "name": "build/build", "back": "/rules"}).encode()
    with urllib.request.urlopen(f"{listener.url}/rules/pause", form, timeout=30) as answer:
        assert answer.url.endswith("/rules?done=pause&count=1&not=0")
        assert "1 paused." in answer.read().decode()
    assert router.cli("status")["paused_rules"] == ["build/build"]


def test_an_operators_night(network: Network, router: Router) -> None:
    """Ready; a rule is paused and its deliveries wait; a broken reload is refused with its place; resumed, all is made; and a
    paused source stays paused through a restart, and then goes on where it was."""
    with (router.folder / "router.yaml").open("a") as settings:
        settings.write('admin: {listen: "127.0.0.1:0", token: {env: ADMIN_TOKEN}}\n')
    rules = router.folder / "rules" / "build.yaml"
    router.start(ADMIN_TOKEN=TOKEN)
    network.ask("attended")
    listener = Listener(router)
    until(lambda: listener.ask("/readyz", token="")[0] == 200, "the router to be ready")
    assert listener.ask("/livez", token="")[0] == 200
    assert listener.ask("/metrics", token="")[0] == 401
    assert router.cli("status")["ready"]
    alive = subprocess.run([ROUTER, "status", "--alive"], cwd=router.folder, capture_output=True, check=False, text=True)
    assert (alive.returncode, alive.stdout) == (0, "")

    assert router.cli("rules", "pause", "build/build") == {"changed": ["build/build"]}
    network.ask("emit", on="knot-a", frame=push(sha(1)))
    until(lambda: [row["state"] for row in router.cli("deliveries", "list")] == ["ready"], "the delivery to wait")
    assert router.cli("status")["paused_rules"] == ["build/build"]

    rules.write_text(RULES.replace("do: []", "do: ["))
    status, answer = listener.ask("/-/reload", {})
    assert status == 422
    (finding,) = json.loads(answer)["findings"]
    assert (finding["file"], finding["line"], finding["column"]) == ("rules/build.yaml", 7, 3)
    until(lambda: "router_config_last_reload_successful 0.0\n" in listener.ask("/metrics")[1], "the metric")
    rules.write_text(RULES)
    assert router.cli("reload")["ok"]

    assert json.loads(listener.ask("/api/v1/rules/resume", {"names": ["build/build"]})[1]) == {"changed": ["build/build"]}
    until(lambda: [row["state"] for row in router.cli("deliveries", "list")] == ["done"], "the delivery to be made")
    (row,) = (one for one in router.cli("rules", "hits") if one["id"] == "build/build")
    assert (row["hits"], row["paused"]) == (1, None)
    metrics = listener.ask("/metrics")[1]
    assert 'router_rule_matches_total{rule="build/build"} 1.0\n' in metrics
    assert 'router_delivery_attempts_total{action="buildkite",outcome="done"} 1.0\n' in metrics
    assert 'router_source_up{source="knot-a"} 1.0\n' in metrics

    assert router.cli("sources", "pause", "knot-a") == {"changed": ["knot-a"]}
    until(lambda: router.lines("source paused", source="knot-a"), "the source to be paused")
    network.ask("emit", on="knot-a", frame=push(sha(2)))
    assert router.stop() == 0
    router.start(ADMIN_TOKEN=TOKEN)
    until(lambda: len(router.lines("source paused", source="knot-a")) == 2, "the source to be paused still")
    assert len(router.cli("events", "list", "--rule", "build/build")) == 1
    assert router.cli("sources", "resume", "knot-a") == {"changed": ["knot-a"]}
    until(lambda: len(router.cli("events", "list", "--rule", "build/build")) == 2, "what came meanwhile to be heard")
    assert router.stop() == 0


def test_what_needs_a_token_does_not_start_with_a_short_one(network: Network, router: Router) -> None:
    """It would look safe."""
    with (router.folder / "router.yaml").open("a") as settings:
        settings.write('admin: {listen: "127.0.0.1:0", token: {env: ADMIN_TOKEN}}\n')
    router.start(ADMIN_TOKEN="secret")
    assert router.wait() == 3
    assert "The token of `admin` has fewer than 32 bytes" in router.log.read_text()
    router.start()
    assert router.wait() == 3
    assert "The environment variable ADMIN_TOKEN is not set" in router.log.read_text()
