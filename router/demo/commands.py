"""What a test may tell a network in another process: one JSON object a line, answered by one JSON object a line."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from router.demo.wire import compact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.core.model import Tree
    from router.demo.network import Network
    from router.demo.server import Server

Command = dict[str, "Tree"]


class Commands:
    """Answers commands: {"ok": true, ...}, or {"ok": false, "error": SENTENCE} for one that cannot be done.

    | do | with | answers |
    |---|---|---|
    | emit | on, frame | key: a text in the event's id |
    | raw | on, and text (of a knot also created) or base64 (a binary frame) | |
    | builds | | builds, as GET would show them |
    | requests | on | requests, in order |
    | received | | webhooks whose signature was right |
    | ci | faults by name, `fail_next` for `answers` | |
    | fails | commit: its build will fail | |
    | advance | | builds, each one state on |
    | cut, down, up | on | |
    | listeners | on | listeners: how many are connected |
    | attended | | answers when both knots and the Jetstream are listened to |
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._known: dict[str, Callable[[Command], Awaitable[Command]]] = {
            "emit": self._emit,
            "raw": self._raw,
            "builds": self._builds,
            "requests": self._requests,
            "received": self._received,
            "ci": self._ci,
            "fails": self._fails,
            "advance": self._advance,
            "cut": self._cut,
            "down": self._down,
            "up": self._up,
            "listeners": self._listeners,
            "attended": self._attended,
        }

    async def answer(self, text: str) -> str:
        """The line that answers a line."""
        try:
            done = await self._do(json.loads(text))
        except KeyError as missing:
            return compact({"ok": False, "error": f"The command lacks {missing}."})
        except (ValueError, OSError) as error:
            return compact({"ok": False, "error": str(error)})
        return compact({"ok": True} | done)

    async def _do(self, command: Tree) -> Command:
        if not isinstance(command, dict) or command.get("do") not in list(self._known):
            raise ValueError(f"A command is a JSON object whose `do` is one of {', '.join(self._known)}.")
        return await self._known[command["do"]](command)

    def _server(self, command: Command) -> Server:
        server = self.network.servers.get(command["on"])
        if server is None:
            raise ValueError(f"There is no server {command['on']!a}; there are {', '.join(self.network.servers)}.")
        return server

    async def _emit(self, command: Command) -> Command:
        return {"key": self.network.say(command["on"], command["frame"])}

    async def _raw(self, command: Command) -> Command:
        if "base64" not in command:
            self.network.say(command["on"], raw=str(command["text"]), created=int(command.get("created", 0)))
            return {}
        try:
            self.network.say(command["on"], raw=base64.b64decode(command["base64"], validate=True))
        except (binascii.Error, TypeError):
            raise ValueError("base64 is not base64.") from None
        return {}

    async def _builds(self, _: Command) -> Command:
        return {"builds": [build.shape(self.network.ci.url) for build in self.network.ci.builds]}

    async def _requests(self, command: Command) -> Command:
        return {"requests": [asdict(seen) for seen in self._server(command).requests]}

    async def _received(self, _: Command) -> Command:
        return {"received": [asdict(received) for received in self.network.sink.received]}

    async def _ci(self, command: Command) -> Command:
        changes = {("answers" if name == "fail_next" else name): value for name, value in command.items() if name != "do"}
        await self.network.ci.disturb(**changes)
        return {}

    async def _fails(self, command: Command) -> Command:
        self.network.ci.failing.add(str(command["commit"]))
        return {}

    async def _advance(self, command: Command) -> Command:
        self.network.ci.advance()
        return await self._builds(command)

    async def _cut(self, command: Command) -> Command:
        self._server(command).cut()
        return {}

    async def _down(self, command: Command) -> Command:
        await self._server(command).down()
        return {}

    async def _up(self, command: Command) -> Command:
        await self._server(command).up()
        return {}

    async def _listeners(self, command: Command) -> Command:
        log = getattr(self._server(command), "log", None)
        return {"listeners": log.listeners if log is not None else 0}

    async def _attended(self, _: Command) -> Command:
        await self.network.attended()
        return {}
