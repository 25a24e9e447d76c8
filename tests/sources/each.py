"""What comes in batches, one by one."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

T = TypeVar("T")


async def one_by_one(batches: AsyncIterator[Sequence[T]]) -> AsyncGenerator[T, None]:
    async with aclosing(batches):  # type: ignore[type-var]
        async for batch in batches:
            for one in batch:
                yield one
