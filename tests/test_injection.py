"""What strangers wrote, wherever it goes out again: log lines, tables, headers, addresses, paths. And who may give orders."""

from __future__ import annotations

import io
import json
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import structlog
from packaging.requirements import Requirement
from packaging.version import Version
from pydantic import ValidationError

from providers import buildkite, shell, webhook
from router.cli import show
from router.core import render, templates
from router.core.errors import RenderError
from router.core.problems import Problems
from router.engine import log
from router.library import on_command_line, rule_texts

ROOT = Path(__file__).parent.parent
#: Each would move a cursor, colour or rename a terminal, turn a line around, begin another line, or be markup or a number.
PAYLOADS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H",
    "window title": "\x1b]0;title\x07",
    "a link": "\x1b]8;;https://evil.example\x1b\\text\x1b]8;;\x1b\\",
    "C1 sequence": "\x9b31m",
    "carriage return": "good\rbad",
    "another line": 'x\n{"level": "info", "event": "forged"}',
    "vertical": "a\x0bb\x0cc\x85d\u2028e\u2029f",
    "bell and backspace": "\x07\x08\x08\x08",
    "turned around": "\u202egnp.exe\u2066\u2069",
    "zero width": "a\u200b\u200d\ufeffb",
    "zero byte": "a\x00b",
    "half a character": "a\ud800b",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a table": "a\tb\tc",
    "deleted": "a\x7fb",
}
payloads = pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
#: What may not come out anywhere as it is.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@payloads
@pytest.mark.threat("S-19")
@pytest.mark.parametrize("kind", ["json", "console"])
def test_a_log_line_is_one_line(kind: str, text: str) -> None:
    """In each part of it, and in an exception's text; JSON says it so that it can be read again."""
    out = io.StringIO()
    log.configure(kind, "debug", out)
    try:
        structlog.get_logger("router").warning("said", who=text, reason=f"because {text}")
        try:
            raise ValueError(text)
        except ValueError as error:
            log.LogObserver().fault("here", text, error)
    finally:
        structlog.reset_defaults()
    said = out.getvalue()
    assert UNSAFE.search(said) is None
    if kind == "json":
        assert [json.loads(line)["level"] for line in said.splitlines()] == ["warning", "error"]
    else:
        assert "forged" not in [line.split()[0] for line in said.splitlines() if line.split()]


