"""Providers that are told what to be answered: the real one sends its request, or a word says how the attempt ends."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from router.core.errors import Ambiguous, Permanent, Transient
from router.core.model import Receipt
from router.provider import Reconciles
from router.ruletests.answers import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.model import Delivery, Tree
    from router.provider import Provider
    from router.ruletests.answers import Answer

_ERRORS = {"transient": Transient, "ambiguous": Ambiguous, "permanent": Permanent}
_SO = "The test says so."


class Script:
    """The answers of one provider, each given once. `told` are those of the present attempt, for people.

    `sampled` makes the body of an answer that has only a status, as the provider's plug-in says. `looking` is true while a
    look-up is under way: it takes answers of its own. `amiss` is what there was no answer for.
    """

    def __init__(self, provider: str, answers: Sequence[Answer], sampled: Callable[[int], Tree]) -> None:
        self.provider = provider
        self.count = len(answers)
        self.left = deque(answers)
        self.told: list[str] = []
        self.looking = False
        self.amiss: list[str] = []
        self._sampled = sampled

    def sample(self, status: int) -> bytes:
        """The body of an answer with this status."""
        return json.dumps(self._sampled(status)).encode()

    def next(self) -> Answer | None:
        """The answer whose turn it is, or None where it is about something else, or there is none."""
        return self.left[0] if self.left and self.left[0].looks == self.looking else None

    def take(self, *, request: bool = False) -> Answer | None:
        """The next answer, which is then used up. None where there is none for this, which is then in `amiss`.

        A `request` needs one of HTTP: what says how the attempt ends comes too late for it.
        """
        answer = self.next()
        if answer is None or (request and not answer.over_http):
            self.told.append("no answer")
            self.amiss.append(self._amiss())
            return None
        self.left.popleft()
        self.told.append(str(answer))
        return answer

    def _amiss(self) -> str:
        if not self.left:
            return f"{self.provider} asked once more, and `answers` has {self.count}"
        what = "a look-up" if self.looking else "a delivery"
        return f"{self.provider} asked for {what} when the next of its `answers` was `{self.left[0]}`"


class Scripted:
    """A provider whose deliveries are answered by a script."""

    def __init__(self, script: Script, inner: Provider[Any]) -> None:
        self.script = script
        self.inner = inner

    async def deliver(self, delivery: Delivery[Any], /) -> Receipt:
        answer = self.script.next()
        if answer is not None and answer.over_http:
            return await self.inner.deliver(delivery)
        return _said(self.script.take(), delivery)


class LookingScripted(Scripted):
    """One that can look up, too. A look-up that the script says nothing of finds nothing: the delivery did not happen."""

    def __init__(self, script: Script, inner: Provider[Any], reconciles: Reconciles[Any]) -> None:
        super().__init__(script, inner)
        self.reconciles = reconciles
        self.settle = reconciles.settle

    async def find(self, delivery: Delivery[Any], /) -> Receipt | None:
        self.script.looking = True
        try:
            return await self._find(delivery)
        finally:
            self.script.looking = False

    async def _find(self, delivery: Delivery[Any]) -> Receipt | None:
        answer = self.script.next()
        if answer is None:
            self.script.told.append(f"look-up {ABSENT}")
            return None
        if answer.over_http:
            return await self.reconciles.find(delivery)
        self.script.take()
        return None if answer.word == ABSENT else _said(answer, delivery)


def scripted(script: Script, provider: Provider[Any]) -> Scripted:
    """The provider, answered by the script."""
    return LookingScripted(script, provider, provider) if isinstance(provider, Reconciles) else Scripted(script, provider)


def _said(answer: Answer | None, delivery: Delivery[Any]) -> Receipt:
    """What a word means. Raises as a provider does."""
    if answer is None:
        raise Permanent("The test has no answer for this.")
    if answer.word in _ERRORS:
        raise _ERRORS[answer.word](answer.sentence or _SO)
    return Receipt(id=delivery.id)
