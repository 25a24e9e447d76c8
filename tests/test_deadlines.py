"""Timeouts by one timer: what asyncio's do, and no timer more."""

from __future__ import annotations

import asyncio

import pytest

from router.deadlines import Deadlines


async def test_what_takes_too_long_is_ended() -> None:
    deadlines = Deadlines()
    with pytest.raises(TimeoutError), deadlines.within(0.0) as within:
        await asyncio.Event().wait()
    assert within.expired
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)  # nothing of it is left


async def test_what_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    with deadlines.within(0.0) as within:
        pass
    for _ in range(3):
        await asyncio.sleep(0)
    assert not within.expired


async def test_an_error_is_its_own() -> None:
    with pytest.raises(KeyError), Deadlines().within(60.0):
        raise KeyError


async def test_each_has_its_own_time() -> None:
    """The shorter one ends first, whichever began first; the inner one does not end the outer."""
    deadlines = Deadlines()
    with deadlines.within(60.0) as outer:
        with pytest.raises(TimeoutError), deadlines.within(0.0):
            await asyncio.Event().wait()
        assert not outer.expired
    with pytest.raises(TimeoutError), deadlines.within(0.0) as outer, deadlines.within(60.0) as inner:
        await asyncio.Event().wait()
    assert (outer.expired, inner.expired) == (True, False)


async def test_many_end_together() -> None:
    deadlines = Deadlines()

    async def late() -> None:
        with deadlines.within(0.001):
            await asyncio.Event().wait()

    ended = await asyncio.gather(*(late() for _ in range(5)), return_exceptions=True)
    assert [type(error) for error in ended] == [TimeoutError] * 5


async def test_who_is_cancelled_is_not_late() -> None:
    deadlines = Deadlines()
    begun = asyncio.Event()

    async def wait() -> None:
        with deadlines.within(60.0):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_there_is_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, made = asyncio.get_running_loop(), 0
    call_at = loop.call_at

    def counted(*given: object, **named: object) -> asyncio.TimerHandle:
        nonlocal made
        made += 1
        return call_at(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_at", counted)
    deadlines = Deadlines()
    for _ in range(1000):
        with deadlines.within(60.0):
            pass
    assert made == 1


def test_another_loop_has_its_own() -> None:
    """A timer of a loop that is closed rings for nobody."""
    deadlines = Deadlines()

    async def in_time() -> None:
        with deadlines.within(60.0):
            pass

    async def late() -> None:
        with pytest.raises(TimeoutError), deadlines.within(0.0):
            await asyncio.Event().wait()

    asyncio.run(in_time())
    asyncio.run(late())


def test_only_a_task_has_time() -> None:
    with pytest.raises(RuntimeError), Deadlines().within(1.0):
        pass
