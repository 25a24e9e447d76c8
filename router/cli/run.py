"""`router run` and `router demo`."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import FINE, names
from router.cli.opening import config_option
from router.core.errors import BadInput

if TYPE_CHECKING:
    from router.config import SourceConfig
    from router.loaded import Loaded


@click.command
@config_option
@click.option(
    "--source",
    metavar="FILE",
    shell_complete=names.paths,
    help="Hear only the events in FILE (JSON lines; - for stdin), and stop when all is done.",
)
def run(config_file: Path | None, source: str | None) -> int:
    """Hear the configured sources, match events against the rules, and deliver, until SIGINT or SIGTERM.

    With --source, the router ends by itself once every event of the file is heard and every delivery settled.
    """
    from router import loaded  # noqa: PLC0415 - verbs import what they use
    from router.engine import heap  # noqa: PLC0415 - as above

    heap.lean()
    _import_jinja()
    made = loaded.read(config_file, listening=source is None)
    return asyncio.run(_run(made) if source is None else _drain(made, source))


@click.command
@click.option("--once", is_flag=True, help="Run the script to its end, and fail if anything expected did not happen.")
@click.option("--speed", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="How many times as fast.")
@click.option("--rules", "own", metavar="PATH", multiple=True, help="Rules of your own in place of the demo's; repeatable.")
def demo(once: bool, speed: float, own: tuple[str, ...]) -> int:  # noqa: FBT001 - click passes flags by name
    """Run the router on a network of its own, on loopback: a Jetstream, two knots, identities and a CI."""
    from router.demo.command import run_demo  # noqa: PLC0415 - verbs import what they use

    code: int = run_demo(once=once, speed=speed, own=own)
    return code


def _import_jinja() -> None:
    """Without its caches on disk, with which come temporary files, and compression in three ways."""
    from router.light import later  # noqa: PLC0415 - verbs import what they use

    with later("jinja2.bccache", "BytecodeCache", "FileSystemBytecodeCache", "MemcachedBytecodeCache"):
        import jinja2  # noqa: F401, PLC0415 - as above


def _replay(source: str) -> SourceConfig:
    """The only source, under a name of its own for each state of the file: a cursor counts the lines of that one."""
    from router import config, plugins  # noqa: PLC0415 - verbs import what they use

    name = "replay"
    if source != "-":
        path = Path(source)
        if not path.is_file():
            raise BadInput(f"There is no file `{source}` of events.")
        about = path.stat()
        known_by = f"{path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape")
        name = f"replay-{hashlib.sha256(known_by).hexdigest()[:8]}"
    model = plugins.source_kind("replay").settings
    return config.SourceConfig(name, "replay", model.model_validate({"path": source}))


async def _run(made: Loaded) -> int:
    """For ever: SIGHUP has everything read again."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    return await _until_stopped(made, loaded=made, asked=asked)


async def _drain(made: Loaded, source: str) -> int:
    return await _until_stopped(replace(made, config=replace(made.config, sources=(_replay(source),))), drain=True)


async def _until_stopped(made: Loaded, **more: Any) -> int:
    from router import app  # noqa: PLC0415 - verbs import what they use
    from router.engine import heap, log  # noqa: PLC0415 - as above

    heap.built()
    log.configure(made.config.log.format, made.config.log.level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop, loop)
    await app.run(made.config, made.rulebook, log.LogObserver(), stop=stop, **more)
    return FINE


def _stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """The first signal asks to finish what is under way; after it, a second one ends the process as it would any other."""
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
