"""What Prometheus reads, beside what prometheus-client writes of the same."""

from __future__ import annotations

import os
from typing import Any

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from router import counters

KINDS: dict[str, tuple[Any, Any]] = {
    "counter": (counters.Counter, prometheus_client.Counter),
    "gauge": (counters.Gauge, prometheus_client.Gauge),
    "histogram": (counters.Histogram, prometheus_client.Histogram),
}
BUCKETS = (0.005, 1, 2.5, 300)
LABELS = st.text(max_size=8).filter(lambda text: text.isprintable() or text in ("\n", "\\n")) | st.sampled_from(
    ['"', "\\", "a\nb"]
)
VALUES = st.sampled_from([0, 1, 2.5, 0.0051, 300.0, 301, 1_795_435_201.25, 2**53]) | st.floats(0, 1e12)


def _all(text: str) -> dict[tuple[str, str], tuple[str, str, dict[tuple[str, ...], float]]]:
    """Families by name, without when the library's own series were made."""
    return {
        (one.name, one.type): (
            one.documentation,
            one.type,
            {(sample.name, *map(str, sorted(sample.labels.items()))): sample.value for sample in one.samples},
        )
        for one in text_string_to_metric_families(text)
        if not one.name.endswith("_created")
    }


@given(
    kind=st.sampled_from([*KINDS]),
    seen=st.lists(st.tuples(LABELS, VALUES), max_size=6),
    about=st.sampled_from(["It.", "a\\b\nc"]),
)
def test_the_page_reads_as_the_librarys(kind: str, seen: list[tuple[str, float]], about: str) -> None:
    registry = prometheus_client.CollectorRegistry()
    more = {"buckets": BUCKETS} if kind == "histogram" else {}
    mine, theirs = KINDS[kind]
    name = "router_x_total" if kind == "counter" else "router_x"
    made = [mine(name, about, ("a", "b"), **more), theirs(name, about, ("a", "b"), registry=registry, **more)]
    act = {"counter": "inc", "gauge": "set", "histogram": "observe"}[kind]
    for label, value in seen:
        for one in made:
            getattr(one.labels(label, "x"), act)(value)
    assert _all(counters.text([made[0].told()]).decode()) == _all(prometheus_client.generate_latest(registry).decode())


def test_a_family_without_labels_is_there_from_the_beginning() -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Histogram("router_x", "It.", registry=registry, buckets=BUCKETS)
    made = counters.Histogram("router_x", "It.", buckets=BUCKETS)
    assert _all(counters.text([made.told()]).decode()) == _all(prometheus_client.generate_latest(registry).decode())
    with pytest.raises(ValueError, match="has the labels"):
        made.labels("surplus")


def test_the_process_is_told_as_the_library_tells_it() -> None:
    """The same families, and the same of what stands still."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    theirs = _all(prometheus_client.generate_latest(registry).decode())
    mine = _all(counters.text(counters.process()).decode())
    assert mine.keys() == theirs.keys()
    for key in (("process_start_time_seconds", "gauge"), ("process_max_fds", "gauge")):
        assert mine[key] == theirs[key]
    (resident,) = mine["process_resident_memory_bytes", "gauge"][2].values()
    assert resident > 1_000_000
    assert resident % os.sysconf("SC_PAGE_SIZE") == 0
