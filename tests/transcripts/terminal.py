"""A terminal of 80 columns in which the installed program runs, and the transcripts of what people see there.

A transcript begins with the example that it works on (`in: examples/first-build`); each line after `$ ` is typed into a shell,
and what follows is what the terminal then showed. Control characters are shown as their pictures, moments as one moment.

    python tests/transcripts/terminal.py        writes all transcripts anew; read the difference before you keep it
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
PLAIN, COLOURED = ".txt", ".colour.txt"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
#: A file of events is known by where it is and when it was written.
_REPLAY = re.compile(r"replay-[0-9a-f]{8}")
#: A time in a file's name, and a file's size.
_STAMP = re.compile(r"\b\d{8}T\d{6}Z\b")
_SIZE = re.compile(r"\b[\d,]+ bytes\b")
#: How long ago something was, in what `top` shows.
_AGO = re.compile(r"\b\d+s\b")
#: A bar, which a slow machine draws and takes away again.
_BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r?(\x1b\[1A)?\x1b\[2K", re.DOTALL)
_VERSION = re.compile(r"(tangled-router )\d+\.\d+\.\d+( \(Python \d+\.\d+\.\d+\))?")


def transcripts() -> list[str]:
    """The names of all transcripts."""
    return sorted(file.name.removesuffix(PLAIN) for file in FOLDER.glob("*.txt") if not file.name.endswith(COLOURED))


def played(name: str, folder: Path, *, coloured: bool) -> str:
    """The transcript as it is now, of the commands that it has. `folder` must not exist yet."""
    first, *lines = (FOLDER / f"{name}{PLAIN}").read_text(encoding="utf-8").splitlines()
    shutil.copytree(ROOT / first.removeprefix("in: "), folder)
    told = [first]
    for line in lines:
        if line.startswith("$ "):
            told += [line, *_typed(line.removeprefix("$ "), folder, coloured=coloured)]
    return "\n".join(told) + "\n"


def _typed(command: str, folder: Path, *, coloured: bool) -> list[str]:
    code, shown = _run(command, folder, coloured=coloured)
    text = _MOMENT.sub("2026-11-23T12:00:00Z", _BAR.sub("", shown.replace("\r\n", "\n")))
    text = _VERSION.sub(r"\g<1>0.1.0", text)
    text = _REPLAY.sub("replay-0123abcd", text)
    text = _SIZE.sub("196,608 bytes", _STAMP.sub("20261123T120000Z", text))
    if command.startswith("router top"):
        text = _AGO.sub(lambda found: "1s".rjust(len(found[0])), text)
    pictures = {number: chr(0x2400 + number) for number in range(32) if number != 10}
    return [*text.translate(pictures).splitlines(), *([f"[exit {code}]"] if code else [])]


def _run(command: str, folder: Path, *, coloured: bool) -> tuple[int, str]:
    """Run in a terminal of 80 columns; its exit code, and everything that it showed."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **({} if coloured else {"NO_COLOR": "1"}),
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(mine, 65536):
            shown += part
    except OSError:  # Linux says EIO when the other end is closed
        pass
    finally:
        os.close(mine)
    return process.wait(), shown.decode()


def main() -> None:
    """Write every transcript as it is now."""
    for name in transcripts():
        for ending in (PLAIN, COLOURED):
            with tempfile.TemporaryDirectory() as folder:
                text = played(name, Path(folder) / "here", coloured=ending == COLOURED)
            (FOLDER / f"{name}{ending}").write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
