"""Webhooks of CIs: what they tell of deliveries of ours is in the journal before they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import BadInput, RouterError
from router.core.model import Entry
from router.engine.crash import crash_point
from router.provider import Follows, Hears, Places, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.engine.bell import Bell
    from router.engine.dispatch import Guest
    from router.engine.store.base import Run, Store
    from router.host import Clock
    from router.observe import Observer
    from router.provider import News


class Webhooks:
    """One for all providers that are called."""

    def __init__(self, store: Store, guests: Mapping[str, Guest], bell: Bell, clock: Clock, observer: Observer) -> None:
        self.store = store
        self.guests = guests
        self.bell = bell
        self.clock = clock
        self.observer = observer

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """The status and the text of the answer. 2xx says that everything is stored."""
        guest = self.guests.get(name)
        if guest is None or not isinstance(guest.provider, Hears):
            return 503, f"There is no provider {name} here that hears webhooks.\n"
        try:
            told = await guest.provider.receive({key.lower(): value for key, value in headers.items()}, body)
        except Refused as error:
            self.observer.fault(f"webhook {name}", f"Refused: {error}", None)
            return 401, f"{error}\n"
        except BadInput as error:
            return 400, f"{error}\n"
        except RouterError as error:
            return 503, f"{error}\n"
        crash_point("after_webhook")
        for news in told:
            await self._tell(name, news, guest.provider)
        return 200, "ok\n"

    async def _again(self, run: Run, news: News, provider: object) -> str:
        """Whether what was over runs again, as when its failed jobs are retried. Webhooks come late and in any order, so the
        other side is asked: an old one that says `running` makes no new run."""
        if run.status is None or not run.status.final or news.report.status.final or not isinstance(provider, Follows):
            return ""
        try:
            reports = await provider.poll([(run.delivery, news.receipt)])
        except RouterError:
            return ""
        return f"again {news.receipt.id} {run.run}" if any(not one.status.final for one in reports) else ""

    async def _tell(self, name: str, news: News, provider: object) -> None:
        """What is said of a delivery that we made for this provider, at the place where we made it. Others' builds may bear the
        id of one: whoever may start builds may write meta-data."""
        run = await self.store.run_of(news.report.delivery)
        if run is None or run.provider != name:
            return
        if run.receipt is None or run.receipt.id != news.receipt.id:
            if run.receipt is not None and not news.rerun:
                return
            if isinstance(provider, Places) and not provider.is_of(run.options, news.receipt):
                return
        now = self.clock.now()
        rerun = news.rerun or await self._again(run, news, provider)
        if rerun:
            await self.store.rerun(run.delivery, news.receipt, rerun, now)
        report = news.report
        entry = Entry(
            delivery=report.delivery,
            workflow=run.workflow,
            status=report.status,
            at=report.at,
            error=report.error,
            exit_code=report.exit_code,
            url=report.url,
        )
        crash_point("before_told")
        for told in await self.store.tell([entry], now):
            self.observer.reported(told)
            self.bell.ring()
