"""What one command may take of this machine: limits of the kernel, which everything that it starts has too."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from router.provider import Closed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_Size = Annotated[int, Field(ge=1)]


class Limits(Closed):
    """Of each process, but for `processes`, which counts all of the user that the router runs as (and does not bind root).
    None is no limit beyond the router's own."""

    processes: _Size | None = Field(default=4096, description="Processes and threads of the user, the router's own included.")
    open_files: _Size | None = Field(default=1024, description="Open descriptors.")
    memory: _Size | None = Field(default=None, description="Bytes of address space.")
    cpu: _Size | None = Field(default=None, description="Seconds of a processor.")
    file_size: _Size | None = Field(default=None, description="Bytes of a file that is written.")

    def each(self) -> Iterator[tuple[str, int, int]]:
        """The names of prlimit, the kernel's numbers, and values no larger than what the router itself may have."""
        named = (
            ("nproc", resource.RLIMIT_NPROC, self.processes),
            ("nofile", resource.RLIMIT_NOFILE, self.open_files),
            ("as", resource.RLIMIT_AS, self.memory),
            ("cpu", resource.RLIMIT_CPU, self.cpu),
            ("fsize", resource.RLIMIT_FSIZE, self.file_size),
            ("core", resource.RLIMIT_CORE, 0),
        )
        for name, number, wanted in named:
            hard = resource.getrlimit(number)[1]
            if wanted is not None:
                yield name, number, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _which(program: str, *, path: str) -> str | None:
    """As `shutil.which`, which is imported when the first command is run: it brings three compressions with it."""
    import shutil  # noqa: PLC0415 - see above

    return shutil.which(program, path=path)


def limited(command: Sequence[str], limits: Limits, env: Mapping[str, str]) -> list[str]:
    """The command behind util-linux's `prlimit`, which sets the limits and becomes it, so that nothing of it runs without them.
    Unchanged where there is no such program: see `apply`. Raises OSError where there is no such command."""
    program = _which("prlimit", path="/usr/bin:/bin")
    if program is None:
        return list(command)
    if _which(command[0], path=env.get("PATH", "")) is None:
        return list(command)  # to fail as it would without limits
    return [program, *(f"--{name}={value}" for name, _, value in limits.each()), "--", *command]


def apply(process: int, limits: Limits) -> None:
    """The same to a process that runs already, where the system can: without `prlimit`, what it started before has none."""
    change = getattr(resource, "prlimit", None)
    if change is None or _which("prlimit", path="/usr/bin:/bin") is not None:
        return
    for _, number, value in limits.each():
        try:
            change(process, number, (value, value))
        except (OSError, ValueError):  # it has ended
            return
