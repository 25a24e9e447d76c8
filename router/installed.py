"""What is installed, as its metadata says: entry points and versions.

`importlib.metadata` reads the same, and imports archives, temporary files and e-mail for it: one and a half megabytes, and a
tenth of what `router validate` takes to start. It is asked only where a distribution lies in an archive.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABOUT = (".dist-info", ".egg-info")
_VALUE = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]+))?\s*(?:\[.*\])?\s*")


class Distribution(NamedTuple):
    """One that is installed. `entries` is the text of its entry_points.txt."""

    name: str
    version: str
    entries: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Entry(NamedTuple):
    """An entry point, and who brought it."""

    name: str
    value: str
    distribution: Distribution

    def load(self) -> Any:
        """What it stands for. Raises whatever its module does."""
        found = _VALUE.fullmatch(self.value)
        if found is None:
            raise ImportError(f"`{self.value}` is no entry point")
        made: Any = import_module(found["module"])
        for attribute in (found["attribute"] or "").split(".") if found["attribute"] else ():
            made = getattr(made, attribute)
        return made


def entries(group: str) -> Iterator[Entry]:
    """The entry points of a group."""
    for distribution in _distributions():
        inside = ""
        for line in map(str.strip, distribution.entries.splitlines()):
            if line.startswith("["):
                inside = line.strip("[] ")
            elif inside == group and line and line[0] not in "#;":
                name, _, value = line.partition("=")
                yield Entry(name.strip(), value.strip(), distribution)


def version(name: str) -> str | None:
    """Of a distribution; None where it is not installed."""
    wanted = _normal(name)
    return next((one.version for one in _distributions() if _normal(one.name) == wanted), None)


def _distributions() -> Iterator[Distribution]:
    """Each once: what stands earlier on the path is what is imported."""
    seen: set[str] = set()
    for folder in sys.path:
        for found in _archived(folder) if os.path.isfile(folder) else _within(folder or "."):  # noqa: PTH113 - no pathlib here
            normal = _normal(found.name)
            if normal not in seen:
                seen.add(normal)
                yield found


def _within(folder: str) -> Iterator[Distribution]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_ABOUT))  # noqa: PTH208 - as above
    except OSError:
        return
    for name in names:
        about = os.path.join(folder, name)  # noqa: PTH118 - as above
        text = _read(about, "METADATA") or _read(about, "PKG-INFO")
        told = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if line[:6] in ("Name: ", "Versio"))
        if "Name" in told:
            yield Distribution(told["Name"].strip(), told.get("Version", "").strip(), _read(about, "entry_points.txt"))


def _archived(path: str) -> Iterator[Distribution]:
    from importlib import metadata  # noqa: PLC0415 - see above

    for one in metadata.distributions(path=[path]):
        yield Distribution(one.metadata["Name"], one.version, one.read_text("entry_points.txt") or "")


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:  # noqa: PTH118, PTH123 - as above
            return file.read()
    except OSError:
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
