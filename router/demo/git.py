"""Repositories of a knot as git keeps them: files of a commit, and clones by the smart protocol over HTTP."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = "git-upload-pack"
#: Neither the user's configuration nor the system's changes what a demo does.
_ENVIRON = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository in a folder."""

    path: Path

    async def files(self, ref: str) -> dict[str, str] | None:
        """What `.tangled` has at a commit or a tag, by path; None where there is no such commit."""
        status, listed = await git("-C", str(self.path), "ls-tree", "-r", "-z", "--name-only", ref, "--", ".tangled")
        if status:
            return None
        paths = [path for path in listed.decode().split("\0") if path]
        return {path: (await git("-C", str(self.path), "show", f"{ref}:{path}"))[1].decode() for path in paths}

    async def refs(self, request: web.Request) -> web.Response:
        """What is there, before a clone."""
        if request.query.get("service") != _SERVICE:
            raise web.HTTPForbidden
        _, told = await git("upload-pack", "--stateless-rpc", "--advertise-refs", str(self.path))
        body = b"001e# service=" + _SERVICE.encode() + b"\n0000" + told
        return web.Response(body=body, content_type=f"application/x-{_SERVICE}-advertisement")

    async def pack(self, request: web.Request) -> web.Response:
        """What a clone wants."""
        if request.headers.get("Content-Encoding"):
            raise web.HTTPUnsupportedMediaType
        _, told = await git("upload-pack", "--stateless-rpc", str(self.path), stdin=await request.read())
        return web.Response(body=told, content_type=f"application/x-{_SERVICE}-result")


async def git(*args: str, stdin: bytes = b"") -> tuple[int, bytes]:
    """The exit status, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **_ENVIRON},
    )
    out, _ = await process.communicate(stdin)
    return process.returncode or 0, out
