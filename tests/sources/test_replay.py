"""Events of a file and of standard input."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import RouterError
from router.sources import replay
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from router.core.model import Heard
    from router.host import Host
    from router.sources.base import Source
    from tests.sources.conftest import Remembering

WIRE = Path(__file__).parent.parent / "wire"


def line(name: str) -> bytes:
    frame = json.loads((WIRE / name.partition("_")[0] / f"{name}.json").read_bytes())
    return json.dumps(frame).encode()


OWN = b'{"source": "chat", "nsid": "com.example.thing", "id": "1", "record": {}}'
LINES = [line("knot_refupdate_v2"), b"nonsense", b"", OWN, line("jetstream_repo_create")]


def open_replay(host: Host, seen: Remembering, path: Path | str) -> Source:
    return replay.kind.open("file", replay.Settings(path=str(path)), host, seen)


async def hear(source: Source, cursor: int | None = None) -> list[Heard]:
    return [one async for one in one_by_one(source.hear(cursor))]


async def test_every_form_is_read(host: Host, seen: Remembering, tmp_path: Path) -> None:
    """Raw frames keep the kind that they are of; a line that is none is a bad frame; the cursor counts lines."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(LINES))
    source = open_replay(host, seen, path)
    assert source.finite
    heard = await hear(source)
    assert [one.event.kind if one.event is not None else one.bad for one in heard] == [
        "knot",
        "The frame is not JSON.",
        None,
        "jetstream",
        "jetstream",
    ]
    assert [one.event.source for one in heard if one.event is not None] == ["file", "chat", "file"]
    assert [one.cursor for one in heard] == [1, 2, 3, 4, 5]
    assert heard[1].frame == b"nonsense"


async def test_one_event_laid_out_for_people_is_read(host: Host, seen: Remembering, tmp_path: Path) -> None:
    """A fixture as editors write it is one event, not a bad frame for each of its lines."""
    path = tmp_path / "push.json"
    path.write_text("\n" + json.dumps(json.loads(line("knot_refupdate_v2")), indent=2) + "\n")
    (blank, one) = await hear(open_replay(host, seen, path))
    assert (blank.event, blank.bad) == (None, None)
    assert one.event is not None
    assert one.event.nsid == "sh.tangled.git.refUpdate"


async def test_a_restart_goes_on_after_the_last_line(host: Host, seen: Remembering, tmp_path: Path) -> None:
    """Lines up to the cursor are passed over, and a file that was read to its end ends at once."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    assert [one.cursor for one in await hear(open_replay(host, seen, path), 3)] == [4, 5]
    assert await hear(open_replay(host, seen, path), 5) == []


async def test_a_file_larger_than_a_chunk(host: Host, seen: Remembering, tmp_path: Path) -> None:
    """Lines that lie across the borders of chunks come whole."""
    path = tmp_path / "events.jsonl"
    path.write_bytes((line("knot_refupdate_v2") + b"\n") * 400)
    assert path.stat().st_size > 3 * replay.CHUNK
    heard = await hear(open_replay(host, seen, path))
    assert len(heard) == 400
    assert all(one.event is not None for one in heard)


@pytest.mark.parametrize("size", [replay.LIMIT + 1, replay.LIMIT + replay.CHUNK * 3])
async def test_an_endless_line_is_one_bad_frame(host: Host, seen: Remembering, tmp_path: Path, size: int) -> None:
    """It is not kept in memory, and the line after it is read as usual."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"[" * size + b"\n" + OWN + b"\n")
    long, after = await hear(open_replay(host, seen, path))
    assert long.bad == f"The line is longer than {replay.LIMIT} bytes."
    assert len(long.frame) == 16_384
    assert after.event is not None
    assert after.cursor == 2


@pytest.mark.parametrize("what", ["missing.jsonl", "."])
async def test_a_file_that_cannot_be_read_is_named(host: Host, seen: Remembering, tmp_path: Path, what: str) -> None:
    """A missing file is the operator's mistake: a sentence with its path, and no traceback of ours."""
    with pytest.raises(RouterError, match=r"The events of file cannot be read: .*: "):
        await hear(open_replay(host, seen, tmp_path / what))


async def test_standard_input_is_read_as_it_comes(host: Host, seen: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is an event when it is complete, while the loop goes on; there is no cursor, and a stored one is ignored."""
    reading, writing = os.pipe()

    class Stdin:
        def fileno(self) -> int:
            return reading

    monkeypatch.setattr("sys.stdin", Stdin())
    heard = one_by_one(open_replay(host, seen, "-").hear(7))
    pending: asyncio.Future[Any] = asyncio.ensure_future(anext(heard))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not pending.done()
    os.write(writing, OWN + b"\n" + OWN[:10])
    first = await pending
    assert first.event is not None
    assert first.cursor is None
    os.write(writing, OWN[10:])
    os.close(writing)
    second = await anext(heard)
    assert second.event is not None
    with pytest.raises(StopAsyncIteration):
        await anext(heard)
    os.close(reading)


async def test_stopping_does_not_wait_for_input(host: Host, seen: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C works while nobody types: the reading thread is left behind."""
    reading, writing = os.pipe()

    class Stdin:
        def fileno(self) -> int:
            return reading

    monkeypatch.setattr("sys.stdin", Stdin())
    task = asyncio.create_task(hear(open_replay(host, seen, "-")))
    await seen.until("up")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(writing)
    os.close(reading)
