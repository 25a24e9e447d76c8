"""`status`, `reload`, `pause` and `resume`, where no router runs; beside one that does, see tests/e2e/test_operating.py."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from router.engine.store.sqlite import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]


@pytest.fixture(autouse=True)
def _project(call: Call, folder: Path) -> None:
    """A project with a store."""
    assert call("init", ".").code == 0

    async def make() -> None:
        await (await open_store(folder / "router.db")).close()

    asyncio.run(make())


@pytest.mark.parametrize("verb", ["status", "reload"])
def test_without_a_router_there_is_nobody_to_ask(call: Call, verb: str) -> None:
    """The exit code says so, and a program gets JSON all the same."""
    assert call(verb) == (3, "", "No router runs on this store. (router.db)\n")
    if verb == "status":
        assert call(verb, "--alive").code == 3
    told = call(verb, "--output", "json")
    assert (told.code, json.loads(told.out)) == (3, {"running": False})


def test_a_source_is_paused_in_the_store(call: Call) -> None:
    """The next router finds it there, and lists show it."""
    assert call("sources", "pause", "knot") == (0, "knot is paused\n", "")
    assert call("sources", "pause", "knot") == (0, "knot was paused\n", "")
    (row,) = json.loads(call("sources", "--output", "json").out)
    assert (row["name"], row["state"], row["paused"] is not None) == ("knot", "unknown", True)
    assert call("sources", "list").out.splitlines()[1].split()[:2] == ["knot", "knot"]
    assert "paused" in call("sources", "list").out
    assert json.loads(call("sources", "resume", "knot", "--output", "json").out) == {"changed": ["knot"]}
    assert "paused" not in call("sources").out


def test_a_source_that_is_misspelt_is_not_paused(call: Call) -> None:
    """A pause of nothing would be believed."""
    code, _, err = call("sources", "pause", "knott")
    assert (code, err) == (2, "router: There is no source `knott`. Did you mean `knot`?\n")


def test_a_rule_is_paused_in_the_store(call: Call) -> None:
    """By its id, as `router rules hits` lists it."""
    (row, *_) = json.loads(call("rules", "hits", "--output", "json").out)
    assert (row["hits"], row["last"], row["paused"]) == (0, None, None)
    rule = row["id"]
    assert call("rules", "pause", rule) == (0, f"{rule} is paused\n", "")
    assert f"{rule}" in call("rules", "hits").out
    assert call("rules", "hits").out.splitlines()[1].split() == [rule, "live", "0", "never", "paused"]
    assert call("rules", "resume", rule) == (0, f"{rule} is resumed\n", "")
    assert call("rules", "resume", rule) == (0, f"{rule} was resumed\n", "")
    assert call("rules", "pause", "nothing").code == 2


def test_there_is_nothing_to_pause_without_a_store(call: Call, folder: Path) -> None:
    """Pausing makes no store."""
    (folder / "router.yaml").write_text("store: {path: other.db}\nsources: {a: {knot: {host: knot.example}}}\n")
    assert call("sources", "pause", "a") == (3, "", "router: There is no store at other.db: `router run` makes it.\n")
    assert not (folder / "other.db").exists()
