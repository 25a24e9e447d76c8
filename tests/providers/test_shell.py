"""Commands: what reaches them, what they leave behind, and what does not get out."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from providers import _limits, _process, _strays, shell
from providers._process import Output
from router.core import rules
from router.core.errors import Permanent, Transient
from router.core.model import LogLine, Receipt, Status, changed
from router.core.problems import Problems
from router.host import Host
from router.testing import delivery

#: Each would make a file named `canary`, leave its place, or end the text early, if anything ever parsed it.
HOSTILE = [
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "| touch canary",
    "|| touch canary",
    "&& touch canary",
    "& touch canary &",
    "\ntouch canary\n",
    "\r\ntouch canary\r\n",
    "'; touch canary; '",
    '"; touch canary; "',
    "'$(touch canary)'",
    '"$(touch canary)"',
    "\\$(touch canary)",
    "${IFS}touch${IFS}canary",
    "$((a[$(touch canary)]))",
    "a[$(touch canary)]",
    "() { :;}; touch canary",
    'zzz";echo${IFS}"hello";#',
    "<(touch canary)",
    "> canary",
    ">canary",
    "$'\\ntouch canary'",
    "{touch,canary}",
    "!!",
    "-oProxyCommand=touch canary",
    "--upload-pack=touch canary",
    "-c",
    "--",
    "a\\'b\\\"c",
    "*",
    "?",
    "~",
    "../../../etc/passwd",
    "{{7*7}}",
    "%s%n%x",
    "\x1b]0;title\x07",
    "\u202etxt.sh",
    "",
    "x" * 100_000,
]


async def run(lent: Host, tmp_path: Path, *, timeout: float = 60.0, grace: float = 0.2, **options: Any) -> Receipt:
    said = {"workdir": str(tmp_path), "grace": f"{grace * 1000:g}ms", **options.pop("settings", {})}
    settings = shell.Settings.model_validate(said)
    return await shell.Shell(settings, lent).deliver(delivery(shell.Options(**options), id="d1", timeout=timeout))


def output(receipt: Receipt) -> str:
    return str(receipt.detail["output"])


# What reaches a command


@pytest.mark.threat("S-01")
@pytest.mark.parametrize("text", HOSTILE)
async def test_what_an_event_says_is_never_run(lent: Host, tmp_path: Path, text: str) -> None:
    """A hostile text arrives to the letter, by argument, environment and input, and nothing of it happens."""
    keep = {"output_limit": 1_000_000}
    by_argument = await run(lent, tmp_path, argv=["/usr/bin/printf", "%s", text], **keep)
    by_variable = await run(lent, tmp_path, script='printf %s "$TEXT"', env={"TEXT": text}, **keep)
    by_input = await run(lent, tmp_path, script="cat", stdin=text, **keep)
    assert output(by_argument) == output(by_variable) == output(by_input) == text
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing was touched


@pytest.mark.threat("S-18")
async def test_a_command_sees_nothing_of_the_routers_environment(
    lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PATH of the settings, its own variables and who it is for: no token of the router's."""
    monkeypatch.setenv("BUILDKITE_TOKEN", "canary")
    monkeypatch.setenv("PATH", "/canary:" + os.environ["PATH"])
    told = output(await run(lent, tmp_path, argv=["/usr/bin/env"], env={"MINE": "1"}))
    seen = dict(line.split("=", 1) for line in told.splitlines())
    assert len(seen.pop("ROUTER_COMMAND")) == 32
    assert seen == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
        "MINE": "1",
        "ROUTER_DELIVERY_ID": "d1",
        "ROUTER_ATTEMPT": "1",
        "ROUTER_RULE": "test/rule",
    }


