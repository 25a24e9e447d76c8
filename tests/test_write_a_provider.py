"""The provider of docs/how-to/write-a-provider.md keeps the contract, by the test that the page shows."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from tests import blocks
from tests.blocks import ROOT

if TYPE_CHECKING:
    import pytest

PAGE = ROOT / "docs" / "how-to" / "write-a-provider.md"


async def test_the_page_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who copies both files has a provider and a test that passes."""
    provider, test = [block.text for block in blocks.of_page(PAGE) if block.kind == "python"]
    module: Any = types.ModuleType("chat_provider")
    monkeypatch.setitem(sys.modules, "chat_provider", module)
    exec(compile(provider, "chat_provider.py", "exec"), module.__dict__)
    given: dict[str, Any] = {"__name__": "test_chat_provider"}
    exec(compile(test, "test_chat_provider.py", "exec"), given)
    await given["test_it_keeps_the_contract"](monkeypatch)
