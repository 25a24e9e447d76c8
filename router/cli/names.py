"""Names that a shell may complete: of rules, sources, deliveries and events, as the configuration and the store here have
them, of rulesets that ship with the router, and of files.

A completion that fails is silence: a half-written file must not print errors into somebody's prompt.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import click
    from click.shell_completion import CompletionItem

    from router.engine.store.base import EventRow

#: Deliveries among which an id is completed, and events among which a number is.
RECENT, NUMBERED = 500, 50


def rules(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Ids of rules."""
    with suppress(RouterError, OSError):
        from router import config  # noqa: PLC0415 - only when something is completed
        from router.cli.opening import rulebook  # noqa: PLC0415 - as above

        book = rulebook(config.load(_file(context), with_plugins=False).rules)
        return _beginning(begun, (rule.id for rule in book.rules))
    return []


def sources(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of configured sources."""
    with suppress(RouterError, OSError):
        from router import config  # noqa: PLC0415 - only when something is completed

        return _beginning(begun, (source.name for source in config.load(_file(context)).sources))
    return []


def deliveries(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Ids of the newest deliveries."""
    with suppress(RouterError, OSError):
        from router import config  # noqa: PLC0415 - only when something is completed
        from router.cli.opening import from_store  # noqa: PLC0415 - as above

        settings = config.load(_file(context), with_plugins=False)
        rows = from_store(settings, lambda store: store.deliveries(limit=RECENT))
        return _beginning(begun, (row.id for row in rows))
    return []


def events(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Numbers of the newest events that a rule matched, with what they are."""
    with suppress(RouterError, OSError):
        from router import config  # noqa: PLC0415 - only when something is completed
        from router.cli.opening import from_store  # noqa: PLC0415 - as above

        settings = config.load(_file(context), with_plugins=False)
        return _numbered(begun, from_store(settings, lambda store: store.events(matched=True, limit=NUMBERED)))
    return []


def waiting(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Numbers of the events that wait for approval, with what they are."""
    with suppress(RouterError, OSError):
        from router import config  # noqa: PLC0415 - only when something is completed
        from router.cli.opening import from_store  # noqa: PLC0415 - as above
        from router.engine.approvals import MARK  # noqa: PLC0415 - as above

        settings = config.load(_file(context), with_plugins=False)
        return _numbered(begun, from_store(settings, lambda store: store.waiting(MARK, NUMBERED)))
    return []


def bundled(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Rulesets that ship with the router."""
    from router import library  # noqa: PLC0415 - only when something is completed

    return _beginning(begun, library.bundled())


def rulesets(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Files and folders, and the rulesets that ship with the router."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when something is completed

    from router import library  # noqa: PLC0415 - as above

    shipped = _beginning(begun, (library.BUNDLED + name for name in library.bundled()))
    return [CompletionItem(begun, type="file"), *map(CompletionItem, shipped)]


def paths(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Files and folders: the shell knows them."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when something is completed

    return [CompletionItem(begun, type="file")]


def _numbered(begun: str, rows: Iterable[EventRow]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when something is completed

    from router.cli.show import plain  # noqa: PLC0415 - as above

    told = ((str(row.number), f"{row.event.nsid} {row.event.fields.get('ref') or ''}".strip()) for row in rows)
    return [CompletionItem(number, help=plain(said)) for number, said in told if number.startswith(begun)]


def _file(context: click.Context) -> Path | None:
    file: Path | None = context.params.get("config_file")
    return file


def _beginning(begun: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(begun)]
