"""Metrics: what is counted, what the store is asked for, and that strangers cannot make them grow."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from router.config import Config, SourceConfig
from router.core import plan
from router.core.model import Entry, Heard, Outcome, Passed, Plan, State, Status, changed
from router.engine.pauses import RULE, Pauses
from router.engine.pulse import Pulse
from router.engine.store.sqlite import open_store
from router.health import Health, Sources
from router.metrics import CATALOGUE, Metrics
from router.observe import Silent, several
from router.scrape import Scrape
from router.sections import StoreSection
from router.settings import Closed
from router.testing import FakeClock
from tests.engine.way.parts import START, Listed, assemble, book, push
from tests.engine.way.parts import LookingToy as Toy

if TYPE_CHECKING:
    from pathlib import Path

    from router.engine.store.base import Store
    from tests.engine.way.parts import Engine

RULES = """
rules:
  - name: build
    when: {trigger: push, branch: main}
    report: {workflow: ci}
    do:
      - toy: {sha: "{{ sha }}"}
  - name: never
    when: {trigger: push, branch: never}
    do: []
"""


class Counted:
    """An engine whose observer is the metrics, and the page that Prometheus would read."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.time = FakeClock(START)
        self.metrics = Metrics(self.time)
        self.sources = Sources(self.time)
        observer = several(self.metrics, self.sources, Silent())
        self.engine: Engine = assemble(store, self.time, observer, Toy(), RULES)  # type: ignore[arg-type]
        self.pauses = Pauses(store, self.time)
        config = Config(store=StoreSection(path=str(folder / "router.db")), sources=(SourceConfig("listed", "knot", Closed()),))
        rulebook = book(RULES)
        self.scrape = Scrape(
            self.metrics,
            store,
            self.time,
            self.pauses,
            self.sources,
            Pulse(observer),
            lambda: config,
            lambda: rulebook,
            lambda: "ff" * 32,
        )

    async def read(self) -> dict[str, float]:
        """Each sample, by its name and labels as Prometheus writes them."""
        self.time.forward(3)
        text = (await self.scrape.text()).decode()
        return {
            sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


async def counted(folder: Path) -> Counted:
    return Counted(await open_store(folder / "router.db"), folder)


async def test_the_way_of_an_event_is_counted(tmp_path: Path) -> None:
    """Heard, matched, attempted, done and told; twice heard is counted apart."""
    made = await counted(tmp_path)
    made.time.forward(7)
    await made.engine.hear(push(1), push(1), push(2, "topic"))
    await made.engine.work()
    found = await made.read()
    await made.engine.store.close()
    kind = "source_kind=knot"
    assert found[f"router_events_received_total nsid=sh.tangled.git.refUpdate {kind}"] == 2
    assert found[f"router_events_known_total {kind}"] == 1
    assert found[f"router_event_lag_seconds_count {kind}"] == 2
    assert found[f"router_event_lag_seconds_sum {kind}"] == 14
    assert found[f"router_event_ahead_seconds {kind}"] == 0
    assert found["router_rule_matches_total rule=test/build"] == 1
    assert found["router_rule_matches_total rule=test/never"] == 0
    assert found["router_rule_last_match_timestamp_seconds rule=test/build"] == START / 1e6 + 7
    assert found["router_delivery_attempts_total action=toy outcome=done"] == 1
    assert found["router_delivery_duration_seconds_count action=toy"] == 1
    assert found["router_outbox_rows state=done"] == 1
    assert found["router_outbox_rows state=ready"] == 0
    assert found["router_outbox_oldest_ready_age_seconds"] == 0
    assert found["router_statuses_total status=pending"] == 1
    assert found["router_source_up source=listed"] == 1  # it is at its end
    assert found["router_source_last_event_timestamp_seconds source=listed"] == START / 1e6 + 7
    assert found["router_config_hash"] == float(0xFFFFFFFFFFFF)
    assert found["router_store_bytes"] > 0
    assert found["router_disk_free_bytes"] > 0


async def test_what_leads_to_nothing_is_counted(tmp_path: Path) -> None:
    """Events that match nothing and are not kept, and those that nobody asked for and that were not even decoded."""
    made = await counted(tmp_path)
    made.time.forward(7)
    made.engine.intake.record = "matched"
    times = [START + 2_000_000, START + 6_500_000, START + 9_000_000]
    passed = Passed("jetstream", {"sh.tangled.repo.pull": times[:1], "a.b.c": times[1:]})
    heard = [Heard(event=push(1, "topic"), cursor=1), Heard(event=push(2, "topic"), cursor=2), Heard(cursor=3, passed=passed)]
    await made.engine.intake.listen(Listed(heard))
    found = await made.read()
    await made.engine.store.close()
    assert found["router_events_received_total nsid=sh.tangled.git.refUpdate source_kind=knot"] == 2
    assert found["router_events_received_total nsid=sh.tangled.repo.pull source_kind=jetstream"] == 1
    assert found["router_events_received_total nsid=other source_kind=jetstream"] == 2
    assert found["router_event_lag_seconds_count source_kind=knot"] == 2
    assert found["router_event_lag_seconds_sum source_kind=knot"] == 14
    lag = "router_event_lag_seconds_bucket le={} source_kind=jetstream"
    assert [found[lag.format(bound)] for bound in ("0.1", "0.5", "2.5", "5.0", "+Inf")] == [1, 2, 2, 3, 3]
    assert found["router_event_lag_seconds_sum source_kind=jetstream"] == 5.5
    assert found["router_event_ahead_seconds source_kind=jetstream"] == 2


async def test_what_waits_has_an_age(tmp_path: Path) -> None:
    """The oldest that is due; a paused rule's deliveries wait because somebody wants it, and count elsewhere."""
    made = await counted(tmp_path)
    await made.engine.hear(push(1))
    made.time.forward(60)
    assert (await made.read())["router_outbox_oldest_ready_age_seconds"] == 63
    await made.pauses.pause(RULE, "test/build")
    found = await made.read()
    await made.engine.store.close()
    assert found["router_outbox_oldest_ready_age_seconds"] == 0
    assert found["router_paused kind=rule"] == 1
    assert found["router_outbox_rows state=ready"] == 1


def test_strangers_cannot_make_series(tmp_path: Path) -> None:
    """However many nsids, repos, sources and places there are, the page does not grow: labels are our own words."""
    metrics = Metrics(FakeClock(START))
    for number in range(100):
        metrics.planned(changed(push(number), nsid=f"com.example.n{number}"), Plan(), fresh=True)
        metrics.fault(f"source knot:host{number}.example", "It broke.")
        metrics.fault(f"webhook {number}", "Refused.")
    names = {family.name + str(sorted(labels.items())) for family in metrics.told() for _, labels, _ in family.samples}
    assert len([name for name in names if name.startswith("router_events_received_total")]) == 1
    assert len([name for name in names if name.startswith("router_faults_total")]) == 2
    for one in CATALOGUE:
        assert not {"repo", "did", "knot", "ref", "branch"} & set(one.labels)


async def test_a_store_that_does_not_answer_hides_only_itself(tmp_path: Path) -> None:
    """Metrics are what one looks at then."""
    made = await counted(tmp_path)
    await made.engine.store.close()
    found = await made.read()
    assert found["router_config_last_reload_successful"] == 1
    made.metrics.reloaded(ok=False, sentence="no")
    assert (await made.read())["router_config_last_reload_successful"] == 0


def test_every_metric_says_what_it_is() -> None:
    """By a sentence, with a unit in its name as Prometheus wants it."""
    for one in CATALOGUE:
        assert one.about.endswith("."), one.name
        assert one.name.startswith("router_")
        assert (one.kind.__name__ == "Counter") == one.name.endswith("_total"), one.name


def test_ambiguous_attempts_are_counted() -> None:
    """What is looked up first; a look-up that waits is none."""
    metrics = Metrics(FakeClock(START))
    (delivery,) = plan.plan(push(1), book(RULES), {}).deliveries
    metrics.attempted(delivery, Outcome(state=State.VERIFY))
    metrics.attempted(delivery, Outcome(state=State.VERIFY, counts=False))
    assert metrics["router_ambiguous_total"].labels("toy").value == 1
    metrics.reported(Entry(delivery="d", workflow="ci", status=Status.FAILED, at=1))
    assert metrics["router_statuses_total"].labels("failed").value == 1


async def test_health_is_ready_by_what_works() -> None:
    """One source that is up is enough; a store that cannot be written is not, and that is believed for a while."""
    store, clock = await open_store(":memory:"), FakeClock(START)
    sources = Sources(clock)
    health = Health(store, clock, sources)
    assert await health.checks([]) == {"store": "ok", "sources": "ok"}
    assert (await health.checks(["a", "b"]))["sources"] == "None of 2 sources is up."
    sources.source("a", "down", "It is away.")
    assert (await health.checks(["a", "b"]))["sources"] == "None of 2 sources is up."
    sources.source("b", "up")
    assert (await health.checks(["a", "b"]))["sources"] == "ok"
    await store.close()
    assert (await health.checks([]))["store"] == "ok"
    clock.forward(11)
    assert (await health.checks([]))["store"] == "The store is closed."


@pytest.mark.fault("T-27")
async def test_on_a_full_disk_nobody_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the store can be written, in the room of the ballast, and was a moment ago."""
    store, clock = await open_store(":memory:"), FakeClock(START)
    health = Health(store, clock, Sources(clock))
    assert (await health.checks([]))["store"] == "ok"
    monkeypatch.setattr(type(store), "full", True)
    assert (await health.checks([]))["store"].startswith("The disk is full")
    await store.close()


@pytest.mark.fault("T-39")
async def test_the_pulse_says_where_the_loop_stands() -> None:
    """A loop that stands still is told once, with its stack, by a thread; and it is not alive meanwhile."""
    told: list[str] = []

    class Observer(Silent):
        def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
            told.append(sentence)

    pulse = Pulse(Observer(), every=0.005, still=0.02)
    task = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    assert [pulse.alive] == [True]
    end = time.monotonic() + 10
    while not told and time.monotonic() < end:
        time.sleep(0.001)  # noqa: ASYNC251 - this is the stall
    assert [pulse.alive] == [False]
    assert "test_the_pulse_says_where_the_loop_stands" in told[0]
    while not pulse.alive:
        await asyncio.sleep(0)
    assert pulse.longest > 0.01
    task.cancel()
    await asyncio.wait([task])
