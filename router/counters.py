"""Counters, gauges and histograms, and how Prometheus reads them: its text format 0.0.4.

prometheus-client does the same, and has a web server with it. What `/metrics` says was compared with what it says
(tests/test_counters.py). A series is counted by one thread.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    #: What is told of a family: the end of its name, labels, and the value.
    Sample: TypeAlias = tuple[str, dict[str, str], float]

_KERNEL = "/proc/self/"


class Told(NamedTuple):
    """One family, as it is told."""

    name: str
    kind: str
    about: str
    samples: list[Sample]


class Number:
    """A series."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1.0) -> None:
        self.value += by

    def set(self, value: float) -> None:
        self.value = float(value)


class Spread:
    """A series of a histogram: how many were in each bucket, and their sum."""

    __slots__ = ("buckets", "counts", "sum")

    def __init__(self, buckets: Sequence[float]) -> None:
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.buckets, value)] += 1
        self.sum += value


class _Family:
    """The series of one name, by the values of its labels. One without labels is a series itself, from the beginning."""

    def __init__(self, name: str, about: str, labels: Sequence[str] = (), buckets: Sequence[float] = ()) -> None:
        self.name = name
        self.about = about
        self.names = tuple(labels)
        self.buckets = tuple(buckets)
        self.series: dict[tuple[str, ...], Any] = {}
        if not self.names:
            self.labels()

    def labels(self, *values: str) -> Any:
        """The series of these values."""
        if len(values) != len(self.names):
            raise ValueError(f"{self.name} has the labels {self.names}.")
        found = self.series.get(values)
        if found is None:
            found = self.series[values] = self._new()
        return found

    def clear(self) -> None:
        """Forget every series."""
        self.series.clear()

    def _new(self) -> Any:
        return Number()

    def told(self) -> Told:
        """As it is now."""
        samples = [("", dict(zip(self.names, values, strict=True)), one.value) for values, one in [*self.series.items()]]
        return Told(self.name, type(self).__name__.lower(), self.about, samples)


class Counter(_Family):
    """What only grows."""

    def inc(self, by: float = 1.0) -> None:
        self.labels().inc(by)


class Gauge(_Family):
    """What goes up and down."""

    def set(self, value: float) -> None:
        self.labels().set(value)


class Histogram(_Family):
    """How often values were below each bound."""

    def observe(self, value: float) -> None:
        self.labels().observe(value)

    def _new(self) -> Spread:
        return Spread(self.buckets)

    def told(self) -> Told:
        samples: list[Sample] = []
        for values, one in [*self.series.items()]:
            labels, count = dict(zip(self.names, values, strict=True)), 0
            for bound, here in zip((*self.buckets, float("inf")), one.counts, strict=True):
                count += here
                samples.append(("_bucket", {**labels, "le": _number(bound)}, count))
            samples += [("_count", labels, count), ("_sum", labels, one.sum)]
        return Told(self.name, "histogram", self.about, samples)


def text(families: Iterable[Told]) -> bytes:
    """The page that Prometheus reads."""
    return "".join(map(_family, families)).encode()


def _family(one: Told) -> str:
    about = one.about.replace("\\", "\\\\").replace("\n", "\\n")
    lines = [f"# HELP {one.name} {about}\n# TYPE {one.name} {one.kind}\n"]
    for end, labels, value in one.samples:
        said = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
        lines.append(f"{one.name}{end}{{{said}}} {_number(value)}\n" if said else f"{one.name}{end} {_number(value)}\n")
    return "".join(lines)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value) or repr(float(value))


# -- the process itself


def process() -> Iterator[Told]:
    """What the kernel says of this process, where it has /proc; under the names that every exporter has for it."""
    with suppress(OSError, ValueError, IndexError):
        fields = _read("stat").rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        booted = next(float(line.split()[1]) for line in _read("../stat").splitlines() if line.startswith("btime "))
        yield _told("virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", float(fields[20]))
        resident = float(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        yield _told("resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident)
        started = booted + float(fields[19]) / ticks
        yield _told("start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", started)
        spent = (float(fields[11]) + float(fields[12])) / ticks
        yield _told("cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", spent)
    with suppress(OSError, ValueError, StopIteration, IndexError):
        limit = next(line.split()[3] for line in _read("limits").splitlines() if line.startswith("Max open files"))
        most = float("inf") if limit == "unlimited" else float(limit)
        yield _told("max_fds", "gauge", "Maximum number of open file descriptors.", most)
        count = float(len(os.listdir(f"{_KERNEL}fd")))  # noqa: PTH208 - as the kernel lists them
        yield _told("open_fds", "gauge", "Number of open file descriptors.", count)


def _told(name: str, kind: str, about: str, value: float) -> Told:
    return Told(f"process_{name}", kind, about, [("", {}, value)])


def _read(name: str) -> str:
    with open(_KERNEL + name, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
        return file.read()
