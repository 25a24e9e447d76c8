"""What is installed, beside what importlib.metadata says of it."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from router import installed

if TYPE_CHECKING:
    from pathlib import Path


def brought(folder: Path, name: str, version: str, entries: str) -> None:
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: not this\n")
    (about / "entry_points.txt").write_text(entries)


@pytest.mark.parametrize("group", ["router.providers", "router.sources", "console_scripts", "pytest11", "none"])
def test_entry_points_are_the_same(group: str) -> None:
    theirs = {(one.name, one.value, one.dist.name, one.dist.version) for one in metadata.entry_points(group=group) if one.dist}
    assert {(one.name, one.value, *one.distribution[:2]) for one in installed.entries(group)} == theirs


def test_versions_are_the_same() -> None:
    for name in ("tangled-router", "Tangled_Router", "aiohttp", "PyYAML"):
        assert installed.version(name) == metadata.version(name)
    assert installed.version("surely-not-installed") is None


def test_what_stands_earlier_on_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what has no name, or a folder that is not there, is nothing."""
    brought(tmp_path / "first", "pager-for-router", "2.0", "; a comment\n[router.providers]\npager = json:dumps [more]\n")
    brought(tmp_path / "second", "Pager.for.Router", "1.0", "[router.providers]\npager = json:loads\n")
    (tmp_path / "first" / "broken-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / one) for one in ("missing", "first", "second")])
    (entry,) = installed.entries("router.providers")
    assert (entry.name, str(entry.distribution)) == ("pager", "pager-for-router 2.0")
    assert entry.load()([1]) == "[1]"
    assert installed.version("pager-for-router") == "2.0"


def test_a_distribution_in_an_archive_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought(tmp_path / "made", "pager", "1.0", "[router.providers]\npager = json\n")
    archive = tmp_path / "pager.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for one in (tmp_path / "made").rglob("*"):
            file.write(one, one.relative_to(tmp_path / "made"))
    monkeypatch.setattr(sys, "path", [str(archive)])
    (entry,) = installed.entries("router.providers")
    assert (str(entry.distribution), entry.load().__name__) == ("pager 1.0", "json")


def test_what_is_no_entry_point_cannot_be_loaded() -> None:
    with pytest.raises(ImportError, match="no entry point"):
        installed.Entry("x", "a b c", installed.Distribution("x", "1", "")).load()
