"""A disk that fails under a running router: it ends at once, with 74, and the next start goes on with what was committed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import ROUTER, Network, Router, push, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

SHIM = Path(__file__).parent / "shim"
FIRST, SECOND = "1" * 40, "2" * 40
#: fsync and fdatasync as a disk that is dying answers them, once there is a file that says so.
_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int sick(void) { const char *file = getenv("SICK_DISK"); return file && access(file, F_OK) == 0; }

int fsync(int fd) {
    if (sick()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    if (sick()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def router(tmp_path: Path, network: Network) -> Iterator[Router]:
    made = Router(tmp_path, network)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def preloaded(folder: Path) -> dict[str, str]:
    """The system's own fsync, failing. Where there is no compiler, nothing: then only the other way is tried."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return {}
    source, library = folder / "shim.c", folder / "shim.so"
    source.write_text(_SHIM)
    made = subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=False)
    return {"LD_PRELOAD": str(library)} if made.returncode == 0 else {}


@pytest.mark.fault("T-28")
@pytest.mark.parametrize("way", ["fsync", "commit"])
def test_a_disk_that_fails_ends_the_process(network: Network, router: Router, way: str) -> None:
    """What was not committed is heard again by the next start, and built once."""
    sick = router.folder / "sick"
    environment = (preloaded(router.folder) if way == "fsync" else {}) or {"PYTHONPATH": str(SHIM)}
    router.start(SICK_DISK=str(sick), **environment)
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(FIRST))
    until(lambda: router.lines("delivery attempted", state="done"), "the first build")
    sick.write_text(str(sqlite3.SQLITE_IOERR_FSYNC))
    began = time.monotonic()
    network.ask("emit", on="knot-a", frame=push(SECOND))
    assert router.wait() == 74
    assert time.monotonic() - began < 20
    whole = router.log.read_text().splitlines()
    assert [line for line in whole if line.startswith("router: The disk failed under the store")] == whole[-1:]
    assert "Traceback" not in router.log.read_text()
    assert [build["commit"] for build in network.builds()] == [FIRST]

    router.log.unlink()
    router.start()
    until(lambda: router.lines("delivery attempted", state="done"), "the second build")
    assert [build["commit"] for build in network.builds()] == [FIRST, SECOND]
    assert router.stop() == 0


@pytest.mark.fault("T-29")
def test_a_shell_in_the_store_loses_nothing(network: Network, router: Router) -> None:
    """`BEGIN EXCLUSIVE` for longer than SQLite itself would wait: reading goes on, then all that came is built, once."""
    router.start()
    network.ask("attended")
    shell = sqlite3.connect(router.folder / "router.db", isolation_level=None)
    shell.execute("BEGIN EXCLUSIVE")
    held = time.monotonic()
    for sha in (FIRST, SECOND):
        network.ask("emit", on="knot-a", frame=push(sha))
    until(lambda: time.monotonic() - held > 7, "longer than five seconds")
    assert router.cli("deliveries", "list") == []
    assert network.builds() == []
    assert router.process is not None
    assert router.process.poll() is None
    shell.execute("ROLLBACK")
    shell.close()
    until(lambda: len(router.lines("delivery attempted", state="done")) == 2, "both builds")
    assert sorted(build["commit"] for build in network.builds()) == [FIRST, SECOND]
    assert router.stop() == 0


@pytest.mark.fault("T-30")
def test_a_damaged_store_is_refused_with_65(network: Network, router: Router) -> None:
    """With the command that restores it, and the file as it was; after that command the router goes on."""
    router.start()
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(FIRST))
    until(lambda: router.lines("delivery attempted", state="done"), "the build")
    assert router.stop() == 0
    store, copy = router.folder / "router.db", router.folder / "copy.db"
    whole = store.read_bytes()
    copy.write_bytes(whole)
    damaged = whole[:4096] + b"\xff" * 8192 + whole[12288:]
    store.write_bytes(damaged)
    assert router.start().wait() == 65
    assert store.read_bytes() == damaged
    last = router.log.read_text().splitlines()[-1]
    assert last.startswith("router: The store router.db is corrupt")
    assert last.endswith("To put a backup in its place: router restore BACKUP")
    command = [str(part).replace("BACKUP", str(copy)) for part in last.rpartition(": router ")[2].split()]
    subprocess.run([ROUTER, *command], cwd=router.folder, env=router.environment(), check=True, capture_output=True)
    router.log.unlink()
    router.start()
    network.ask("emit", on="knot-a", frame=push(SECOND))
    until(lambda: router.lines("delivery attempted", state="done"), "the second build")
    assert [build["commit"] for build in network.builds()] == [FIRST, SECOND]
    assert router.stop() == 0
