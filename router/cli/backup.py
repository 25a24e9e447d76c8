"""`router backup` and `router restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from router.cli import FINE, show
from router.cli.opening import config_option
from router.core.errors import BadInput, StoreError


@click.command
@config_option
@click.argument("file", required=False, type=click.Path(path_type=Path))
def backup(config_file: Path | None, file: Path | None) -> int:
    """Copy the store to FILE, whether or not a router runs on it, and check the copy.

    Without FILE, it is router-TIME.db here. A file that is there already is left alone. The copy holds events, deliveries and
    sealed secrets, and none of the keys and tokens that are configured.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.cli.progress import progress  # noqa: PLC0415 - as above
    from router.engine.store.backup import STEP, back_up  # noqa: PLC0415 - as above
    from router.host import SystemClock  # noqa: PLC0415 - as above

    store = config.load(config_file, with_plugins=True).store_path
    if not store.exists():
        raise StoreError(f"There is no store at {store}: `router run` makes it.")
    target = file or Path(f"router-{_stamp()}.db")
    try:
        with progress(max(1, store.stat().st_size // STEP), "MiB copied") as step:
            size = back_up(store, target, SystemClock().now(), step)
    except FileExistsError:
        raise BadInput(f"There is a file {target} already: a backup replaces nothing. Name another.") from None
    show.line(f"{target}: {size:,} bytes, whole. `router restore {target}` puts it back.")
    return FINE


@click.command
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def restore(config_file: Path | None, file: Path) -> int:
    """Put FILE, a backup or another whole copy of a store, in the place of the store. No router may run on it.

    The store that was there goes aside, and is not deleted. What may have been done since the copy was made is looked up before
    it is done again, and sources are heard from where they were then.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.engine.store import backup as copies  # noqa: PLC0415 - as above
    from router.host import SystemClock  # noqa: PLC0415 - as above

    store = config.load(config_file, with_plugins=True).store_path
    if not file.is_file():
        raise BadInput(f"There is no file {file} to restore.")
    done = copies.restore(file, store, SystemClock().now(), _stamp())
    made = f" of {datetime.fromtimestamp(done.copied / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}" if done.copied is not None else ""
    show.line(f"{store} is the copy{made} now. Deliveries that wait in it, and will be looked up first: {done.waiting}.")
    if done.before is not None:
        show.line(f"The store that was there is {done.before}.")
    show.line("`router run` goes on with it.")
    return FINE


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
