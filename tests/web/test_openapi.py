"""openapi.json is true: whatever it allows is answered as it says, and whatever it does not is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter, ValidationError
from schemathesis.specs.openapi.checks import ignored_auth

from router.core import plan, rules
from router.core.problems import Problems
from router.engine.store.base import Arrival
from router.engine.store.sqlite import open_store
from router.plugins import OptionModels
from router.sections import AdminSection
from router.web import admin, shapes
from router.web.openapi import document
from tests.engine.way.parts import push
from tests.web.parts import NOW, desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from router.engine.store.base import Store

RULES = """\
rules:
  - name: any
    when: {branch: "**"}
    do: [log: {message: "{{ sha }}"}]
  - name: broken
    when: {branch: "**"}
    do: [log: {message: "{{ record.missing }}"}]
"""
BOOK = rules.load([rules.RuleText("ci", "rules/ci.yaml", RULES)], OptionModels(), Problems())


async def fill(store: Store) -> None:
    """Three events with a delivery that waits and one that is dead each."""
    events = [push(number) for number in range(1, 4)]
    await store.accept([Arrival(source="a", event=one, plan=plan.plan(one, BOOK, {}), keep=True) for one in events], NOW)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a router answers, in a thread."""
    folder: Path = tmp_path_factory.mktemp("api")
    loop, ready, stopping = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[str] = []

    async def serve() -> None:
        store = await open_store(folder / "router.db")
        await fill(store)
        made = desk(store, BOOK)
        beating = asyncio.ensure_future(made.pulse.run())

        def told(where: str) -> None:
            found.append(where)
            ready.set()

        serving = asyncio.ensure_future(admin.serve_address(made, AdminSection(listen="127.0.0.1:0"), told))
        await stopping.wait()
        for task in (serving, beating):
            task.cancel()
        await asyncio.wait([serving, beating])
        await store.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield f"http://{found[0]}"
    loop.call_soon_threadsafe(stopping.set)
    thread.join(30)
    loop.close()


schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_every_operation_is_as_described(case: Any, address: str) -> None:
    """Right and wrong requests of all kinds: no crash, no status, type or body that the document does not name."""
    case.call_and_validate(base_url=address, excluded_checks=[ignored_auth])


def test_the_document_is_what_is_served() -> None:
    """Each operation once, each with a summary; nothing is described that nobody answers."""
    made = document()
    names = [one["operationId"] for path in made["paths"].values() for one in path.values()]
    assert len(names) == len(set(names)) == sum(len(path) for path in made["paths"].values())
    assert {"livez", "readyz", "metrics", "reload", "status", "events", "explainEvent", "retryDeliveries"} <= set(names)
    assert all(one["summary"].endswith(".") for path in made["paths"].values() for one in path.values())


@pytest.mark.parametrize(
    ("since", "is_taken"), [(0, True), (7.0, True), (7.5, False), ("7", False), (True, False), (-1, False), (2**63, False)]
)
def test_a_whole_number_may_be_written_with_a_point(since: object, *, is_taken: bool) -> None:
    """As JSON Schema has it: 7.0 is an integer."""
    asked = {"state": "dead", "since": since}
    try:
        found = TypeAdapter[Any](shapes.DeliveriesMeant).validate_python(asked, strict=True)
    except ValidationError:
        assert not is_taken
    else:
        assert is_taken
        assert found.since == since
        assert type(found.since) is int
