"""What a provider says of its options beside their types: what must not be left to an event, and what is at risk."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Verbatim(Struct, frozen=True, tag=True):
    """Marks a field of Options that must be written out in the rule: `script: Annotated[str, Verbatim("why")]`."""

    why: str


class Bounded(Struct, frozen=True, tag=True):
    """Marks a field that names something which costs money or trust. A rule that takes it from an event must say `allow`."""

    what: str


class Command(Struct, frozen=True, tag=True):
    """Marks a list of a program and its arguments: an event must not choose the program, its code or its options."""


class Script(Struct, frozen=True, tag=True):
    """Marks text for /bin/sh, which gets variables from the option `env`: what an event says is quoted there, and not run."""

    env: str


class Plainly(Struct, frozen=True):
    """Says of a field with checks of its own which texts surely pass them: those that match `text` as a whole, and in a mapping
    with names that match `names`. It refuses nothing, and `validate` need not import the provider for them (see `sketch`)."""

    text: str
    names: str = ""


class Exposes(Enum):
    """What a provider puts at risk where strangers' events reach it. Its options say so, in a class variable `exposes`.

    `SECRETS`: it starts what has the operator's secrets, as a CI does. `MACHINE`: it runs beside the router, with its rights.
    """

    NOTHING = "nothing"
    SECRETS = "secrets"
    MACHINE = "machine"