@payloads
@pytest.mark.threat("S-19")
def test_a_table_and_a_tree_are_what_they_seem(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What verbs print for people; JSON for programs escapes by itself."""
    show.table(("A", "B"), [(text, "end"), ("x", text)])
    show.tree({"key": text, "list": [text, {"inner": text}]})
    show.line(text)
    said = capsys.readouterr().out
    assert UNSAFE.search(said) is None
    show.as_json({"key": text})
    said = capsys.readouterr().out
    assert UNSAFE.search(said) is None
    assert json.loads(said) == {"key": text}


@payloads
@pytest.mark.threat("S-19")
def test_an_error_of_a_template_is_a_plain_sentence(text: str) -> None:
    """Whatever the event holds, and whatever the template does with it."""
    for template in ("{{ x.y }}", "{{ x + 1 }}", "{{ [1][x] }}", "{{ x | int(base=99) }}", "{{ x | abs }}"):
        said = ""
        try:
            render.compiled(template)({"x": text})
        except RenderError as error:
            said = str(error)
        assert UNSAFE.search(said) is None
        assert len(said) < 1000


@pytest.mark.threat("S-08")
@pytest.mark.parametrize("text", ["a\r\nX-Forged: 1", "a\nb", "a\rb", "a\0b", "é", "\u2028", "a\x7f", "x" * 5000])
def test_headers_have_a_grammar(text: str) -> None:
    """A header's value and its name, and a token's: refused before anything is sent."""
    with pytest.raises(ValidationError):
        webhook.Options.model_validate({"url": "https://hook.example/", "headers": {"X-Branch": text}})
    with pytest.raises(ValidationError):
        webhook.Options.model_validate({"url": "https://hook.example/", "headers": {f"X-{text}": "a"}})


@pytest.mark.threat("S-07")
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "//x/",
        "https://",
        "javascript:alert(1)",
        "https://a b/",
        "ftp://x/",
        "https://x\r\n/",
    ],
)
def test_addresses_are_of_the_web(url: str) -> None:
    """An address with another scheme, or none, is no place that a webhook is sent to."""
    with pytest.raises(ValidationError):
        webhook.Options.model_validate({"url": url})


@pytest.mark.threat("S-03")
@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "path", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "GIT_SSH_COMMAND", "BUILDKITE_COMMIT"),
        *("PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "PERL5LIB", "RUBYOPT", "IFS", "PS4", "HOME", "JAVA_TOOL_OPTIONS"),
        *("GLIBC_TUNABLES", "https_proxy", "ALL_PROXY", "BASH_FUNC_ls%%", "PROMPT_COMMAND", "ROUTER_COMMAND", "DOCKER_HOST"),
        *("a b", "A=B", "A\0", "{{ branch }}", "", "1A"),
    ],
)
def test_variables_that_decide_what_runs_are_refused(name: str) -> None:
    """For commands on this machine, and for builds; whatever case they are written in."""
    with pytest.raises(ValidationError):
        shell.Options.model_validate({"argv": ["/bin/true"], "env": {name: "x"}})
    with pytest.raises(ValidationError):
        buildkite.Options.model_validate({"pipeline": "p", "commit": "HEAD", "branch": "main", "env": {name: "x"}})


@pytest.mark.threat("S-05")
@pytest.mark.parametrize(
    "template",
    [
        "{{ '{0.__class__}'.format(x) }}",  # 2016-10745
        "{{ '{a.__class__}'.format_map({'a': x}) }}",  # 2019-10906
        "{{ ('a@' * 50000) | urlize }}",  # 2020-28493
        "{{ {'a b': 1} | xmlattr }}",  # 2024-22195, 2024-34064
        "{{ x | attr('format') }}",  # 2025-27516
        "{{ (x | attr('__class__')) }}",
        "{% set f = x.format %}{{ f(x) }}",  # 2024-56326
        "{{ [x.format] | map('string') | first }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ self.__init__ }}",
        "{{ loop.__class__ }}",
        "{{ x | map(attribute='__class__') | list }}",
        "{{ [[x]] | map('first') | map(attribute='__class__.__mro__') | list }}",
        "{{ range.__class__ }}",
        "{{ namespace().x }}",
        "{{ joiner() }}",
        "{{ dict(a=1) }}",
        "{{ ({}).__class__ }}",
        "{{ x.__add__ }}",
        "{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ (1).__class__ }}",
        "{{ (1).to_bytes(8, 'big') }}",
        "{{ [1, 2] | sort(attribute='__class__') | list }}",
        "{{ [{'a': 1}] | groupby('__class__') | list }}",
        "{{ [1] | sum(attribute='__class__') }}",
        "{{ environment }}",
        "{{ context }}",
        "{{ x | said! }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'x' %}",
    ],
)
def test_no_way_out_of_a_template(template: str) -> None:
    """What was published about Jinja's sandbox, and what it has that rules do not need."""
    with pytest.raises((templates.TemplateMistake, RenderError)):
        render.compiled(template)({"x": "text"})


@pytest.mark.threat("S-04")
@pytest.mark.parametrize("value", ["{{ 7*7 }}", "{% for a in b %}", "[1,2]", "1e3", "0x10", "True", "None", "{'a': 1}"])
def test_a_value_is_text_and_stays_text(value: str) -> None:
    """Never a template, and never another type that it looks like."""
    assert render.compiled("{{ x }}")({"x": value}) == value
    assert render.compiled("a{{ x }}")({"x": value}) == "a" + value


@pytest.mark.threat("S-23")
@pytest.mark.parametrize(
    ("file", "folder", "told"), [(0o644, 0o755, 0), (0o646, 0o755, 1), (0o644, 0o757, 1), (0o644, 0o1777, 0)]
)
def test_rules_that_anybody_may_write_are_a_warning(tmp_path: Path, file: int, folder: int, told: int) -> None:
    """The file or its folder; one where nobody may write others' files is none."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "a.yaml").write_text("rules: []\n")
    (rules / "a.yaml").chmod(file)
    rules.chmod(folder)
    problems = Problems()
    rule_texts(on_command_line([str(rules)]), problems)
    assert [problem.code for problem in problems.found] == ["R043"] * told
    assert not problems.errors
    assert stat.S_IMODE(rules.stat().st_mode) == folder


#: The first versions without what is known against them (see docs/adr/0001-dependencies.md).
AT_LEAST = {
    "aiohttp": "3.14.3",
    "jinja2": "3.1.6",
    "pyyaml": "6.0.2",
    "jsonpath-ng": "1.8.0",
    "sqlite-utils": "4.2.1",
}


@pytest.mark.threat("S-24")
def test_dependencies_have_lower_bounds() -> None:
    """All of them, extras too; those with known holes at or above what closed them."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [
        project["dependencies"],
        *(more for name, more in project.get("optional-dependencies", {}).items() if name != "dev"),
    ]
    found = {}
    for text in (text for listed in lists for text in listed):
        requirement = Requirement(text)
        if requirement.name == "tangled-router":
            continue
        bounds = [Version(one.version) for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        assert bounds, f"{requirement.name} has no lower bound"
        found[requirement.name.lower().replace("_", "-")] = max(bounds)
    for name, least in AT_LEAST.items():
        assert found[name] >= Version(least), name
