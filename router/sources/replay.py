"""Events of a file, or of standard input: one JSON object a line, in our own form or as raw frames of knots and Jetstream. A
file that begins with a brace alone is one event, laid out for people.

Its cursor is the number of the last line that was read, so a restart goes on after it. Standard input has no second time, and
no cursor.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING

from pydantic import Field

from router.core import envelope
from router.core.errors import BadFrame, RouterError
from router.core.frame import tree
from router.core.model import Heard
from router.settings import Closed
from router.sources.base import SourceKind, everything

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from router.host import Host
    from router.observe import Observer
    from router.sources.base import Wants

STDIN = "-"
#: Bytes of one line; a longer one is a bad frame.
LIMIT = 1 << 20
CHUNK = 1 << 16
#: Lines between two turns of the event loop.
TURN = 64


class Settings(Closed):
    """Which file."""

    path: str = Field(min_length=1, description="A file of JSON lines, or - for standard input.")


class Replay:
    """One file."""

    finite = True

    def __init__(self, name: str, settings: Settings, host: Host, observer: Observer) -> None:
        self.name = name
        self.path = settings.path
        self.observer = observer

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        """Every line after the one at `cursor`, then it ends. Raises RouterError where the file cannot be read."""
        done = 0 if cursor is None or self.path == STDIN else cursor
        number = 0
        try:
            with self._file() as file:
                after = f", after line {done}, which was read before" if done else ""
                self.observer.source(
                    self.name, "up", f"Reading {self.path if self.path != STDIN else 'standard input'}{after}."
                )
                async with aclosing(_texts(file)) as lines:
                    async for line in lines:
                        number += 1
                        if number > done:
                            yield [self._heard(line, None if self.path == STDIN else number)]
                        if number % TURN == 0:
                            await asyncio.sleep(0)
        except OSError as error:
            raise RouterError(f"The events of {self.name} cannot be read: {self.path}: {error.strerror}.") from None

    @contextmanager
    def _file(self) -> Iterator[int]:
        if self.path == STDIN:
            yield sys.stdin.fileno()
            return
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield file
        finally:
            os.close(file)

    def _heard(self, line: bytes, number: int | None) -> Heard:
        if not line.strip():
            return Heard(cursor=number)
        if len(line) > LIMIT:
            return envelope.bad(BadFrame(f"The line is longer than {LIMIT} bytes.", cursor=number), line)
        try:
            return Heard(event=envelope.event_from(tree(line), source=self.name), cursor=number)
        except BadFrame as error:
            return envelope.bad(BadFrame(str(error), cursor=number), line)


async def _texts(file: int) -> AsyncGenerator[bytes, None]:
    """The lines, or all of them as one where the first only opens an object."""
    one: bytes | None = None
    first = True
    async with aclosing(_lines(file)) as lines:
        async for line in lines:
            if first and line.strip() == b"{":
                one = line
            elif one is not None:
                one = (one + b"\n" + line)[: LIMIT + 1]
            else:
                yield line
            first = first and not line.strip()
    if one is not None:
        yield one


async def _lines(file: int) -> AsyncGenerator[bytes, None]:
    """The lines, without their ends. Of one that is too long, only so much that this shows."""
    rest = b""
    while chunk := await _read(file):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        # The one byte more marks it; the rest of the line only has to keep it marked.
        rest = rest[: LIMIT + 1]
    if rest:
        yield rest


async def _read(file: int) -> bytes:
    """A chunk, read by a thread that may be left behind: one of the loop's own would keep the router from stopping for as long
    as nobody types. It reads the descriptor, since a buffered reader is locked by whoever waits in it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(chunk: bytes, error: OSError | None) -> None:
        if not done.done():
            done.set_result(chunk) if error is None else done.set_exception(error)

    def read() -> None:
        chunk, failed = b"", None
        try:
            chunk = os.read(file, CHUNK)
        except OSError as error:
            failed = error
        with suppress(RuntimeError):  # the loop is gone, and so is whoever asked
            loop.call_soon_threadsafe(settle, chunk, failed)

    threading.Thread(target=read, name="replay", daemon=True).start()
    return await done


kind = SourceKind(settings=Settings, open=Replay)
