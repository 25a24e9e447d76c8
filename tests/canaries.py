"""Values that tests give to secrets, and that must never be seen again: each is looked for in everything that was written.

`tests/conftest.py` looks through all temporary folders when the tests are over, `tests/e2e/test_canaries.py` through all that
one router wrote and answered.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HERE = Path(__file__)

#: No two are alike in any part, and no other text of a test has such a part.
TOKEN = "bkua-Canary7Token/Kx9wQz4Rt2"
WEBHOOK = "whsec_" + base64.b64encode(b"canary-Webhook+Vb8nMq1Lp5Ys").decode()
REPO = "canary-Repo?Secret&Jd6fHg3Sk0"
HEARD = "canary-Heard Webhook=Pz7cXv2Bn4"
SOURCEHUT = "canary-Sourcehut+Token/Wd3tYf9Gs6=="
VARIABLE = "canary-Variable%Lm5kRw8Tq1Ue"
KEY = base64.b64encode(b"canary-Key-Of-The-Vault-Gh4jNb6!").decode()
ALL = {
    "token": TOKEN,
    "webhook": WEBHOOK,
    "repo": REPO,
    "heard": HEARD,
    "sourcehut": SOURCEHUT,
    "variable": VARIABLE,
    "key": KEY,
}
#: Variables of the environment of whoever runs the tests: nothing has a reason to write them anywhere.
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": VARIABLE}


def forms(value: str) -> Iterator[bytes]:
    """How a value may be written: as it is, in JSON, in URLs, in hex, and in base64 wherever it begins."""
    raw = value.encode()
    yield raw
    yield value.replace("/", "\\/").encode()
    yield quote(value, safe="").encode()
    yield quote(value).encode()
    yield raw.hex().encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(b"\0" * before + raw)
            # The ends depend on what stands beside it.
            yield coded[4 if before else 0 : len(coded) - 4]
    if value.startswith("whsec_"):
        yield base64.b64decode(value.removeprefix("whsec_"))
    if value == KEY:
        yield base64.b64decode(value)


def seen(text: bytes) -> list[str]:
    """The names of the secrets that stand there."""
    return [name for name, value in ALL.items() if any(form in text for form in forms(value))]


def seen_in(folders: Iterable[Path]) -> list[str]:
    """`file: name` for each secret in a file below these folders, unless it is a copy of this. Files are read in pieces that
    overlap."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not _is_this(path):
                found += [f"{path}: {name}" for name in sorted(_names(path))]
    return found


def _is_this(path: Path) -> bool:
    """A checkout may be copied, as when the package is built."""
    return path.name == _HERE.name and path.read_bytes() == _HERE.read_bytes()


def _names(path: Path) -> set[str]:
    names, before = set[str](), b""
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                names.update(seen(before + piece))
                before = piece[-256:]
    except OSError:
        return names
    return names
