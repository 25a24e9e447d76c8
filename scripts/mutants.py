"""Bugs, put in by hand: whether the tests that should notice one do.

tests/mutants/*.patch are small bugs, each a patch whose first lines say what it breaks and which tests notice. Each is put into
a copy of the tree, alone, and its tests have to fail there: a bug that they let pass is one that we could make, too.

python -m scripts.mutants                 tries them all and prints the scorecard (`make mutants`)
python -m scripts.mutants NAME…           tries some
python -m scripts.mutants --write         only writes docs/mutants.md anew (`make reference`)
python -m scripts.mutants --refit         mends patches whose surroundings have moved or changed a little; look at what it did
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "mutants"
PAGE = ROOT / "docs" / "mutants.md"
#: What a copy needs: everything but what is made.
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "dist", "build", "*.db*")
#: Seconds for the tests of one mutant.
PATIENCE = 300
#: pytest's exit code for tests that failed. Any other but 0 says that they did not run.
FAILED = 1
_HEAD = """\
<!-- Made by `make reference` of tests/mutants/*.patch; `make mutants` tries them. -->

# Mutants

Each of these bugs was put into the code by hand, alone, and the tests named beside it failed. They are tried again by
`make mutants`, and in CI: a mutant that survives, or no longer fits the code, is an error.

| mutant | what it breaks | tests that notice |
|---|---|---|
"""


@dataclass(frozen=True)
class Mutant:
    """A patch with its header: `Breaks:` a sentence, `Noticed by:` tests as pytest names them, one on each line."""

    name: str
    breaks: str
    tests: tuple[str, ...]
    patch: Path

    def row(self) -> str:
        named = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in self.tests)
        return f"| {self.name} | {self.breaks} | {named} |\n"


def mutants() -> list[Mutant]:
    """All of them, by name. Raises ValueError for a header that says too little."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Mutant:
    header = path.read_text(encoding="utf-8").partition("\n--- ")[0].splitlines()
    said: dict[str, list[str]] = {"Breaks": [], "Noticed by": []}
    for line in header:
        key, colon, value = line.partition(":")
        if not colon or key not in said or not value.strip():
            raise ValueError(f"{path.name}: a header has lines `Breaks: …` and `Noticed by: …`, and not {line!r}.")
        said[key].append(value.strip())
    if not all(said.values()):
        raise ValueError(f"{path.name}: the header does not say what it breaks, and who notices.")
    return Mutant(path.stem, " ".join(said["Breaks"]), tuple(said["Noticed by"]), path)


def page() -> str:
    return _HEAD + "".join(mutant.row() for mutant in mutants())


def fits(mutant: Mutant, tree: Path = ROOT) -> str:
    """Why the patch cannot be put in; empty where it can."""
    return _git("apply", "--check", str(mutant.patch), cwd=tree)


def refit(mutant: Mutant) -> str:
    """Put it into the code of today with some patience, and write it anew from that; the reason where it cannot be."""
    header, _, body = mutant.patch.read_text(encoding="utf-8").partition("\n--- ")
    files = [line.removeprefix("+++ b/").split("\t")[0] for line in body.splitlines() if line.startswith("+++ b/")]
    with TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Path(folder) / name for name in ("a", "b")]
        for tree in trees:
            for file in files:
                (tree / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, tree / file)
        command = ["patch", "-p1", "-F3", "-s", "--no-backup-if-mismatch", "-i", str(mutant.patch)]
        done = subprocess.run(command, cwd=trees[1], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.stdout.strip() or done.stderr.strip()
        new: list[str] = []
        for file in files:
            before, after = ((tree / file).read_text(encoding="utf-8").splitlines(keepends=True) for tree in trees)
            new += difflib.unified_diff(before, after, f"a/{file}", f"b/{file}", n=2)
    mutant.patch.write_text(f"{header}\n{''.join(new)}", encoding="utf-8")
    return ""


@dataclass(frozen=True)
class Result:
    mutant: Mutant
    verdict: str
    seconds: float
    #: The first test that failed, or what went wrong.
    why: str

    @property
    def killed(self) -> bool:
        return self.verdict == "killed"


def judge(mutant: Mutant, trees: SimpleQueue[Path]) -> Result:
    """Put it in, run its tests, take it out."""
    tree, start = trees.get(), time.monotonic()
    try:
        if wrong := _git("apply", str(mutant.patch), cwd=tree):
            return Result(mutant, "does not fit", 0.0, wrong)
        try:
            code, out = _tests(tree, mutant.tests)
        finally:
            _git("apply", "--reverse", str(mutant.patch), cwd=tree)
        verdict = {0: "SURVIVED", FAILED: "killed"}.get(code, "did not run")
        failed = [line.partition(" ")[2].partition(" - ")[0] for line in out.splitlines() if line.startswith("FAILED ")]
        return Result(mutant, verdict, time.monotonic() - start, failed[0] if failed and verdict == "killed" else out[-2000:])
    finally:
        trees.put(tree)


def _tests(tree: Path, tests: tuple[str, ...], *, keep_bytecode: bool = False) -> tuple[int, str]:
    """Byte code of the whole code is kept for those that come after it; of a bug none is, so that it goes with its patch."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", *tests]
    # The program that tests start is installed from the real tree; this one goes before it.
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "" if keep_bytecode else "1"}
    environ["FAULTS_KILLS"] = "60"
    try:
        done = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return FAILED, f"FAILED {tests[0]} (no end within {PATIENCE} s)"
    return done.returncode, done.stdout + done.stderr


def _git(*arguments: str, cwd: Path) -> str:
    """What git complains about; empty where all went well. A copy is no repository, and is not to be taken for part of one."""
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(cwd.parent)}
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or "git failed"


def campaign(chosen: list[Mutant], lanes: int) -> list[Result]:
    """Each in its turn, `lanes` at a time, after their tests passed without any. Raises SystemExit where they did not."""
    trees: SimpleQueue[Path] = SimpleQueue()
    with TemporaryDirectory(prefix="mutants-") as folder:
        first = Path(folder) / "0"
        shutil.copytree(ROOT, first, ignore=_LEFT_OUT, symlinks=True)
        trees.put(first)
        tests = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
        code, out = _tests(first, tests, keep_bytecode=True)
        if code != 0:
            raise SystemExit(f"Without any mutant these tests have to pass:\n{out}")
        for lane in range(1, lanes):
            tree = Path(folder) / str(lane)
            shutil.copytree(first, tree, symlinks=True)
            trees.put(tree)
        results: list[Result] = []
        with ThreadPoolExecutor(lanes) as pool:
            for done in as_completed([pool.submit(judge, mutant, trees) for mutant in chosen]):
                result = done.result()
                print(f"{result.verdict:12} {result.seconds:5.1f} s  {result.mutant.name}: {result.why}", flush=True)
                results.append(result)
    return results


def main(arguments: list[str]) -> int:
    """Exit code 1 where one survived, does not fit, or there are too few tests to say."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
        return 0
    if arguments == ["--refit"]:
        return _refit()
    everyone = mutants()
    if unknown := set(arguments) - {mutant.name for mutant in everyone}:
        raise SystemExit(f"There is no mutant {', '.join(sorted(unknown))}; there are {', '.join(m.name for m in everyone)}.")
    chosen = [mutant for mutant in everyone if not arguments or mutant.name in arguments]
    results = campaign(chosen, lanes=min(len(chosen), os.cpu_count() or 1))
    killed = sum(result.killed for result in results)
    print(f"{killed} of {len(results)} mutants killed")
    return 0 if killed == len(results) else 1


def _refit() -> int:
    failed = 0
    for mutant in mutants():
        if fits(mutant):
            why = refit(mutant)
            failed += bool(why)
            print(f"{mutant.name}: {why or 'fits again'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
