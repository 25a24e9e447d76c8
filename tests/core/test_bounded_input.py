"""YAML, JSON, patterns and paths of strangers: each is read in little time, or refused with a sentence; the process lives."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from providers import sourcehut
from router.core import document, frame, globs, jsonpath, regex, scan, when, workflows
from router.core.errors import BadFrame, Permanent
from router.core.problems import Problems
from router.core.truth import Unevaluable

ROOT = Path(__file__).parent.parent.parent
SECONDS = 0.5
ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
YAML = {
    "deep lists": "[" * 32_000,
    "deep blocks": "- " * 16_000,
    "deep maps": "{a: " * 8_000,
    "aliases of aliases": ALIASES + "when: *a29\nrouter: {fake: *a29}\n",
    "merge keys": MERGES + "router: {fake: *a29}\n",
    "itself": "a: &a [*a]\nwhen: *a\nrouter: *a\n",
    "many values": "router: [" + "a," * 16_000 + "]",
    "many keys": "router: {fake: {}}\n" + "".join(f"k{n}: v\n" for n in range(3_000)),
    "many anchors": "".join(f"- &a{n} x\n" for n in range(2_500)) + "# router",
    "a long key": "router" + "a" * 32_000 + ": b",
    "a tag": "router: !!python/object/apply:os.system [touch canary]\n",
    "two documents": "router: {fake: {}}\n---\nrouter: {other: {}}\n",
    "the same key twice": "router: {fake: {}}\nrouter: {other: {}}\n",
    "zero byte": "router: \0\n",
    "half a character": "router: \ud800\n",
    "an endless quote": 'router: "' + "x" * 32_000,
    "globs": "when: [{event: push, paths: [" + ",".join(f"'{n}/**'" for n in range(4_000)) + "]}]\nrouter: {fake: {}}\n",
    "constraints": "when: [" + "{event: push}," * 1_300 + "]\nrouter: {fake: {}}\n",
}


def spent(began: float) -> float:
    return time.process_time() - began


@pytest.mark.threat("S-10")
@pytest.mark.parametrize("text", YAML.values(), ids=YAML.keys())
def test_workflow_files(text: str) -> None:
    """What it asks for, whether it runs, and as a rule file: never an exception, and no time."""
    began = time.process_time()
    asked = workflows.asked(text[: workflows.MAX_TEXT])
    occasion = when.Occasion(kind="push", branch="main", paths=[f"{n}/a" for n in range(5_000)])
    runs = when.compile_file("ci.yml", text[: when.MAX_TEXT], occasion)
    problems = Problems()
    document.read(text, "rules.yaml", problems)
    assert spent(began) < SECONDS
    for said in (str(asked.get("fault", "")), runs.fault, *map(str, problems.found)):
        assert said.isprintable()
    assert runs.fault or asked or problems.errors


@pytest.mark.threat("S-10")
def test_what_may_run_code_never_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag is a problem, and makes no object."""
    monkeypatch.chdir(tmp_path)
    assert "tag" in str(workflows.asked(YAML["a tag"])["fault"])
    when.compile_file("ci.yml", YAML["a tag"], when.Occasion(kind="push"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.threat("S-10")
@pytest.mark.parametrize("text", [YAML["merge keys"], YAML["deep lists"], YAML["aliases of aliases"], YAML["many values"]])
def test_manifests(text: str) -> None:
    """What a provider loads is scanned before."""
    began = time.process_time()
    with pytest.raises(Permanent):
        sourcehut._manifest(text, {"A": "b"})
    assert spent(began) < SECONDS


@pytest.mark.threat("S-10")
def test_the_process_lives() -> None:
    """In another one, because what this is about ends it with a signal: nesting that no reader of ours recurses into."""
    program = (
        "from router.core import document, scan, when, workflows\n"
        "from router.core.problems import Problems\n"
        "for text in ('[' * 300_000, '{a: ' * 300_000, '- ' * 300_000, '? ' * 300_000):\n"
        "    try:\n        print(bool(scan.trouble(text)))\n"
        "    except Exception as error:\n        print(type(error).__name__)\n"
        "    workflows.asked('router ' + text[:32_000]); document.read(text, 'x', Problems())\n"
        "    when.compile_file('x', text[:32_000], when.Occasion(kind='push'))\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=50, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["alive"]), done.stderr


@pytest.mark.threat("S-10")
def test_yaml_is_loaded_behind_a_scan() -> None:
    """Whoever calls a loader of PyYAML is listed here, and has asked `core.scan` before."""
    loading = re.compile(r"yaml\.(safe_load|load|compose|full_load|unsafe_load)(_all)?\(|CSafeLoader|CLoader")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("router", "providers")
        for path in (ROOT / folder).rglob("*.py")
        if loading.search(path.read_text(encoding="utf-8")) and "router/demo" not in str(path)
    }
    for name in found - {"router/core/document.py", "router/core/scan.py"}:
        assert re.search(r"scan\.trouble\(|yaml_trouble\(", (ROOT / name).read_text(encoding="utf-8")), name
    assert {"router/core/when.py", "router/core/document.py"} <= found | {"router/core/when.py"}


JSON = {
    "deep": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
    "not so deep": '{"a":' + "[" * 65 + "]" * 65 + "}",
    "not a number": '{"a":NaN}',
    "infinite": '{"a":-Infinity}',
    "too large for a float": '{"a":1e999}',
    "a long number": '{"a":' + "9" * 100_000 + "}",
    "half a character": '{"a":"\\ud800"}',
    "half a character as a key": '{"\\udfff":1}',
    "a list": "[]",
    "not UTF-8": b'{"a":"\xff"}',
    "empty": "",
    "cut": '{"a":',
    "a zero byte": "\0",
}


@pytest.mark.threat("S-11")
@pytest.mark.parametrize("text", JSON.values(), ids=JSON.keys())
def test_json(text: str | bytes) -> None:
    """Everything that a peer says in JSON is read by the same reader, which says no."""
    began = time.process_time()
    with pytest.raises(BadFrame) as caught:
        frame.tree(text)
    assert spent(began) < SECONDS
    assert str(caught.value).isprintable()


@pytest.mark.threat("S-12")
@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "(a{1,50}){1,10}b", "^(([a-z])+.)+[A-Z]([a-z])+$", "a*a*a*a*a*a*b"]
)
def test_patterns(pattern: str) -> None:
    """Those that others need the age of the world for, on 100,000 characters: in rules, and in paths."""
    text = "a" * 100_000 + "!"
    regex.compiled(pattern)
    jsonpath.finder(f"$.x[?(@.y =~ '{pattern}')]")
    began = time.process_time()
    regex.found(pattern, text)
    regex.whole(pattern)(text)
    jsonpath.finder(f"$.x[?(@.y =~ '{pattern}')]")({"x": [{"y": text}]})
    assert spent(began) < SECONDS


