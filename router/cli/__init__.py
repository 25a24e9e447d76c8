"""The command line. Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 it went wrong while running, 65 the store is
corrupt (EX_DATAERR of sysexits), 74 the disk failed under it (EX_IOERR), 130 interrupted.

Everything is imported by the verb that needs it, so that `router validate` in an editor's save hook is quick.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.errors import RouterError

FINE, FINDINGS, USAGE, RUNTIME, CORRUPT, DISK, INTERRUPTED = 0, 1, 2, 3, 65, 74, 130


def main(args: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code. An operator's mistake is a sentence on stderr, never a traceback."""
    _no_plugins()
    given = list(sys.argv[1:] if args is None else args)
    if _wants_rich_help(given):
        from rich_click.patch import patch  # noqa: PLC0415 - rich costs more than most verbs, and only help is drawn with it

        patch()
    import click  # noqa: PLC0415 - after the patch

    from router.cli.group import root  # noqa: PLC0415 - as above
    from router.core.errors import RouterError  # noqa: PLC0415 - as above

    try:
        code = root.main(given, prog_name="router", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has seen enough (`router events list | head`); the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except RouterError as error:
        return _tell(error)
    except OSError as error:
        click.echo(f"router: {error.filename or 'the system'}: {error.strerror or error}.", err=True)
        return RUNTIME
    return code if isinstance(code, int) else FINE


def _no_plugins() -> None:
    """pydantic would look through everything that is installed, and what it found would see our settings.

    What looks is not even imported: it weighs more than a megabyte."""
    if os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__") == "__all__":
        looks: Any = type(sys)("pydantic.plugin._loader")
        looks.get_plugins = tuple
        sys.modules.setdefault(looks.__name__, looks)


def _tell(error: RouterError) -> int:
    from router.cli import findings, show  # noqa: PLC0415 - only for errors
    from router.core.errors import BadInput, StoreBroken, StoreCorrupt  # noqa: PLC0415 - as above

    if isinstance(error, BadInput):
        findings.problems(error.problems, err=True)
        show.line(f"router: {error}", err=True)
        return USAGE
    show.line(f"router: {error}", err=True)
    if isinstance(error, StoreCorrupt):
        return CORRUPT
    return DISK if isinstance(error, StoreBroken) else RUNTIME


def _wants_rich_help(args: Sequence[str]) -> bool:
    asks = not args or not {"--help", "-h"}.isdisjoint(args) or args[-1] in ("deliveries", "events", "rules")
    return asks and sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