async def test_an_operator_may_pass_variables_on(lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the settings name, and that there are."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "canary")
    passed = {"pass_env": ["SSH_AUTH_SOCK", "NOT_SET"]}
    told = output(await run(lent, tmp_path, argv=["/usr/bin/env"], settings=passed))
    assert "SSH_AUTH_SOCK=/run/agent\n" in told
    assert "canary" not in told
    assert "NOT_SET" not in told


async def test_a_command_is_told_the_trace(lent: Host, tmp_path: Path) -> None:
    """As programs that speak OpenTelemetry look for it."""
    provider = shell.Shell(shell.Settings.model_validate({"workdir": str(tmp_path)}), lent)
    asked = delivery(shell.Options(argv=["/usr/bin/env"]), id="d1", trace="00-a-b-01")
    assert "TRACEPARENT=00-a-b-01\n" in output(await provider.deliver(asked))


async def test_no_descriptor_of_the_router_is_passed_on(lent: Host, tmp_path: Path) -> None:
    """Its store and its sockets are its own."""
    opened = os.open(tmp_path / "store", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(opened, True)  # noqa: FBT003 - its signature
    try:
        told = output(await run(lent, tmp_path, script="ls -l /proc/self/fd"))
    finally:
        os.close(opened)
    assert "store" not in told


async def test_programs_are_found_by_the_settings_path(lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the router's, which may have a folder of somebody's in it."""
    program = tmp_path / "bin" / "toy"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(Permanent):
        await run(lent, tmp_path, argv=["toy"])
    assert output(await run(lent, tmp_path, argv=["toy"], settings={"path": str(program.parent)})) == "found\n"


async def test_the_folder_is_the_steps_or_the_settings(lent: Host, tmp_path: Path) -> None:
    """An absolute one in either place."""
    (tmp_path / "inner").mkdir()
    assert output(await run(lent, tmp_path, argv=["/bin/pwd"])) == f"{tmp_path}\n"
    assert output(await run(lent, tmp_path, argv=["/bin/pwd"], cwd=str(tmp_path / "inner"))) == f"{tmp_path / 'inner'}\n"


async def test_input_is_given_and_ends(lent: Host, tmp_path: Path) -> None:
    """A command that reads gets its input to the end, or nothing; one that does not read it does no harm."""
    assert output(await run(lent, tmp_path, argv=["/bin/cat"], stdin="grüße\0")) == "grüße\0"
    assert output(await run(lent, tmp_path, argv=["/bin/cat"])) == ""
    assert output(await run(lent, tmp_path, argv=["/usr/bin/wc", "-c"], stdin="x" * 1_000_000)).strip() == "1000000"
    assert (await run(lent, tmp_path, argv=["/bin/true"], stdin="x" * 1_000_000)).exit_code == 0


@pytest.mark.parametrize(
    ("when", "options", "code"),
    [
        ("trigger: push", "script: make", "R034"),
        ("actor: '@alice.example'", "script: 'make {{ branch }}'", "R014"),
        ("actor: '@alice.example'", "script: make, cwd: '/srv/{{ branch }}'", "R014"),
        ("actor: '@alice.example'", "argv: ['{{ branch }}']", "R035"),
        ("actor: '@alice.example'", "script: make $B, env: {B: '{{ branch }}'}", "R035"),
    ],
)
def test_rules_with_unsafe_commands_are_told(when: str, options: str, code: str) -> None:
    """What the options are marked with is seen by whoever reads rules."""
    problems = Problems()
    text = f"rules: [{{name: it, when: {{{when}}}, do: [{{shell: {{{options}}}}}]}}]"
    rules.load([rules.RuleText("it", "it.yaml", text)], {"shell": shell.Options}, problems)
    assert [found.code for found in problems.found] == [code]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"argv": ["x"], "script": "y"},
        {"argv": []},
        {"argv": ["a\0b"]},
        {"argv": ["\ud800"]},
        {"argv": "ls"},
        {"argv": [1]},
        *({"script": "x", "env": {name: "x"}} for name in ("LD_PRELOAD", "PATH", "path", "BASH_ENV", "ENV", "IFS", "HOME")),
        *({"script": "x", "env": {name: "x"}} for name in ("GIT_SSH_COMMAND", "PYTHONPATH", "ROUTER_RULE", "NODE_OPTIONS")),
        *({"script": "x", "env": {name: "x"}} for name in ("", "A=B", "A B", "A\n", "BASH_FUNC_x%%", "ä")),
        {"script": "x", "env": {"A": "b\0"}},
        {"script": "x", "env": {"A": "\ud800"}},
        {"script": "a\0b"},
        {"script": "x", "cwd": "relative"},
        {"script": "x", "cwd": "/a\0"},
        {"script": "x", "output_limit": -1},
        {"script": "x", "nonsense": 1},
    ],
)
@pytest.mark.threat("S-03")
def test_commands_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """Two commands or none, zero bytes, and variables that decide what runs."""
    with pytest.raises(ValidationError):
        shell.Options(**options)


# What comes of it


@pytest.mark.parametrize(
    ("script", "status", "code", "error"),
    [
        ("exit 0", Status.SUCCESS, 0, ""),
        ("exit 3", Status.FAILED, 3, "exited with 3"),
        ("false; echo not reached", Status.FAILED, 1, "exited with 1"),
        ('echo "$UNSET"', Status.FAILED, 2, "exited with 2"),
        ("kill -9 $$", Status.FAILED, -9, "was ended by signal 9"),
        ("no-such-program", Status.FAILED, 127, "exited with 127"),
    ],
)
async def test_the_exit_status_is_the_result(
    lent: Host, tmp_path: Path, script: str, status: Status, code: int, error: str
) -> None:
    """A command that fails was delivered all the same; a script ends at its first mistake."""
    receipt = await run(lent, tmp_path, script=script)
    assert (receipt.status, receipt.exit_code, receipt.error) == (status, code, error)


async def test_a_command_may_ask_for_another_attempt(lent: Host, tmp_path: Path) -> None:
    """75 is EX_TEMPFAIL, and what it said is kept."""
    with pytest.raises(Transient) as raised:
        await run(lent, tmp_path, script="echo locked >&2; exit 75")
    assert raised.value.response == "locked\n"


@pytest.mark.parametrize("argv", [["/nonexistent/program"], ["/"], ["/etc/passwd"], ["no-such-program"], ["x" * 300_000]])
async def test_what_cannot_be_started_is_a_dead_letter(lent: Host, tmp_path: Path, argv: list[str]) -> None:
    """Trying again would not help; the sentence says why, and not what an event said."""
    with pytest.raises(Permanent, match=r"^The command cannot be started: [A-Z][a-z ]+\.$"):
        await run(lent, tmp_path, argv=argv)


async def test_a_folder_that_is_not_there_is_a_dead_letter(lent: Host, tmp_path: Path) -> None:
    """The operator's to make."""
    with pytest.raises(Permanent):
        await run(lent, tmp_path, argv=["/bin/pwd"], cwd=str(tmp_path / "gone"))


@pytest.mark.fault("T-32")
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
async def test_a_machine_that_is_full_is_tried_again(
    lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """No process, no memory, no descriptors: now, not for ever."""

    async def scarce(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_process, "run", scarce)
    with pytest.raises(Transient):
        await run(lent, tmp_path, argv=["/bin/true"])


@pytest.mark.fault("T-33")
async def test_a_flood_keeps_its_head_and_tail(lent: Host, tmp_path: Path) -> None:
    """Much output is drained, counted and cut; both streams are one."""
    script = "echo first >&2; yes | head -c 3000000; echo last"
    told = output(await run(lent, tmp_path, script=script, output_limit=1000))
    assert told.startswith("first\ny\n")
    assert told.endswith("y\nlast\n")
    assert f"\n[{3_000_011 - 1000} bytes left out]\n" in told
    assert len(told) < 1100


@pytest.mark.fault("T-33")
async def test_an_endless_flood_is_ended(lent: Host, tmp_path: Path) -> None:
    """Who never stops talking is stopped at the timeout, and fills neither memory nor the store."""
    receipt = await run(lent, tmp_path, argv=["/usr/bin/yes"], timeout=0.4, output_limit=100)
    assert (receipt.status, receipt.exit_code) == (Status.TIMEOUT, None)
    assert receipt.error == "stopped after 0.2 s"
    assert len(output(receipt)) < 200


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 10, 11])
@pytest.mark.parametrize("parts", [[], [b"abc"], [b"abcdefghijk"], [b"a"] * 20, [b"abcdefg"] * 30_000])
def test_the_limit_of_output_is_kept(limit: int, parts: list[bytes]) -> None:
    """However it comes in pieces: the first half and the last, and a count of what was between."""
    kept, whole = Output(limit), b"".join(parts)
    for part in parts:
        kept.add(part)
    head, tail = whole[: limit - limit // 2], whole[limit - limit // 2 :]
    left_out = len(tail) - min(len(tail), limit // 2)
    between = f"\n[{left_out} bytes left out]\n" if left_out else ""
    assert kept.text() == head.decode() + between + tail[left_out:].decode()


def test_output_that_is_no_text_is_shown_all_the_same() -> None:
    """Bytes that are no UTF-8 become the sign for that."""
    kept = Output(10)
    kept.add(b"a\xffb")
    assert kept.text() == "a\ufffdb"


# How it ends


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a process id: once a command has written it, its time is over. A command's time must be over 1000 s here."""
    wait, file = _process._wait, tmp_path / "child"

    async def until(event: asyncio.Event, seconds: float) -> bool:
        if seconds > 1000:
            await written(file)
            return event.is_set()
        return await wait(event, seconds)

    monkeypatch.setattr(_process, "_wait", until)
    return file


@pytest.mark.fault("T-32")
async def test_a_command_that_takes_too_long_is_ended_with_its_children(lent: Host, tmp_path: Path, late: Path) -> None:
    """The whole process group goes, those that ignore SIGTERM too, and the result is `timeout`."""
    script = "echo started; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 0.01; done' & wait"
    receipt = await run(lent, tmp_path, script=script, timeout=3000.0, grace=0.05)
    assert (receipt.status, receipt.exit_code) == (Status.TIMEOUT, None)
    assert receipt.error == "stopped after 2998.95 s"
    assert output(receipt) == "started\n"
    await gone(await written(late))


async def test_a_command_may_clean_up_before_it_is_ended(lent: Host, tmp_path: Path, late: Path) -> None:
    """SIGTERM comes first, and what is said after it is kept."""
    script = "trap 'echo cleaned; exit 0' TERM; echo started; sleep 300 & echo $$ > child; wait"
    receipt = await run(lent, tmp_path, script=script, timeout=3000.0, grace=30.0)
    assert receipt.status is Status.TIMEOUT
    assert output(receipt) == "started\ncleaned\n"


@pytest.mark.parametrize(("timeout", "grace"), [(60.0, 5.0), (4.0, 5.0), (0.1, 5.0), (86400.0, 600.0), (10.0, 0.0)])
def test_a_command_is_ended_before_the_router_gives_up(timeout: float, grace: float) -> None:
    """The router cancels at the timeout, and would not know the result; half of it is the command's at least."""
    limit, leave = shell._limits(timeout, grace)
    assert timeout / 2 <= limit
    assert limit + leave < timeout


@pytest.mark.fault("T-32")
async def test_a_cancelled_delivery_leaves_no_process(lent: Host, tmp_path: Path) -> None:
    """When the router stops, so does what it started, grandchildren too."""
    task = asyncio.create_task(run(lent, tmp_path, script="sleep 300 & echo $! > child; wait"))
    child = await written(tmp_path / "child")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(child)


async def test_who_is_cancelled_while_it_starts_leaves_no_process(
    lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may have children before the router knows that it runs."""
    start, held = _process._start, asyncio.Event()

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        started = await start(*args, **kwargs)
        await held.wait()
        return started

    monkeypatch.setattr(_process, "_start", slowly)
    task = asyncio.create_task(run(lent, tmp_path, script="sleep 300 & echo $! > child; wait"))
    child = await written(tmp_path / "child")
    task.cancel()
    await asyncio.sleep(0)
    held.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(child)


async def test_who_cancels_twice_waits_no_longer(lent: Host, tmp_path: Path) -> None:
    """A command that ignores SIGTERM is killed at the second word, whatever its grace was."""
    script = "trap '' TERM; echo $$ > child; while :; do sleep 0.01; done"
    task = asyncio.create_task(run(lent, tmp_path, script=script, grace=600.0, timeout=3000.0))
    child = await written(tmp_path / "child")
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(child)


async def test_a_child_that_outlives_its_parent_holds_nothing_up(lent: Host, tmp_path: Path) -> None:
    """The command is over when its first process is: what it left behind with our pipe in its hands is ended."""
    receipt = await run(lent, tmp_path, script="sleep 300 & echo $! > child; echo done", timeout=3000.0)
    assert (receipt.status, output(receipt)) == (Status.SUCCESS, "done\n")
    await gone(int((tmp_path / "child").read_text()))


@pytest.mark.fault("T-32")
async def test_a_daemon_that_left_the_group_is_ended(lent: Host, tmp_path: Path) -> None:
    """Nobody listens to it any more, and it is found by what it inherited."""
    script = "setsid sh -c 'echo $$ > child; exec sleep 300' & while ! [ -s child ]; do :; done; echo done"
    receipt = await run(lent, tmp_path, script=script, timeout=3000.0)
    assert (receipt.status, output(receipt)) == (Status.SUCCESS, "done\n")
    await gone(int((tmp_path / "child").read_text()))


@pytest.mark.fault("T-32")
async def test_a_daemon_that_hides_holds_nothing_up(lent: Host, tmp_path: Path) -> None:
    """Without its group and its environment it keeps its life (a known limit), and not our pipes."""
    before = _pipes()
    hidden = "setsid env -i sh -c 'echo $$ > child; exec sleep 300' <&3 & while ! [ -s child ]; do :; done; echo done"
    receipt = await run(lent, tmp_path, script="exec 3<&0; " + hidden, stdin="x" * 1_000_000, timeout=3000.0)
    daemon = await written(tmp_path / "child")
    try:
        assert (receipt.status, output(receipt)) == (Status.SUCCESS, "done\n")
        assert _alive(daemon)
        async with asyncio.timeout(10):
            while _pipes() - before:
                await asyncio.sleep(0)
    finally:
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.fault("T-32")
async def test_limits_bind_a_command_from_its_first_instruction(lent: Host, tmp_path: Path) -> None:
    """And all that it starts: it cannot ask for more."""
    limits = {"processes": 400, "open_files": 64, "memory": 2**32, "cpu": 7, "file_size": 1024 * 1024}
    kinds = "Max (processes|open files|address space|cpu time|file size|core file)"
    settings = {"limits": _limits.Limits(**limits)}
    said = output(await run(lent, tmp_path, script=f"exec grep -E '{kinds}' /proc/self/limits", settings=settings))
    found = {tuple(line.split()[1:3]): line.split()[-3:-1] for line in said.splitlines()}
    assert {name[0]: values for name, values in found.items()} == {
        "processes": ["400", "400"],
        "open": ["64", "64"],
        "address": [str(2**32)] * 2,
        "cpu": ["7", "7"],
        "file": [str(1024 * 1024)] * 2,
        "core": ["0", "0"],
    }


@pytest.mark.fault("T-32")
async def test_a_file_that_grows_too_large_ends_its_command(lent: Host, tmp_path: Path) -> None:
    settings = {"limits": _limits.Limits(file_size=4096)}
    receipt = await run(lent, tmp_path, argv=["/bin/dd", "if=/dev/zero", "of=large", "bs=1024", "count=100"], settings=settings)
    assert receipt.status is Status.FAILED
    assert (tmp_path / "large").stat().st_size <= 4096


@pytest.mark.fault("T-32")
async def test_without_the_program_limits_are_set_a_moment_later(
    lent: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no util-linux: what the kernel is asked for comes after the start."""
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    script = "while ! grep -q 'Max cpu time  *7 ' /proc/$$/limits; do :; done; echo limited"
    receipt = await run(lent, tmp_path, script=script, settings={"limits": _limits.Limits(cpu=7)}, timeout=30.0)
    assert output(receipt) == "limited\n"


@pytest.mark.fault("T-32")
async def test_a_tree_of_processes_that_breeds_is_ended(lent: Host, tmp_path: Path) -> None:
    """A fork bomb with a fuse: within its time it starts what it can, and after it nothing of it is left."""
    script = (
        "breed() { if [ $1 -gt 0 ]; then breed $(($1 - 1)) & breed $(($1 - 1)) & fi; echo x >> born; sleep 300; }\n"
        "breed 5 & setsid sh -c 'sleep 300 & sleep 300' & sleep 300"
    )
    receipt = await run(lent, tmp_path, script=script, timeout=3.0)
    assert receipt.status is Status.TIMEOUT
    assert (tmp_path / "born").exists()
    assert _strays.end(_process.MARK, "") == 0
    assert await asyncio.to_thread(_in, tmp_path) == []


def _in(folder: Path) -> list[Path]:
    """Processes whose working folder this is."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and (process / "cwd").readlink() == folder:
                found.append(process)
    return found


async def test_commands_run_beside_each_other(lent: Host, tmp_path: Path) -> None:
    """Two that wait for each other both end."""
    there = "touch {0}; while ! [ -e {1} ]; do sleep 0.01; done"
    first, second = await asyncio.gather(
        run(lent, tmp_path, script=there.format("a", "b")), run(lent, tmp_path, script=there.format("b", "a"))
    )
    assert first.status is second.status is Status.SUCCESS


async def written(path: Path) -> int:
    """The number in a file, once it is there."""
    async with asyncio.timeout(10):
        while not (text := _read(path)).endswith("\n"):
            await asyncio.sleep(0.01)
    return int(text)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _pipes() -> set[str]:
    """The pipes that this process has an end of, by number."""
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them is closed by now
            links.add(str(descriptor.readlink()))
    return {link for link in links if link.startswith("pipe:")}


async def gone(pid: int) -> None:
    """Return when the process is no more: what is killed ends soon, but not at once."""
    async with asyncio.timeout(10):
        while _alive(pid):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet reaped by its new parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.threat("S-18")
async def test_secrets_are_variables_and_masked_where_they_are_said(tmp_path: Path) -> None:
    """In what is kept and in what is told while it runs; short ones would mask everything."""
    said: list[str] = []

    class Scribe:
        def write(self, delivery: str, lines: Sequence[LogLine]) -> None:
            said.extend(line.text for line in lines)

        async def once(self, kind: str, key: str, seconds: float) -> bool:
            return True

    host = Host(None, scribe=Scribe())  # type: ignore[arg-type]
    made = shell.Shell(shell.Settings(workdir=str(tmp_path)), host)
    options = shell.Options(script='printf "%s\\n" "$KEY" "$SHORT"; printenv KEY > kept')
    revealed = {"KEY": "canary-one\ncanary-two", "SHORT": "ab"}
    receipt = await made.deliver(changed(delivery(options, timeout=30.0), revealed=revealed))
    assert (tmp_path / "kept").read_text() == "canary-one\ncanary-two\n"
    assert receipt.detail["output"] == "***\n***\nab\n"
    assert "canary" not in str(said)
    assert "ab" in str(said)


@pytest.mark.threat("S-03")
def test_a_secret_cannot_be_a_variable_that_decides_what_runs() -> None:
    """It is told where the name stands."""
    problems = Problems()
    text = "rules: [{name: it, when: {trust: owner}, do: [{shell: {argv: [a]}, secrets: [KEY, LD_PRELOAD]}]}]"
    rules.load([rules.RuleText("it", "it.yaml", text)], {"shell": shell.Options}, problems)
    (found,) = problems.found
    assert (found.code, found.place.column) == ("R011", text.index("LD_PRELOAD") + 1)
    assert "LD_PRELOAD decides what runs" in found.message


def test_a_command_is_idempotent_only_where_its_step_says_so() -> None:
    """What was cut off may have happened: the dispatcher asks the provider's word, and the step's."""
    assert shell.plugin.idempotent is False
