"""`router demo`: the router that `router run` starts, on the embedded network, with the script playing to it."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from router import app, config, library
from router.core import match, rules
from router.core.errors import BadInput
from router.core.problems import Problems
from router.demo import project, script
from router.demo.cast import HANDLES
from router.demo.network import Network
from router.demo.view import DemoView, terminal
from router.engine import log
from router.plugins import OptionModels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.config import Config
    from router.core.model import Event
    from router.core.rulebook import Rulebook
    from router.demo.script import Line, Played

#: Seconds that the last build of `--once` may take to come back, at any speed.
PATIENCE = 30.0
#: Seconds that a build is scheduled and running, at the script's own speed.
PACE = (1.0, 2.0)
IDENTITIES = {handle: did for did, handle in HANDLES.items()}


def run_demo(*, once: bool, speed: float, own: Sequence[str] = ()) -> int:
    """Returns the exit code: 1 if `once` and something that the script expects did not happen. `own` are files and folders of
    rules in place of the demo's. Everything is in a folder that is gone afterwards. Raises what `app.run` raises, and BadInput
    for rules that cannot be used."""
    with TemporaryDirectory(prefix="router-demo-") as folder:
        return asyncio.run(_demo(Path(folder), once=once, speed=speed, own=own))


async def _demo(folder: Path, *, once: bool, speed: float, own: Sequence[str]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Network(pace=(PACE[0] / speed, PACE[1] / speed)) as network:
        os.environ.update(network.environment)
        settings = config.load(project.write(folder, network.addresses), environ={})
        # Everything is shown, whatever the rules are about.
        settings = replace(settings, store=settings.store.model_copy(update={"record": "all"}))
        lines = script.read()
        if own:
            settings = replace(settings, rules=library.on_command_line(own))
            lines = script.for_other_rules(lines)
        return await _show(_Show(network, settings, _rulebook(settings), lines, once=once, speed=speed), stop)


def _rulebook(settings: Config) -> Rulebook:
    problems = Problems()
    book = rules.load(library.rule_texts(settings.rules, problems), OptionModels(), problems)
    if problems.errors:
        raise BadInput("These rules cannot be used.", problems.found)
    return book


class _Show:
    """One showing: the router, the script, and who watches."""

    def __init__(
        self, network: Network, settings: Config, book: Rulebook, lines: Sequence[Line], *, once: bool, speed: float
    ) -> None:
        self.network = network
        self.settings = settings
        self.book = book
        self.lines = lines
        self.once = once
        self.speed = speed
        self.view = DemoView(terminal(), self.why)
        self.played: list[Played] = []

    def why(self, event: Event, rule: str) -> Sequence[str]:
        """The conditions that held, without the nsid that every rule asks for."""
        found = self.book.by_id.get(rule)
        reasons = match.why(event, found, IDENTITIES) if found is not None else ()
        return [reason for reason in reasons if not reason.startswith("nsid")]

    async def play(self) -> None:
        """The script, once somebody listens; with `once`, until all that it expects has happened or patience is over."""
        await self.network.attended()
        async for one in self.network.play(self.lines, speed=self.speed):
            self.played.append(one)
        if not self.once:
            self.view.say("The script is over. The router goes on until you press Ctrl-C.")
            await asyncio.Event().wait()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.view.record.settled(self.played)
        except TimeoutError:
            return


async def _show(show: _Show, stop: asyncio.Event) -> int:
    show.view.say("A Jetstream, two knots, a directory, a CI and a webhook sink on loopback. Ctrl-C stops it.")
    log.configure("console", "error")
    running = asyncio.create_task(app.run(show.settings, show.book, show.view, stop=stop), name="router")
    playing = asyncio.create_task(show.play(), name="script")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait((running, playing, stopped), return_when=asyncio.FIRST_COMPLETED)
    finished = playing.done()
    stop.set()
    playing.cancel()
    results = await asyncio.gather(running, playing, stopped, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
    return show.view.summary(show.played if finished else None)
