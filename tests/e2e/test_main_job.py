"""One push, from the knot's frame to the CI's build and the delivery's `done`; and with a kill between any two steps."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from router.demo.wire import Tids
from tests.e2e.processes import ALICE, push, until

if TYPE_CHECKING:
    from tests.e2e.processes import Network, Router

pytestmark = pytest.mark.e2e

SHA = "6e13e68d383190280012b07f7a62f830da739b41"
#: Every step of the way, in order.
STEPS = (
    "after_heard",
    "before_accept",
    "in_accept",
    "after_accept",
    "after_claim",
    "before_deliver",
    "after_deliver",
    "before_settle",
    "in_settle",
    "after_settle",
)


def is_done(router: Router) -> bool:
    """Asked of the store, because a crash may have come between the commit and the log. There is one once a source is up."""
    return bool(router.lines("source up")) and [row["state"] for row in router.cli("deliveries", "list")] == ["done"]


def the_build(network: Network) -> dict[str, Any]:
    builds = network.builds()
    assert len(builds) == 1
    return builds[0]


def test_a_push_becomes_a_build_and_its_status_comes_back(network: Network, router: Router) -> None:
    """A push is heard, matched by a handle, built once with the delivery's id, done; and the build's end is told."""
    router.start()
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(lambda: router.lines("delivery attempted", state="done"), "the delivery to be done")
    build = the_build(network)
    (row,) = router.cli("deliveries", "list")
    assert (row["state"], row["rule"]) == ("done", "build/build")
    assert (build["commit"], build["branch"], build["meta_data"]["router:delivery"]) == (SHA, "main", row["id"])
    network.ask("advance")
    until(lambda: router.lines("status", status="running", workflow="ci"), "the build to run")
    network.ask("advance")
    until(lambda: router.lines("status", status="success", workflow="ci"), "the build to pass")
    assert router.stop() == 0
    shown = router.cli("deliveries", "show", row["id"])
    assert [status["status"] for status in shown["statuses"]] == ["pending", "running", "success"]


@pytest.mark.parity(44)
@pytest.mark.fault("T-01", "T-02", "T-03", "T-04", "T-05", "T-06")
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_any_two_steps_leaves_one_build(network: Network, router: Router, step: str) -> None:
    """`kill -9` at a step, a restart, and there is exactly one build and one delivery, done."""
    router.start(ROUTER_CRASH_AT=step)
    network.ask("emit", on="knot-a", frame=push(SHA))
    assert router.wait() == -signal.SIGKILL
    router.start()
    until(lambda: is_done(router), "the delivery to be done")
    the_build(network)


@pytest.mark.fault("T-05")
def test_a_kill_while_the_ci_answers_leaves_one_build(network: Network, router: Router) -> None:
    """The CI has made the build and the router dies waiting for the answer: it is found, not made again."""
    network.ask("ci", hold=True)
    router.start()
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(network.builds, "the CI to have the build")
    router.kill()
    network.ask("ci", hold=False)
    router.start()
    until(lambda: is_done(router), "the delivery to be done")
    the_build(network)


def test_an_answer_that_is_lost_is_looked_up(network: Network, router: Router) -> None:
    """The connection is cut after the CI made the build, and look-ups fail at first: still one build."""
    network.ask("ci", drop_after=1, look_answers=[503, 503], index_lag=0.2)
    router.start()
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(lambda: router.lines("delivery attempted", state="done"), "the delivery to be done")
    the_build(network)
    assert router.lines("delivery attempted", state="verify")


def test_a_request_that_is_lost_is_sent_again(network: Network, router: Router) -> None:
    """The connection is cut before the CI made the build: the look-up finds none, and it is built, once."""
    network.ask("ci", drop_before=1)
    router.start()
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(lambda: is_done(router), "the delivery to be done")
    the_build(network)


def test_a_busy_ci_gets_the_build_later(network: Network, router: Router) -> None:
    """Answers of 503 and 429 end in one build."""
    network.ask("ci", fail_next=[503])
    router.start()
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(lambda: is_done(router), "the delivery to be done")
    the_build(network)


def test_what_happened_while_down_is_built_once_up(network: Network, router: Router) -> None:
    """Pushes of both knots while the router was away are heard from its cursors, each once."""
    router.start()
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(lambda: router.lines("delivery attempted", state="done"), "the first delivery")
    router.kill()
    network.ask("emit", on="knot-a", frame=push("1" * 40))
    network.ask("emit", on="knot-a", frame=push("2" * 40, files=("docs/guide.md",)))
    router.start()
    until(lambda: len(network.builds()) == 2, "the second build")
    assert {build["commit"] for build in network.builds()} == {SHA, "1" * 40}
    until(lambda: len(router.lines("event", rules=["build/documents"])) == 1, "the documents' push")  # type: ignore[arg-type]


def test_garbage_on_one_knot_stops_nothing(network: Network, router: Router) -> None:
    """Broken, binary and oversized frames of a knot are counted and passed over; its next push is built."""
    router.start()
    network.ask("attended")
    network.ask("raw", on="knot-a", text="{broken")
    network.ask("raw", on="knot-a", base64="AAECAw==")
    now = time.time_ns()
    large = {"rkey": Tids().next(), "nsid": "sh.tangled.git.refUpdate", "event": {"ref": "x" * 2_000_000}, "created": now}
    network.ask("raw", on="knot-a", text=json.dumps(large), created=now)
    network.ask("emit", on="knot-a", frame=push(SHA))
    until(network.builds, "the build")
    (knot,) = [row for row in router.cli("sources") if row["name"] == "knot-a"]
    assert knot["bad_frames"] >= 3


def test_two_routers_do_not_share_a_store(router: Router, network: Network) -> None:
    """The second one says who holds the store, and exits with 3."""
    router.start()
    network.ask("attended")
    first = router.process
    assert first is not None
    try:
        assert router.start().wait() == 3
        assert str(first.pid) in router.log.read_text()
    finally:
        router.process = first


def test_a_recorded_event_is_delivered_and_the_router_ends(router: Router, network: Network) -> None:
    """`router run --source FILE` hears the file, delivers, and exits with 0."""
    old = {key: value for key, value in push(SHA)["event"].items() if key not in ("repo", "ownerDid")}
    old |= {"repoDid": ALICE, "repoName": "hello"}
    frame = {"knot": "knot.example.com", "rkey": "3n2y3epywm22e", "nsid": "sh.tangled.git.refUpdate", "event": old}
    (router.folder / "events.jsonl").write_text(json.dumps(frame) + "\n")
    assert router.start("--source", "events.jsonl").wait() == 0
    the_build(network)
    assert is_done(router)
