"""What a run looks like: lines for a terminal, a page of the docs, and plots as SVG that any browser draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = """# What things cost

> `make bench` wrote this page; bench/last.json has the same as data, bench/README.md where the time goes and what was tried.

Each row is measured side by side, in turns: ratios are what counts, absolute times are those of the machine below. Times
are the processor's. Sides show the median, the minimum, and the spread (largest minus smallest, as a share of the median).

"""
WIDTH, HEIGHT, EDGE = 640, 320, 56
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700")


def lines(row: dict[str, Any]) -> Iterator[str]:
    """A row for a terminal."""
    word = "at least" if row["least"] else "at most"
    mark = "ok  " if row["reached"] else "MISS"
    note = f"; {row['note']}" if row["note"] else ""
    yield f"{mark} {row['name']}: {number(row['ratio'])} ({word} {number(row['limit'])}){note}"
    for name, side in row["sides"].items():
        told = f"{side['median']:>11.2f} {row['unit']}  min {side['min']:>10.2f}  spread {side['spread']:>5.0%}"
        yield f"       {name:<48} {told}"


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(kept: dict[str, Any], docs: Path) -> None:
    """The page and its figures."""
    rows = [row for found in kept["modules"].values() for row in found]
    out = [HEAD, "| what | measured | must be | |\n|---|---:|---:|---|\n"]
    for row in rows:
        word = "at least" if row["least"] else "at most"
        mark = "reached" if row["reached"] else "**missed**"
        out.append(f"| {row['name']} | {number(row['ratio'])} | {word} {number(row['limit'])} | {mark} |\n")
    for plot in dict.fromkeys(row["plot"] for row in rows if row["plot"]):
        lines_of = {name: points for row in rows if row["plot"] == plot for name, points in row["points"].items()}
        file = docs / "figures" / f"{plot}.svg"
        file.parent.mkdir(exist_ok=True)
        title, across, up = TITLES[plot]
        file.write_text(svg(title, across, up, lines_of))
        out.append(f"\n![{title}](figures/{plot}.svg)\n")
    for row in rows:
        note = f" {row['note'][:1].upper()}{row['note'][1:]}." if row["note"] else ""
        out.append(f"\n## {row['name'][:1].upper()}{row['name'][1:]}\n\n{number(row['ratio'])}.{note}\n")
        if row["sides"]:
            out.append(f"\n| | median, {row['unit']} | min | spread |\n|---|---:|---:|---:|\n")
            out += [
                f"| {name} | {side['median']:.2f} | {side['min']:.2f} | {side['spread']:.0%} |\n"
                for name, side in row["sides"].items()
            ]
    said = kept["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in said["libraries"].items())
    out.append(
        f"\n## The machine\n\n{said['processor']}, {said['cores']} cores, {said['system']}, Python {said['python']}, "
        f"{libraries}; {said['when'][:10]}.\n"
    )
    (docs / "performance.md").write_text("".join(out))


#: Title, and what the axes say.
TITLES = {
    "rules": ("What an event costs, by the number of rules", "rules", "microseconds"),
    "peers": ("What an event costs, beside peers", "rules", "microseconds"),
    "load": ("What loading costs, by the number of rules", "rules", "seconds"),
    "batches": ("Rate, by the size of batches", "events in a batch", "events a second"),
}


def svg(title: str, across: str, up: str, drawn: dict[str, list[tuple[float, float]]]) -> str:
    """Lines over a logarithmic x; y is logarithmic, too, where lines are far apart."""
    xs = [x for points in drawn.values() for x, _ in points]
    ys = [y for points in drawn.values() for _, y in points]
    steep = max(ys) > 20 * min(ys)
    low_y, high_y = (
        (10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))) if steep else (0, max(ys) * 1.15)
    )

    def at(x: float, y: float) -> tuple[float, float]:
        share = math.log(x / min(xs)) / math.log(max(xs) / min(xs))
        height = math.log(y / low_y) / math.log(high_y / low_y) if steep else y / high_y
        return EDGE + share * (WIDTH - 2 * EDGE), HEIGHT - EDGE - height * (HEIGHT - 2 * EDGE)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="14">{title}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{across}</text>',
        f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">{up}</text>',
    ]
    ticks = [10**power for power in range(round(math.log10(low_y)), round(math.log10(high_y)) + 1)] if steep else nice(high_y)
    for y in ticks:
        _, height = at(min(xs), y)
        out.append(f'<line x1="{EDGE}" y1="{height:.1f}" x2="{WIDTH - EDGE}" y2="{height:.1f}" stroke="#d0d7de"/>')
        out.append(f'<text x="{EDGE - 6}" y="{height + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in sorted(set(xs)):
        across_at, _ = at(x, high_y)
        out.append(f'<text x="{across_at:.1f}" y="{HEIGHT - EDGE + 18}" text-anchor="middle">{x:,.0f}</text>')
    for colour, (name, points) in zip(COLOURS * len(drawn), drawn.items(), strict=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(*points[-1])
        out.append(f'<text x="{x - 4:.1f}" y="{y - 6:.1f}" text-anchor="end" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def nice(high: float) -> list[float]:
    """A few round numbers up to `high`."""
    step = 10 ** math.floor(math.log10(high))
    step = next(size for size in (step / 5, step / 2, step, step * 2) if high / size <= 8)
    return [step * count for count in range(int(high / step) + 1)]
