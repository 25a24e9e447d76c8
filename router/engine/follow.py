"""The way back: ask the other side how what was delivered goes on, and put the news into the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import RouterError
from router.core.model import Entry

if TYPE_CHECKING:
    from router.core.model import Report
    from router.engine.bell import Bell
    from router.engine.dispatch import Guest
    from router.engine.store.base import OpenReceipt, Store
    from router.host import Host
    from router.observe import Observer
    from router.provider import Follows


#: Deliveries that are asked about in one look. Looks go through all that are open, so those that never end hide no others.
PAGE = 200


class Follow:
    """Polls for one provider, and only while something of it is under way."""

    def __init__(
        self, guest: Guest, provider: Follows, store: Store, bell: Bell, observer: Observer, host: Host, every: float
    ) -> None:
        self.guest = guest
        self.provider = provider
        self.store = store
        self.bell = bell
        self.observer = observer
        self.host = host
        self.every = every
        self._after = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            rung = self.bell.count
            if await self.look():
                await self.host.clock.sleep(self.every)
            elif self.bell.count == rung:
                await self.bell.wait(rung)

    async def look(self) -> bool:
        """Once; whether anything is under way."""
        opened = await self._page()
        if not opened:
            return False
        workflows = {one.delivery: one.workflow for one in opened}
        try:
            reports = await self.provider.poll([(one.delivery, one.receipt) for one in opened])
        except (TimeoutError, RouterError, OSError) as error:
            self.observer.fault(f"provider {self.guest.name}", f"Its builds cannot be asked about now: {error}", None)
            return True
        except Exception as error:  # noqa: BLE001 - a provider's bug ends neither this loop nor the router
            self.observer.fault(f"provider {self.guest.name}", "A bug, met while asking about its builds.", error)
            return True
        entries = [_entry(report, workflows[report.delivery]) for report in reports if report.delivery in workflows]
        news = await self.store.tell(entries, self.host.clock.now())
        for entry in news:
            self.observer.reported(entry)
        if news:
            self.bell.ring()
        return True

    async def _page(self) -> list[OpenReceipt]:
        """The next few of those that are open, from the beginning again after the last. In any order: a provider that may not
        ask about all of them leaves out others the next time."""
        opened = list(await self.store.open_receipts(self.guest.name, self._after, PAGE))
        if not opened and self._after:
            opened = list(await self.store.open_receipts(self.guest.name, 0, PAGE))
        self._after = opened[-1].number if len(opened) == PAGE else 0
        self.host.rng.shuffle(opened)
        return opened


def _entry(report: Report, workflow: str) -> Entry:
    return Entry(
        delivery=report.delivery,
        workflow=workflow,
        status=report.status,
        at=report.at,
        error=report.error,
        exit_code=report.exit_code,
        url=report.url,
    )
