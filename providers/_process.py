"""One command in a process group of its own: what it said, and its end, however it ends."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from providers import _limits, _strays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from providers._limits import Limits

#: Seconds that output may still come after a command is over.
LINGER = 0.5
#: Seconds that a killed process may take to be gone; the kernel may hold one for longer (a disk that does not answer).
REAPED = 5.0
#: The variable by which everything that a command starts is found again.
MARK = "ROUTER_COMMAND"
#: Bytes of one line that is told.
LONGEST_LINE = 65536


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is as subprocess has it (a signal is negative), and None where the command was stopped for its time was over."""

    pid: int
    code: int | None
    said: str


class Output:
    """The head and the tail of what a command says; what is between them is counted."""

    def __init__(self, limit: int) -> None:
        self._most_head = limit - limit // 2
        self._most_tail = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        room = self._most_head - len(self._head)
        self._head += part[:room]
        self._tail += part[room:]
        # Cut now and then, not each time: a large tail is not copied for every piece.
        if len(self._tail) > 2 * self._most_tail + 65536:
            del self._tail[: len(self._tail) - self._most_tail]

    def text(self) -> str:
        tail = self._tail[max(0, len(self._tail) - self._most_tail) :]
        left_out = self._size - len(self._head) - len(tail)
        between = f"\n[{left_out} bytes left out]\n".encode() if left_out else b""
        return (self._head + between + tail).decode("utf-8", "replace")


class _Watch(asyncio.SubprocessProtocol):
    """Hears of the exit itself: Process.wait of Python 3.11 waits for whoever holds the pipes, too."""

    def __init__(self, output: Output, hear: Callable[[str], object]) -> None:
        self.output = output
        self.hear = hear
        self._line = bytearray()
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output.add(data)
        self._line += data
        *lines, rest = bytes(self._line).split(b"\n")
        # A line without an end is cut, so that nothing grows without bound.
        self._line = bytearray(rest if len(rest) < LONGEST_LINE else b"")
        for line in lines if len(rest) < LONGEST_LINE else (*lines, rest):
            self.hear(line.decode("utf-8", "replace").rstrip("\r"))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            if self._line:
                self.hear(self._line.decode("utf-8", "replace"))
            self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()


async def run(
    command: Sequence[str],
    *,
    stdin: str | None,
    cwd: str,
    env: Mapping[str, str],
    limit: float,
    grace: float,
    keep: int,
    hear: Callable[[str], object] = lambda _line: None,
    limits: Limits | None = None,
) -> Ended:
    """Run the command to its end, or for `limit` seconds; then SIGTERM, and after `grace` seconds SIGKILL, for its whole group.
    `hear` is told each line of its output.

    Nothing of the group outlives this call, not even one that is cancelled. A command is over when its first process is:
    whoever is left behind with the pipe in hand is ended, or, having left the group (setsid), not listened to; it is ended
    too, as far as it is found by a variable that it inherits. Raises OSError where the command cannot be started.
    """
    mark = secrets.token_hex(16)
    env = {**env, MARK: mark}
    if limits is not None:
        command = _limits.limited(command, limits, env)
    output = Output(keep)
    starting = asyncio.create_task(_start(command, output, hear, stdin=stdin is not None, cwd=cwd, env=env))
    try:
        transport, watch = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # It may run already, and have children; cancelled itself, the start would end the first process alone.
        with suppress(OSError):
            await _end(*await starting)
        await asyncio.to_thread(_strays.end, MARK, mark)
        raise
    group = transport.get_pid()
    if limits is not None:
        _limits.apply(group, limits)
    try:
        if stdin is not None:
            _give(transport, stdin)
        in_time = await _wait(watch.exited, limit)
        if not in_time:
            await _stop(watch, group, grace)
        await _wait(watch.silent, LINGER)
        return Ended(group, transport.get_returncode() if in_time else None, output.text())
    except asyncio.CancelledError:
        await _stop(watch, group, grace)
        raise
    finally:
        await _end(transport, watch)
        await asyncio.to_thread(_strays.end, MARK, mark)


async def _start(
    command: Sequence[str], output: Output, hear: Callable[[str], object], *, stdin: bool, cwd: str, env: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, _Watch]:
    return await asyncio.get_running_loop().subprocess_exec(
        lambda: _Watch(output, hear),
        *command,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )


def _give(transport: asyncio.SubprocessTransport, text: str) -> None:
    """The whole input, then its end, as fast as the command reads."""
    pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    pipe.write(text.encode("utf-8", "replace"))
    pipe.close()


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _stop(watch: _Watch, group: int, grace: float) -> None:
    """Ask the whole group to end, then make it: `terminate()` alone would leave grandchildren."""
    _kill(group, signal.SIGTERM)
    await _wait(watch.exited, grace)
    _kill(group, signal.SIGKILL)
    await _wait(watch.exited, REAPED)


async def _end(transport: asyncio.SubprocessTransport, watch: _Watch) -> None:
    """Whatever is left, at once, our ends of its pipes too."""
    _kill(transport.get_pid(), signal.SIGKILL)
    pipe = cast("asyncio.WriteTransport | None", transport.get_pipe_transport(0))
    if pipe is not None and pipe.get_write_buffer_size():
        pipe.abort()  # input that was never read: closing alone would wait for whoever holds the other end
    transport.close()
    await _wait(watch.exited, REAPED)


def _kill(group: int, number: int) -> None:
    # PermissionError: what is left of the group runs as somebody else, or (macOS) has ended and is not reaped.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
