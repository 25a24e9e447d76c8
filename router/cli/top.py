"""`router top`: how the router is, live in the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, show
from router.cli.glance import Glance, Rates, glance
from router.cli.opening import config_option, output_option
from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from router.cli.topview import Line
    from router.config import Config

#: Columns, where no terminal says how many there are.
COLUMNS = 80


@click.command
@click.option("--once", is_flag=True, help="Print one frame, and end. It is so wherever no terminal is written to.")
@click.option(
    "--every", metavar="SECONDS", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Look so often."
)
@config_option
@output_option
def top(once: bool, every: float, config_file: Path | None, output: str) -> int:  # noqa: FBT001 - click passes flags by name
    """Watch the running router: sources with their lag, rates, the outbox, what fails, the newest statuses.

    It asks the running router; where none runs, it shows what the store says. `q` or Ctrl-C ends it.
    """
    settings = config.load(config_file)
    if output == "json":
        show.as_json(_tree(asyncio.run(glance(settings))))
        return FINE
    if once or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        seen = asyncio.run(glance(settings))
        for line in _lines(seen, Rates(), show.width() or COLUMNS, None):
            show.line(line.text, **line.style)
        return FINE
    asyncio.run(_watch(settings, every))
    return FINE


def _tree(seen: Glance) -> dict[str, Any]:
    seconds, rates = Rates().of(seen)
    return {**asdict(seen), "rates": {"seconds": seconds, **{f"{name}_per_minute": rate for name, rate in rates.items()}}}


def _lines(seen: Glance, rates: Rates, width: int, height: int | None) -> list[Line]:
    from router.cli.topview import lines  # noqa: PLC0415 - JSON needs none of it

    return lines(seen, rates.of(seen), width, height)


async def _watch(settings: Config, every: float) -> None:
    from rich.console import Console  # noqa: PLC0415 - only who watches pays for it
    from rich.live import Live  # noqa: PLC0415 - as above

    console = Console(highlight=False, no_color=not show.has_colour())
    stop, loop, rates = asyncio.Event(), asyncio.get_running_loop(), Rates()
    resized = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGWINCH, resized.set)
    seen = await glance(settings)
    with _keys(loop, stop), Live(console=console, screen=True, auto_refresh=False) as live:
        while not stop.is_set():
            size = console.size
            live.update(_drawn(_lines(seen, rates, size.width, size.height)), refresh=True)
            await _pause(every, stop, resized)
            if not resized.is_set():
                seen = await _again(settings, seen)
            resized.clear()


async def _again(settings: Config, seen: Glance) -> Glance:
    """A router that is being started again is none for a moment; what was seen last is shown until then."""
    try:
        return await glance(settings)
    except RouterError:
        return seen


async def _pause(seconds: float, *until: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in until]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _drawn(lines: list[Line]) -> Any:
    from rich.text import Text  # noqa: PLC0415 - only who watches pays for it

    made = Text(no_wrap=True, overflow="crop", end="")
    for number, line in enumerate(lines):
        style = " ".join(["bold"] * bool(line.style.get("bold")) + [line.style.get("fg") or ""]).strip()
        made.append(("\n" if number else "") + line.text, style if show.has_colour() else "")
    return made


@contextmanager
def _keys(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Have `q` stop it, at once and without Enter; the terminal is afterwards as it was."""
    if not sys.stdin.isatty():
        yield
        return
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)

    def pressed() -> None:
        read = b""
        with suppress(OSError):
            read = os.read(keys, 64)
        if not read:
            loop.remove_reader(keys)  # nobody is there any more
        if not read or read[:1] in (b"q", b"Q", b"\x04"):
            stop.set()

    tty.setcbreak(keys)
    loop.add_reader(keys, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keys)
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
