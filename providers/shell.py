"""Run a command on this machine, in a process group of its own.

A command is a list of arguments, or a script that is fixed text: what an event says reaches a script by its environment alone,
because a branch may be called `$(reboot)`. Doing it twice may do harm, so a command that was cut off is not made again unless
the step says `idempotent: true`.

Exit status 0 is success; 75 (EX_TEMPFAIL of sysexits.h) asks for another attempt; any other is the result `failed`.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from providers import _environment
from providers._limits import Limits
from router.core.errors import DeliveryError, Permanent, Transient
from router.core.model import Delivery, LogLine, Receipt, Status
from router.provider import Closed, Command, Duration, Exposes, Plugin, Script, Verbatim

if TYPE_CHECKING:
    from providers._process import Ended
    from router.provider import Host

TRY_AGAIN = 75
#: Characters from which on a secret is looked for in what a command says.
_TELLING = 4
#: What this machine has too little of just now, so that a command cannot be started: it may be, later.
_SCARCE = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY}
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
    limits: Limits = Field(default_factory=Limits, description="What one command may take of the machine.")


class Options(Closed):
    """Exactly one of `argv` and `script`."""

    exposes: ClassVar[Exposes] = Exposes.MACHINE
    takes_secrets: ClassVar[bool] = True

    argv: Annotated[list[str], Command()] | None = Field(
        default=None, min_length=1, description="A program and its arguments; no shell sees them."
    )
    script: Annotated[str, Verbatim(_WHY), Script("env")] | None = Field(
        default=None, description="Fixed text for /bin/sh -eu."
    )
    env: _environment.Environment = Field(default_factory=dict)
    cwd: Annotated[str, AfterValidator(_absolute), Verbatim("A folder is the operator's to choose.")] | None = None
    stdin: str | None = Field(default=None, description="What the command reads; nothing, by default.")
    output_limit: int = Field(
        default=65536, ge=0, le=1_048_576, description="Bytes of output kept: half its head, half its tail."
    )

    @model_validator(mode="after")
    def _one_command(self) -> Options:
        if (self.argv is None) == (self.script is None):
            raise ValueError("a command is either `argv` or `script`")
        if not all(map(_environment.passable, self.argv or [self.script or ""])):
            raise ValueError("a command has a zero byte, or half a character")
        return self


class Shell:
    """Each command is one process group."""

    ends_with_its_attempt = True

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        from providers import _process  # noqa: PLC0415 - validate reads only the options, and needs no asyncio

        options = delivery.options
        limit, grace = _limits(delivery.timeout, self.settings.grace)
        title = options.argv[0] if options.argv else "script"
        self._say(delivery.id, "start", title, " ".join(options.argv or [options.script or ""]))
        try:
            ended = await _process.run(
                options.argv or ["/bin/sh", "-eu", "-c", options.script or "", "router"],
                stdin=options.stdin,
                cwd=options.cwd or self.settings.workdir,
                env=self._env(delivery),
                limit=limit,
                grace=grace,
                keep=options.output_limit,
                limits=self.settings.limits,
                hear=lambda text: self._say(delivery.id, "said", _masked(text, delivery)),
            )
        except OSError as error:
            raise _not_started(error) from None
        finally:
            self._say(delivery.id, "end", title)
        return _receipt(replace(ended, said=_masked(ended.said, delivery)), limit)

    def _say(self, delivery: str, part: Literal["start", "said", "end"], text: str, command: str = "") -> None:
        line = LogLine(step=0, part=part, text=text, at=self.host.clock.now(), command=command[:1000])
        self.host.scribe.write(delivery, [line])

    def _env(self, delivery: Delivery[Options]) -> dict[str, str]:
        """A clean one: nothing of the router's own that the settings do not name."""
        settings = self.settings
        passed = {name: os.environ[name] for name in settings.pass_env if name in os.environ}
        identity = {"ROUTER_DELIVERY_ID": delivery.id, "ROUTER_ATTEMPT": str(delivery.attempt), "ROUTER_RULE": delivery.rule}
        base = {"PATH": settings.path, "LANG": "C.UTF-8", "HOME": settings.workdir}
        base |= _environment.traced(delivery.trace)
        return {**base, **passed, **delivery.options.env, **delivery.revealed, **identity}


def _masked(text: str, delivery: Delivery[Options]) -> str:
    """Without secrets, as far as they stand there as they are: a guard against accidents, not against who writes commands."""
    for value in delivery.revealed.values():
        for line in value.splitlines():
            text = text.replace(line, "***") if len(line) >= _TELLING else text
    return text


def _limits(timeout: float, grace: float) -> tuple[float, float]:
    """Seconds until a command is asked to stop, and from then until it is made to.

    Together they are less than the delivery's timeout: at that the router cancels, and would not know the result.
    """
    grace = min(grace, timeout / 4)
    return timeout - grace - min(1.0, timeout / 4), grace


def _not_started(error: OSError) -> DeliveryError:
    sentence = f"The command cannot be started: {error.strerror}."
    return Transient(sentence) if error.errno in _SCARCE else Permanent(sentence)


def _receipt(ended: Ended, limit: float) -> Receipt:
    if ended.code == TRY_AGAIN:
        raise Transient(f"The command exited with {TRY_AGAIN}: try again.", response=ended.said[-1000:])
    if ended.code is None:
        status, error = Status.TIMEOUT, f"stopped after {limit:g} s"
    elif ended.code == 0:
        status, error = Status.SUCCESS, ""
    else:
        status = Status.FAILED
        error = f"exited with {ended.code}" if ended.code > 0 else f"was ended by signal {-ended.code}"
    return Receipt(id=str(ended.pid), status=status, exit_code=ended.code, error=error, detail={"output": ended.said})


plugin = Plugin(settings=Settings, options=Options, open=Shell)
