"""`python -m router.demo --print-addresses`: the network as a process of its own, for tests that kill the router beside it.

Prints one JSON line, {"jetstream": URL, "knot-a": URL, ..., "environment": {NAME: SECRET}}, then answers commands (see
`router.demo.commands`) from stdin, a line each, and exits at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from router.demo.commands import Commands
from router.demo.network import Network
from router.demo.wire import compact

#: The longest command in bytes: an oversized frame that a test sends has to fit.
LONGEST_COMMAND = 64_000_000


async def serve(pace: tuple[float, float] | None) -> None:
    """Run until stdin ends."""
    async with Network(pace=pace) as network:
        say(compact(network.addresses | {"environment": network.environment}))
        commands = Commands(network)
        lines = asyncio.StreamReader(limit=LONGEST_COMMAND)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        with contextlib.closing(transport):
            while line := await lines.readline():
                say(await commands.answer(line.decode("utf-8", "replace")))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 at the end of stdin or after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m router.demo", description=__doc__)
    parser.add_argument("--print-addresses", action="store_true", required=True, help="print where everybody listens")
    parser.add_argument("--pace", type=float, nargs=2, metavar=("SCHEDULED", "RUNNING"), help="seconds of a build's states")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(tuple(given.pace) if given.pace else None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
