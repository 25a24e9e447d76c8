"""Sees that router.yaml or a rule file is another, however it became so: edited, renamed over, or by a swapped symlink.

Folders are watched, and not files: an editor writes a new file and renames it, and Kubernetes swaps a link beside it. What is
seen only says when to look; the files' contents say whether anything is different.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from router import config, library
from router.engine.aside import aside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from router.library import Entry
    from router.loaded import Loaded
    from router.observe import Observer
    from router.reload import Reload

#: Milliseconds: how long files may go on changing before they are read, and how long nothing may change until they are.
DEBOUNCE, STEP = 1600, 100
#: Milliseconds until what is watched is looked at for the first time, if nothing changes.
LOOK = 5000
#: Seconds until watching is tried again where it cannot be done.
AGAIN = 60.0


class Watch:
    """One for the process."""

    def __init__(self, reload: Reload, observer: Observer) -> None:
        self.reload = reload
        self.observer = observer

    async def run(self) -> None:
        """For ever. Where files cannot be watched, that is told, and tried again."""
        while True:
            if not self._wanted():
                await self.reload.changed.wait()
                self.reload.changed.clear()
                continue
            try:
                await self._watch(await self._folders())
            except (OSError, RuntimeError) as error:
                sentence = f"Files cannot be watched ({error}): changes are read on SIGHUP or `router reload` only."
                self.observer.fault("reload", sentence, None)
                await self.reload.clock.sleep(AGAIN)

    async def _watch(self, watched: Sequence[Path]) -> None:
        """Until other folders are to be watched."""
        first = True
        async with aclosing(_changes(watched)) as changes:  # type: ignore[type-var]
            async for changed in changes:
                # What changed between the last watch and this one was seen by neither.
                if changed or first:
                    await self.reload.look()
                    if not self._wanted() or await self._folders() != watched:
                        return
                first = False

    def _wanted(self) -> bool:
        return self.reload.running.config.reload.watch

    async def _folders(self) -> Sequence[Path]:
        return await aside(lambda: folders(self.reload.running), "look")


async def _changes(watched: Iterable[Path]) -> AsyncIterator[bool]:
    """Whether anything did, each time that something did or nothing has for some seconds."""
    from watchfiles import awatch  # noqa: PLC0415 - only a router that watches pays for it

    wanted = awatch(
        *watched, watch_filter=_matters, debounce=DEBOUNCE, step=STEP, recursive=False, rust_timeout=LOOK, yield_on_timeout=True
    )
    async with aclosing(wanted) as seen:
        async for changes in seen:
            yield bool(changes)


def _matters(_change: object, path: str) -> bool:
    """Files that we read, folders and links: not the store, which may lie in the same folder and changes all the time."""
    name = Path(path).name
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
