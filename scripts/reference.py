"""docs/reference: the pages that are made of the code, so that they cannot lag behind it.

python -m scripts.reference        writes them anew (`make reference`)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router import plugins
from router.cli import pages
from router.cli.group import root
from router.core.codes import CODES
from router.metrics import CATALOGUE
from router.web import openapi
from router.web.operations import OPERATIONS
from scripts import of_rules, of_settings, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_OURS = "tangled-router"
_MADE = "<!-- Made by `make reference`; changes belong into what it is made of. -->\n"
_ABOUT_CODES = """\
# Codes

What `router validate` finds. A code never changes its meaning. An error keeps a file from being loaded; a warning only fails
`router validate`; a note does not even do that, unless `--fail-level note` is given. The examples of each page are tests.

| code | level | what |
|---|---|---|
"""

_ABOUT_METRICS = """\
# Metrics

What `/metrics` says: see [operate](../operate.md#metrics). Beside these are `process_*`, of the process itself. Labels are
what router.yaml and the rules name; nothing that a stranger chooses is one, so the page does not grow with the events.

| name | kind | labels | what |
|---|---|---|---|
"""
_ABOUT_API = """\
# The admin API

What a running router is asked, on its Unix socket beside the store and on `admin.listen`: see
[operate](../operate.md#ask-it). `/openapi.json` is the same for programs. Times are microseconds since 1970.

"""


def reference() -> dict[str, str]:
    """Every page, by its name in docs/reference."""
    made = {
        "codes.md": _codes(),
        "cli.md": _cli(),
        "providers.md": _providers(),
        "metrics.md": _metrics(),
        "api.md": _api(),
        "settings.md": of_settings.page(),
        "rules.md": of_rules.page(),
    }
    return {name: f"{_MADE}\n{text}" for name, text in made.items()}


def _codes() -> str:
    codes = sorted(CODES)
    whole = "\n".join(re.sub(r"^# ", "## ", pages.page(code), flags=re.MULTILINE) for code in codes)
    return _ABOUT_CODES + "".join(f"| {_link(code)} | {_level(code)} | {CODES[code]} |\n" for code in codes) + f"\n{whole}"


def _link(code: str) -> str:
    """To the code's heading, as forges name the anchors of headings."""
    anchor = re.sub(r"[^a-z0-9 -]", "", f"{code}: {CODES[code]}".lower()).replace(" ", "-")
    return f"[{code}](#{anchor})"


def _level(code: str) -> str:
    (level,) = re.findall(r"^Level: (\w+)\.$", pages.page(code), re.MULTILINE)
    return str(level)


def _cli() -> str:
    helps = "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps("router", root, None))
    return f"# The command line\n\nWhat each verb says with `--help`.\n\n{helps}"


def _helps(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Each command with its help at 80 columns, depth first."""
    verb = name.rsplit(maxsplit=1)[-1]
    context = click.Context(command, info_name=verb, parent=parent, terminal_width=80, **command.context_settings)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _helps(f"{name} {below}", found, context)


def _providers() -> str:
    told = [
        f"## {name}\n\nA step's options:\n\n{tables.table(plugin.options)}\n\n"
        f"Settings in router.yaml:\n\n{tables.table(plugin.settings)}\n"
        for name, entry in plugins.installed(plugins.PROVIDERS).items()
        if entry.distribution.name == _OURS
        for plugin in (plugins.provider(name),)
    ]
    return (
        "# Providers' options and settings\n\nEach has a page of its own in [providers](../providers/README.md).\n\n"
        + "\n".join(told)
    )


def _metrics() -> str:
    rows = [
        f"| `{one.name}` | {one.kind.__name__.lower()} | {', '.join(f'`{label}`' for label in one.labels)} | {one.about} |\n"
        for one in CATALOGUE
    ]
    return f"{_ABOUT_METRICS}{''.join(rows)}"


def _api() -> str:
    made = openapi.document()
    parts = [_ABOUT_API, "| method | path | what |\n|---|---|---|\n"]
    parts += [f"| {one.method} | `{one.path}` | {one.summary} |\n" for one in OPERATIONS]
    for one in OPERATIONS:
        parts.append(f"\n## {one.method} {one.path}\n\n{one.summary}\n\n")
        operation = made["paths"][one.path][one.method.lower()]
        parts += [_parameter(parameter) for parameter in operation.get("parameters", ())]
        if one.body is not None:
            parts.append(f"- body: {_named(operation['requestBody'])}\n")
        answers = operation["responses"].items()
        parts += [f"- {status}: {answer['description']} {_named(answer)}\n" for status, answer in answers]
    parts.append("\n# Shapes\n")
    parts += [_shape(name, schema) for name, schema in made["components"]["schemas"].items()]
    return "".join(parts)


def _parameter(given: dict[str, Any]) -> str:
    about = given["schema"].get("description", "")
    return f"- `{given['name']}` in the {given['in']}{': ' + about if about else ''}\n"


def _named(said: dict[str, Any]) -> str:
    """What a body or an answer is, by the name of its shape."""
    (content,) = said["content"].values()
    return _what(content["schema"])


def _what(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema.get("type") == "array":
        return f"list of {_what(schema.get('items', {}))}"
    if choices := schema.get("anyOf"):
        return " or ".join(_what(choice) for choice in choices)
    if words := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{word}`" for word in words)
    return str(schema.get("type", "anything"))


def _shape(name: str, schema: dict[str, Any]) -> str:
    about = schema.get("description", "")
    if "properties" not in schema:
        return f"\n## {name}\n\n{about}\n\n{_what(schema)}\n"
    needed = set(schema.get("required", ()))
    rows = [
        f"| `{key}` | {_what(one)} | {'yes' if key in needed else ''} | {one.get('description', '')} |\n"
        for key, one in schema["properties"].items()
    ]
    return f"\n## {name}\n\n{about}\n\n| name | type | always | |\n|---|---|---|---|\n{''.join(rows)}"


def main() -> None:
    """Write every page as it is now."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in reference().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()
