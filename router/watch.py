"""Sees that router.yaml or a rule file is another, however it became so: edited, renamed over, or by a swapped symlink.

Folders are looked at, and not only files: an editor writes a new file and renames it, and Kubernetes swaps a link beside it.
Asking the system for the times of a few files each second costs less than what would tell of changes, and sees them on
every file system. What is seen only says when to look; the files' contents say whether anything is different.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from router import config, library
from router.engine.aside import aside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.library import Entry
    from router.loaded import Loaded
    from router.observe import Observer
    from router.reload import Reload

    #: What the system says of each file that matters.
    Stamps: TypeAlias = dict[str, tuple[int, ...]]

#: Seconds between two looks, and between two while files are changing.
EVERY, SETTLE = 1.0, 0.1
#: Looks at files that go on changing, after which they are read all the same.
PATIENCE = 16
#: Looks after a change until contents are compared once more: some file systems count time in whole seconds.
ONCE_MORE = 3
#: Seconds until watching is tried again where it cannot be done.
AGAIN = 60.0


class Watch:
    """One for the process."""

    def __init__(self, reload: Reload, observer: Observer) -> None:
        self.reload = reload
        self.observer = observer

    async def run(self) -> None:
        """For ever. Where files cannot be looked at, that is told, and tried again."""
        while True:
            if not self._wanted():
                await self.reload.changed.wait()
                self.reload.changed.clear()
                continue
            try:
                await self._watch()
            except (OSError, RuntimeError) as error:
                sentence = f"Files cannot be watched ({error}): changes are read on SIGHUP or `router reload` only."
                self.observer.fault("reload", sentence, None)
                await self.reload.clock.sleep(AGAIN)

    async def _watch(self) -> None:
        """As long as it is wanted."""
        seen = await self._stamps()
        # What changed since the files were read was seen by nobody.
        await self.reload.look()
        again = 0
        while self._wanted():
            await self.reload.clock.sleep(EVERY)
            now = await self._stamps()
            again = ONCE_MORE if now != seen else max(again - 1, 0)
            if now != seen:
                seen = await self._settled(now)
            elif again != 1:
                continue
            await self.reload.look()

    async def _settled(self, seen: Stamps) -> Stamps:
        for _ in range(PATIENCE):
            await self.reload.clock.sleep(SETTLE)
            before, seen = seen, await self._stamps()
            if seen == before:
                break
        return seen

    def _wanted(self) -> bool:
        return self.reload.running.config.reload.watch

    async def _stamps(self) -> Stamps:
        return await aside(lambda: stamps(folders(self.reload.running)), "look")


def stamps(watched: Sequence[Path]) -> Stamps:
    """When each file was written and changed, its size and which it is: of what matters in these folders. What cannot be looked
    at is left out."""
    found: Stamps = {}
    for folder in watched:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _matters(entry.name) and (stamp := _stamp(entry)) is not None:
                        found[entry.path] = stamp
        except OSError:
            continue
    return found


def _stamp(entry: os.DirEntry[str]) -> tuple[int, ...] | None:
    """Of what a link leads to. Whoever writes may set the time of writing to what it was, and not that of the change."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def _matters(name: str) -> bool:
    """Files that we read, folders and links: not the store, which may lie in the same folder and changes all the time."""
    return name.endswith(library.ENDINGS) or name.startswith("..") or "." not in name


def folders(running: Loaded) -> Sequence[Path]:
    """What must be watched: where the files are, and where they seem to be."""
    file = config.file(running.named)
    found = {file.parent, file.resolve().parent}
    for entry in running.config.rules:
        found.update(_of(entry))
    return sorted({folder.absolute() for folder in found if folder.is_dir()})


def _of(entry: Entry) -> Iterator[Path]:
    if entry.text.startswith(library.BUNDLED):
        return
    path = entry.base / entry.text
    yield from (path.parent, path.resolve().parent)
    if path.is_dir():
        yield path.resolve()
        yield from _below(path.resolve())


def _below(folder: Path) -> Iterator[Path]:
    """Every folder that rule files are looked for in."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
            yield child
            yield from _below(child)
