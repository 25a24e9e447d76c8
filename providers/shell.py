"""Run a command on this machine, in a process group of its own.

A command is a list of arguments, or a script that is fixed text: what an event says reaches a script by its environment alone,
because a branch may be called `$(reboot)`. Doing it twice may do harm, so a command that was cut off is not made again unless
the step says `idempotent: true`.

Exit status 0 is success; 75 (EX_TEMPFAIL of sysexits.h) asks for another attempt; any other is the result `failed`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, model_validator

from providers import _environment
from router.core.errors import Permanent, Transient
from router.core.model import Delivery, Receipt, Status
from router.provider import Closed, Duration, Plugin, Verbatim

if TYPE_CHECKING:
    from router.provider import Host

TRY_AGAIN = 75
#: Seconds that output may still come after a command is over.
LINGER = 0.5
_WHY = 'A shell would run what an event says. Pass it by `env`, and write "$NAME" in the script.'


def _absolute(text: str) -> str:
    if not Path(text).is_absolute() or "\0" in text:
        raise ValueError("write an absolute path")
    return text


class Settings(Closed):
    """Where commands run, and what of the router's environment they see."""

    workdir: Annotated[str, AfterValidator(_absolute)] = "/"
    path: str = Field(default="/usr/local/bin:/usr/bin:/bin", description="The PATH of commands.")
    pass_env: list[str] = Field(default_factory=list, description="Variables of the router's environment that are passed on.")
    grace: Duration = Field(default=5.0, description="Between SIGTERM and SIGKILL, when a command is stopped.")


class Options(Closed):
    """Exactly one of `argv` and `script`."""

    argv: list[str] | None = Field(default=None, min_length=1, description="A program and its arguments; no shell sees them.")
    script: Annotated[str, Verbatim(_WHY)] | None = Field(default=None, description="Fixed text for /bin/sh -eu.")
    env: _environment.Environment = Field(default_factory=dict)
    cwd: Annotated[str, AfterValidator(_absolute), Verbatim("A folder is the operator's to choose.")] | None = None
    stdin: str | None = Field(default=None, description="What the command reads; nothing, by default.")
    output_limit: int = Field(
        default=65536, ge=0, le=16_777_216, description="Bytes of output kept: half its head, half its tail."
    )

    @model_validator(mode="after")
    def _one_command(self) -> Options:
        if (self.argv is None) == (self.script is None):
            raise ValueError("a command is either `argv` or `script`")
        if any("\0" in word for word in self.argv or ()):
            raise ValueError("an argument has a zero byte")
        return self


class Shell:
    """Each command is one process group."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        options = delivery.options
        output = _Output(options.output_limit)
        process, pipe = await self._start(delivery)
        taking = asyncio.create_task(_take(pipe, output))
        # The router cancels at the delivery's timeout, and would not know the result: stop a little before.
        limit = max(delivery.timeout * 0.5, delivery.timeout - self.settings.grace - 2 * LINGER)
        try:
            async with asyncio.timeout(limit):
                await _give(process, options.stdin)
                await process.wait()
        except TimeoutError:
            await self._stop(process)
            error = f"stopped after {limit:g} s"
            return Receipt(
                id=str(process.pid), status=Status.TIMEOUT, error=error, detail={"output": await _rest(taking, output)}
            )
        except BaseException:
            await asyncio.shield(self._stop(process))
            raise
        else:
            await asyncio.wait([taking], timeout=LINGER)
            _kill(process.pid, signal.SIGKILL)
            return _receipt(process, await _rest(taking, output))
        finally:
            taking.cancel()

    async def _start(self, delivery: Delivery[Options]) -> tuple[asyncio.subprocess.Process, int]:
        """The process, and the end of a pipe of ours that its output comes from.

        Not a pipe of asyncio's: waiting for a process there may mean waiting for whoever holds its pipe, and a command may
        leave somebody behind who does.
        """
        options, settings = delivery.options, self.settings
        command = options.argv if options.argv is not None else ["/bin/sh", "-eu", "-c", options.script or "", "router"]
        passed = {name: os.environ[name] for name in settings.pass_env if name in os.environ}
        identity = {"ROUTER_DELIVERY_ID": delivery.id, "ROUTER_ATTEMPT": str(delivery.attempt), "ROUTER_RULE": delivery.rule}
        base = {"PATH": settings.path, "LANG": "C.UTF-8", "HOME": settings.workdir}
        ours, theirs = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if options.stdin is not None else asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                cwd=options.cwd or settings.workdir,
                env={**base, **passed, **options.env, **identity},
                start_new_session=True,
            )
        except OSError as error:
            os.close(ours)
            raise Permanent(f"The command cannot be started: {error.strerror}.") from None
        finally:
            os.close(theirs)
        return process, ours

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """Ask the whole group to end, then end it; `terminate()` alone would leave grandchildren."""
        _kill(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.grace):
                await process.wait()
        _kill(process.pid, signal.SIGKILL)
        await process.wait()


class _Output:
    """The head and the tail of what a command says; what is between them is counted."""

    def __init__(self, limit: int) -> None:
        self.half = limit // 2
        self.head = b""
        self.tail = b""
        self.size = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        room = self.half - len(self.head)
        if room > 0:
            self.head, part = self.head + part[:room], part[room:]
        if part:
            self.tail = (self.tail + part)[-self.half :] if self.half else b""

    def text(self) -> str:
        left_out = self.size - len(self.head) - len(self.tail)
        between = f"\n[{left_out} bytes left out]\n".encode() if left_out else b""
        return (self.head + between + self.tail).decode("utf-8", "replace")


async def _give(process: asyncio.subprocess.Process, stdin: str | None) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write((stdin or "").encode("utf-8", "replace"))
            await process.stdin.drain()
        process.stdin.close()


async def _take(pipe: int, output: _Output) -> None:
    """Drain the output to its end, so that the command never blocks on a full pipe."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    with closing(transport):
        while part := await reader.read(65536):
            output.add(part)


async def _rest(taking: asyncio.Task[None], output: _Output) -> str:
    """The output, once its end has come: at once after the group is gone, unless somebody left the group with our pipe."""
    await asyncio.wait([taking], timeout=LINGER)
    return output.text()


def _kill(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _receipt(process: asyncio.subprocess.Process, said: str) -> Receipt:
    code = process.returncode if process.returncode is not None else -1
    if code == TRY_AGAIN:
        raise Transient(f"The command exited with {TRY_AGAIN}: try again.", response=said[-1000:])
    status = Status.SUCCESS if code == 0 else Status.FAILED
    how = f"exited with {code}" if code >= 0 else f"was ended by signal {-code}"
    error = "" if code == 0 else how
    return Receipt(id=str(process.pid), status=status, exit_code=code, error=error, detail={"output": said})


plugin = Plugin(settings=Settings, options=Options, open=Shell)
