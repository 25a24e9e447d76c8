"""R035: commands that an event can make into others.

What an event says must not be the program, nor code, nor an option of the program. Some of it cannot be: a sha, a DID or a host
has a grammar that begins with no hyphen and has no blanks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.core import firm, programs, scripts, templates
from router.core.marks import Command, Script
from router.core.options import marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel

    from router.core.document import Node
    from router.core.problems import Problems


def check(provider: str, model: type[BaseModel], given: Node, problems: Problems) -> None:
    """Report what is unsafe in the options of a step, as far as its provider marks them. Raises TemplateMistake."""
    for name, _ in marked(model, Command):
        if (command := given.get(name)) is not None:
            _Argv(provider, command, problems).check()
    for name, script in marked(model, Script):
        if (text := given.get(name)) is not None and text.kind == "text":
            _script(text, given.get(script.env), problems)


class _Argv:
    """A program and its arguments."""

    def __init__(self, provider: str, node: Node, problems: Problems) -> None:
        self.provider = provider
        self.node = node
        self.items: Sequence[Node] = node.value if node.kind == "list" else [node]
        self.problems = problems

    def check(self) -> None:
        if not self.items:
            return
        program = self.items[0]
        if _from_event(program.raw):
            hint = "Write it out; what the event says can be an argument, or come by `env`."
            self.problems.error("R035", program.place, f"An event chooses the program that `{self.provider}` runs.", hint)
            return
        code = programs.code([_known(item.raw) for item in self.items])
        if code is not None:
            self._code(code)
        for item in self._read_as_options(code):
            if firm.may_be_option(item.raw):
                name = programs.base(program.raw)
                sentence = f"What the event says here may begin with a hyphen, and `{name}` would take it for an option."
                hint = 'Put "--" before it, write text in front (`--ref={{ … }}`), or pass it by `env`.'
                self.problems.error("R035", item.place, sentence, hint)

    def _code(self, code: programs.Code) -> None:
        item = self.items[code.at]
        if not firm.is_firm(item.raw):
            hint = "Write the code out, and pass what the event says by `env`."
            self.problems.error("R035", item.place, f"`{code.program}` would run what the event says here as code.", hint)

    def _read_as_options(self, code: programs.Code | None) -> Iterator[Node]:
        """The arguments that the program may take for options."""
        if programs.prints(self.items[0].raw):
            return
        for position, item in enumerate(self.items[1:], start=1):
            if item.raw == "--" or (code is not None and code.closed and position == code.at):
                return
            if code is None or position != code.at:
                yield item


def _script(node: Node, env: Node | None, problems: Problems) -> None:
    given = {name: child for name, child in env.items() if not firm.is_firm(child.raw)} if env is not None else {}
    for use in scripts.uses(node.raw, frozenset(given)):
        # In a `|` block each line of the script is a line of the file.
        place = replace(node.place, line=node.line + use.line, column=1, width=1) if node.block else node.place
        if use.runs:
            sentence = f"The script runs what the event says: ${use.name} is a command here, or a part of one."
            problems.error("R035", place, sentence, "Write the command out, and give it the variable as an argument.")
        else:
            sentence = f"The shell splits ${use.name} at its blanks, and takes its stars for files: it is not quoted."
            problems.warning("R035", place, sentence, f'Write "${use.name}".')


def _known(text: str) -> str:
    """A text up to its first template."""
    return text.partition("{")[0] if templates.is_template(text) else text


def _from_event(text: str) -> bool:
    return templates.is_template(text) and not templates.names(text) <= firm.OPERATORS
