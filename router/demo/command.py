"""`router demo`: the code of `router run`, on a network of its own that plays a script."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from router import app, config
from router.cli import INTERRUPTED
from router.cli.opening import rulebook
from router.core import match
from router.demo import project, script
from router.demo.cast import HANDLES
from router.demo.network import Network
from router.demo.view import DemoView, terminal
from router.engine import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Event
    from router.core.rulebook import Rulebook
    from router.demo.script import Played

#: Seconds that a build waits and runs, at a human pace.
PACE = (1.0, 2.0)
#: Seconds after its last line until what a script expects must have happened.
PATIENCE = 60.0
#: Seconds between the end of the script and its next beginning.
PAUSE = 5.0


def run_demo(*, once: bool, speed: float) -> int:
    """Run until Ctrl-C or, with `once`, until the script has ended; the exit code, 1 if something expected did not happen."""
    with tempfile.TemporaryDirectory(prefix="router-demo-") as folder:
        return asyncio.run(_Demo(Path(folder), once=once, speed=speed).run())


class _Demo:
    def __init__(self, folder: Path, *, once: bool, speed: float) -> None:
        self.folder = folder
        self.once = once
        self.speed = speed
        self.stop = asyncio.Event()
        self.network = Network(pace=(PACE[0] / speed, PACE[1] / speed))

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        async with self.network:
            settings, book = self._configured()
            view = DemoView(terminal(), _Why(book))
            view.console.print("A Jetstream, two knots, an identity directory, a CI and a webhook receiver, on loopback:")
            for name, url in self.network.addresses.items():
                view.console.print(f"  {name:<10} {url}")
            view.console.print("The router listens to them as it would anywhere. Ctrl-C stops it.")
            running = asyncio.create_task(app.run(settings, book, view, stop=self.stop), name="router")
            playing = asyncio.create_task(self._play(view), name="script")
            await asyncio.wait((running, playing), return_when=asyncio.FIRST_COMPLETED)
            played = playing.result() if playing.done() else None
            playing.cancel()
            self.stop.set()
            await running
            code = view.summary(played)
            return INTERRUPTED if self.once and played is None else code

    def _configured(self) -> tuple[config.Config, Rulebook]:
        # Secrets are references to the environment, in the demo as anywhere.
        os.environ.update(self.network.environment)
        log.configure("console", "info")
        settings = config.load(project.write(self.folder, self.network.addresses), environ={})
        return settings, rulebook(settings.rules)

    async def _play(self, view: DemoView) -> Sequence[Played]:
        """The script, once or again and again; what was played, where that is to be checked."""
        await self.network.attended()
        while True:
            played = [one async for one in self.network.play(script.read(), speed=self.speed)]
            if self.once:
                try:
                    async with asyncio.timeout(PATIENCE):
                        await view.record.settled(played)
                except TimeoutError:
                    pass  # The summary says what is missing.
                return played
            view.console.print(f"\nThe script is over, and begins again in {PAUSE:g} s. Ctrl-C stops it.")
            await asyncio.sleep(PAUSE)


class _Why:
    """What made a rule match, for the terminal."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.identities: dict[str, str | None] = {handle: did for did, handle in HANDLES.items()}

    def __call__(self, event: Event, rule: str) -> Sequence[str]:
        return match.why(event, self.book.by_id[rule], self.identities)
