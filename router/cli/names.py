"""Names that a shell may complete: of rules, sources and deliveries, as the configuration here has them.

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

#: Deliveries among which an id is completed.
RECENT = 500


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


def _file(context: click.Context) -> Path | None:
    file: Path | None = context.params.get("config_file")
    return file


def _beginning(begun: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(begun)]
