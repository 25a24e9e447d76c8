"""The wheel is what people install: it is built, put into an empty environment, and used there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("build")
    ignored = shutil.ignore_patterns(".git", ".venv", "dist", "build", "*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", cwd=folder / "source")
    (made,) = (folder / "dist").glob("*.whl")
    return made


def test_the_wheel_holds_what_it_must_and_nothing_else(wheel: Path) -> None:
    """Packages `router` and `providers`, bundled rules, the demo's files, types; no top-level package `rules`, no tests."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"router", "providers"}
    for needed in (
        "router/demo/script.jsonl",
        "router/pages/R001.md",
        "router/py.typed",
        "providers/webhook.py",
        "providers/webhook.sketch.json",
    ):
        assert needed in names
    page = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "router" / "web" / "page").rglob("*.*") if path.suffix != ".pyc"
    }
    assert page <= names
    bundled = {path.relative_to(ROOT / "rules").as_posix() for path in (ROOT / "rules").rglob("*") if path.is_file()}
    assert {name.removeprefix("router/bundled/") for name in names if name.startswith("router/bundled/")} == bundled
    assert any(name.startswith("router/engine/store/") and name.endswith(".sql") for name in names)


def test_the_installed_wheel_works_on_its_own(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment `router init` makes a configuration that validates and tests green, bundled rules included."""
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    router = tmp_path / "env" / "bin" / "router"
    assert "0.1.0" in run(router, "version", cwd=tmp_path)
    run(router, "init", "mine", cwd=tmp_path)
    mine = tmp_path / "mine"
    run(router, "validate", "rules", cwd=mine)
    run(router, "test", "rules", cwd=mine)
    run(router, "validate", "bundled:tangled", cwd=mine)
    run(router, "test", "bundled:tangled", cwd=mine)
    assert {"buildkite", "webhook", "shell", "log"} <= set(run(router, "providers", cwd=mine).split())
