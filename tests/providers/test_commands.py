"""Commands: what reaches them, what they leave behind, and what does not get out."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from providers import shell
from router.core.errors import Permanent, Transient
from router.core.model import Receipt, Status
from router.host import Host
from tests.providers.parts import Still, delivery

HOSTILE = [
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "| touch canary",
    "&& touch canary",
    "\ntouch canary\n",
    "'; touch canary; '",
    '"; touch canary; "',
    "${IFS}touch${IFS}canary",
    'zzz";echo${IFS}"hello";#',
    "-oProxyCommand=touch canary",
    "--upload-pack=touch canary",
    "a\\'b\\\"c",
    "*",
    "~",
    "{{7*7}}",
    "%s%n",
    "x" * 100_000,
]


async def run(tmp_path: Path, *, timeout: float = 30.0, grace: float = 0.2, **options: Any) -> Receipt:
    http: Any = None
    made = shell.Shell(shell.Settings(workdir=str(tmp_path), grace=grace), Host(http, Still()))
    return await made.deliver(delivery(shell.Options(**options), timeout=timeout))


def output(receipt: Receipt) -> str:
    return str(receipt.detail["output"])


@pytest.mark.parametrize("text", HOSTILE)
async def test_arguments_and_variables_are_never_run(tmp_path: Path, text: str) -> None:
    """A hostile text arrives to the letter, by argument and by environment, and nothing of it happens."""
    by_argument = await run(tmp_path, argv=["/usr/bin/printf", "%s", text], output_limit=1_000_000)
    by_variable = await run(tmp_path, script='printf %s "$TEXT"', env={"TEXT": text}, output_limit=1_000_000)
    assert output(by_argument) == output(by_variable) == text
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing was touched


async def test_a_command_sees_nothing_of_the_routers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean PATH, its own variables and who it is for: no token of the router's."""
    monkeypatch.setenv("BUILDKITE_TOKEN", "canary")
    told = output(await run(tmp_path, argv=["/usr/bin/env"], env={"MINE": "1"}))
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert names == {"PATH", "LANG", "HOME", "MINE", "ROUTER_DELIVERY_ID", "ROUTER_ATTEMPT", "ROUTER_RULE"}


@pytest.mark.parametrize(
    ("script", "status", "code"), [("exit 0", Status.SUCCESS, 0), ("exit 3", Status.FAILED, 3), ("false", Status.FAILED, 1)]
)
async def test_the_exit_status_is_the_result(tmp_path: Path, script: str, status: Status, code: int) -> None:
    """A command that fails was delivered all the same."""
    receipt = await run(tmp_path, script=script)
    assert (receipt.status, receipt.exit_code) == (status, code)


async def test_a_command_may_ask_for_another_attempt(tmp_path: Path) -> None:
    """75 is EX_TEMPFAIL, and what it said is kept."""
    with pytest.raises(Transient) as raised:
        await run(tmp_path, script="echo locked; exit 75")
    assert "locked" in str(raised.value.response)


async def test_a_signal_is_a_failure(tmp_path: Path) -> None:
    """A command that was killed by another says so."""
    receipt = await run(tmp_path, script="kill -9 $$")
    assert (receipt.status, receipt.error) == (Status.FAILED, "was ended by signal 9")


@pytest.mark.parametrize("argv", [["/nonexistent/program"], ["/"]])
async def test_what_cannot_be_started_is_a_dead_letter(tmp_path: Path, argv: list[str]) -> None:
    """Trying again would not help."""
    with pytest.raises(Permanent):
        await run(tmp_path, argv=argv)


async def test_input_is_given_and_ends(tmp_path: Path) -> None:
    """A command that reads gets its input to the end, or nothing; one that does not read it does no harm."""
    assert output(await run(tmp_path, argv=["/bin/cat"], stdin="hello")) == "hello"
    assert output(await run(tmp_path, argv=["/bin/cat"])) == ""
    assert (await run(tmp_path, argv=["/bin/true"], stdin="x" * 1_000_000)).exit_code == 0


async def test_a_flood_keeps_its_head_and_tail(tmp_path: Path) -> None:
    """Endless output is drained, counted and cut, and blocks nothing."""
    receipt = await run(tmp_path, script="echo first; yes | head -c 3000000; echo last", output_limit=1000)
    told = output(receipt)
    assert told.startswith("first")
    assert told.endswith("last\n")
    assert "bytes left out" in told
    assert len(told) < 1100


async def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """The whole process group goes, those that ignore SIGTERM too, and the result is `timeout`."""
    script = "sh -c 'trap \"\" TERM; echo $$ > child; sleep 300' & echo started; wait"
    receipt = await run(tmp_path, script=script, timeout=1.0, grace=0.1)
    assert receipt.status is Status.TIMEOUT
    assert "started" in output(receipt)
    await gone(int((tmp_path / "child").read_text()))


async def test_a_cancelled_delivery_leaves_no_process(tmp_path: Path) -> None:
    """When the router stops, so does what it started."""
    task = asyncio.create_task(run(tmp_path, script="echo $$ > pid; sleep 300"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)


async def test_a_child_that_outlives_its_parent_holds_nothing_up(tmp_path: Path) -> None:
    """The command is over when its first process is: what it left behind with our pipe in its hands is ended."""
    receipt = await run(tmp_path, script="sleep 300 & echo $! > child; echo done", timeout=20.0)
    assert receipt.status is Status.SUCCESS
    assert output(receipt) == "done\n"
    await gone(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"argv": ["x"], "script": "y"},
        {"argv": []},
        {"argv": ["a\0b"]},
        {"script": "x", "env": {"LD_PRELOAD": "x"}},
        {"script": "x", "env": {"PATH": "x"}},
        {"script": "x", "env": {"BASH_ENV": "x"}},
        {"script": "x", "env": {"GIT_SSH_COMMAND": "x"}},
        {"script": "x", "env": {"A": "b\0"}},
        {"script": "x", "cwd": "relative"},
    ],
)
def test_commands_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """Two commands or none, zero bytes, and variables that decide what runs."""
    with pytest.raises(ValidationError):
        shell.Options(**options)


async def gone(pid: int) -> None:
    """Return when the process is no more: what is killed ends soon, but not at once."""
    async with asyncio.timeout(5):
        while _alive(pid):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet reaped by its new parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False