@pytest.mark.threat("S-12")
@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "(", "(?P<n>a)(?P=n)"])
def test_patterns_that_cannot_be_linear_are_no_patterns(pattern: str) -> None:
    """When they are loaded, and not when they first meet a text."""
    with pytest.raises(regex.RegexError):
        regex.compiled(pattern)
    # A path's own grammar takes backslashes for itself.
    with pytest.raises(jsonpath.PathError):
        jsonpath.finder("$.x[?(@.y =~ '(?=a)')]" if "\\" in pattern else f"$.x[?(@.y =~ '{pattern}')]")


@pytest.mark.threat("S-12")
@pytest.mark.parametrize("glob", ["*a" * 200 + "b", "**/" * 100 + "x", "{a,b}" * 50, "[!a]*" * 100])
def test_globs(glob: str) -> None:
    """A star in a star is no power."""
    began = time.process_time()
    with contextlib.suppress(globs.GlobError):
        globs.compiled(glob)("a/" * 20_000)
    assert spent(began) < SECONDS


#: Patterns of Python's own `re` that meet what strangers wrote, with texts to make them try again and again.
OWN = (
    *(
        "a",
        "0",
        "-",
        ".",
        "/",
        " ",
        "\n",
        "=",
        ":",
        "@",
        "did:",
        "https://",
        "{a",
        "$((",
        "<<",
        "refs/heads/",
        "a.b-",
        "key=",
        "\t",
    ),
    *('"', "(", "[", "~", "at://did:plc:a/", "token: ", "A" * 30, "é", "From ", "timestamp=1", "**", "x.y.", "1.5h", "\x1b["),
)


