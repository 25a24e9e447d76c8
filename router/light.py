"""Libraries, imported without what we do not use of them. What is measured is `python -m bench idle`."""

from __future__ import annotations

import ssl
import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Whatever is imported within does not find these modules, unless they are there already."""
    hidden = {name: None for name in names if name not in sys.modules}
    modules: dict[str, Any] = sys.modules
    modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


@contextmanager
def later(module: str, *functions: str) -> Iterator[None]:
    """Whatever is imported within finds functions in the module's place, and the first call of one imports it."""
    found: dict[str, Any] = sys.modules
    if module in found:
        yield
        return
    found[module] = stands = ModuleType(module)
    for function in functions:
        setattr(stands, function, _put_off(module, function))
    try:
        yield
    finally:
        del found[module]


def _put_off(module: str, function: str) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        return getattr(import_module(module), function)(*given, **named)

    return called


class _Trusting(ssl.SSLContext):
    """A context that loads whom it trusts as it is used for the first time, and is any other context from then on."""

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        return _trusted(self).wrap_bio(*given, **named)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        return _trusted(self).wrap_socket(*given, **named)


def _trusted(context: ssl.SSLContext) -> ssl.SSLContext:
    context.__class__ = ssl.SSLContext
    if context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs()
    return context


@contextmanager
def trusting_later() -> Iterator[None]:
    """Contexts that are made within load the system's authorities when the first connection needs them.

    aiohttp makes two as it is imported, and each reads all of the hundred and fifty: also the one that verifies nobody.
    """

    def put_off(context: ssl.SSLContext, *_: object) -> None:
        context.__class__ = _Trusting

    made: Any = ssl.SSLContext
    load = made.load_default_certs
    made.load_default_certs = made.set_default_verify_paths = put_off
    try:
        yield
    finally:
        made.load_default_certs = load
        # It is inherited.
        del made.set_default_verify_paths