@pytest.mark.threat("S-12")
def test_our_own_patterns_are_linear() -> None:
    """Every pattern that a module compiles, on long repetitions of what such patterns are made of, with an end that fails."""
    slow = []
    for pattern, where in _own_patterns():
        compiled = re.compile(pattern, where[1])
        is_bytes = isinstance(pattern, bytes)
        for piece in OWN:
            text: Any = (piece * (30_000 // len(piece)))[:30_000] + "\0!"
            text = text.encode() if is_bytes else text
            began = time.process_time()
            compiled.fullmatch(text)
            compiled.match(text)
            if spent(began) > 0.2:
                slow.append((where[0], pattern, piece))
    assert slow == []


def _own_patterns() -> list[tuple[Any, tuple[str, int]]]:
    """Compiled patterns that are attributes of modules of ours."""
    import importlib  # noqa: PLC0415 - here alone
    import pkgutil  # noqa: PLC0415

    import providers  # noqa: PLC0415
    import router  # noqa: PLC0415

    found: dict[tuple[Any, int], str] = {}
    for package in (router, providers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".demo" in module.name or ".cli" in module.name or module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[value.pattern, value.flags & ~re.UNICODE] = f"{module.name}.{name}"
    return [(pattern, (where, flags)) for (pattern, flags), where in found.items()]


@pytest.mark.threat("S-13")
@pytest.mark.parametrize("path", ["$..a", "$..a..a", "$..a..a..a", "$..[?(@.a)]", "$..[?(@..a)]", "$.x[?(@.a > 1)].a", "$..*"])
@pytest.mark.parametrize("shape", ["wide", "deep", "bushy"])
def test_paths(path: str, shape: str) -> None:
    """Of a record as large as a frame: what there is, or that there is too much of it, and no stall either way."""
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    record: Any = {
        "wide": {"x": [{"a": n} for n in range(100_000)]},
        "deep": {"x": [deep] * 300},
        "bushy": {"x": [[[{"a": [1] * 10}] * 10] * 10] * 15},
    }[shape]
    assert len(json.dumps(record)) < 2_000_000
    find = jsonpath.finder(path)
    began = time.process_time()
    try:
        find(record)
    except Unevaluable as doubt:
        assert "so much" in str(doubt)  # noqa: PT017 - either is right, by the record
    assert spent(began) < 3.0
    assert find({"x": [{"a": {"a": {"a": 2}}}]}) or ">" in path


@pytest.mark.threat("S-10")
@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ("[" * 64 + "]" * 64, "[" * 65 + "]" * 65),
        ("[" + "a," * 4095 + "]", "[" + "a," * 4096 + "]"),
        ("[&a x" + ", *a" * 50 + "]", "[&a x" + ", *a" * 51 + "]"),
        ('{"<<": {}}', "{<<: {}}"),
    ],
    ids=["levels", "values", "aliases", "merge keys"],
)
def test_where_the_bounds_are(fits: str, too_much: str) -> None:
    """One more is too many."""
    assert scan.trouble(fits) == ""
    assert scan.trouble(too_much)


@pytest.mark.threat("S-10")
def test_what_is_usual_is_read() -> None:
    """The bounds are far from a workflow that somebody wrote."""
    text = "when: [{event: push, branch: [main]}]\nrouter: {fake: {env: {" + ", ".join(f"K{n}: v" for n in range(500)) + "}}}\n"
    assert scan.trouble(text) == ""
    assert workflows.asked(text)["provider"] == "fake"
    assert when.compile_file("ci.yml", text, when.Occasion(kind="push", branch="main")).runs
