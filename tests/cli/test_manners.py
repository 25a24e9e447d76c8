"""What all verbs have in common: programs can read what they list, and shells complete what they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from router.cli.group import root

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Verbs that show nothing but what they did, write a file, or print what is for programs anyway; each for a reason.
SAY_LITTLE = {
    "run": "runs; its log has a format of its own",
    "demo": "runs",
    "init": "writes files",
    "capture": "writes files",
    "backup": "writes a file",
    "restore": "writes a file",
    "completion": "a script, for a shell",
    "schema": "JSON always",
}
#: Arguments that are new names, which nobody can know.
FREE = {"init folder", "rules copy folder", "backup file", "restore file"}


def verbs(command: click.Command = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every verb that can be typed, with those below it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from verbs(below, (*path, name))
        if not command.invoke_without_command:
            return
    if path:
        yield " ".join(path), command


ALL = dict(verbs())


@pytest.mark.parametrize("verb", sorted(set(ALL) - set(SAY_LITTLE)))
def test_programs_can_read_what_is_listed(verb: str) -> None:
    """`--output json`, on every verb that lists or shows something; for people without it."""
    (option,) = [one for one in ALL[verb].params if isinstance(one, click.Option) and "--output" in one.opts]
    assert isinstance(option.type, click.Choice)
    assert {"human", "json"} <= set(option.type.choices)
    assert option.default == "human"


def test_who_says_little_is_known() -> None:
    """A new verb is no exception by accident."""
    assert set(SAY_LITTLE) <= set(ALL)
    lists = [verb for verb in ALL if verb.rpartition(" ")[2] in ("list", "show", "hits", "destinations")]
    assert not set(lists) & set(SAY_LITTLE)
    assert len(lists) >= 7


@pytest.mark.parametrize(
    ("verb", "argument"),
    [(verb, one) for verb, command in sorted(ALL.items()) for one in command.params if isinstance(one, click.Argument)],
    ids=lambda value: value if isinstance(value, str) else str(value.name),
)
def test_a_shell_completes_what_is_taken(verb: str, argument: click.Argument) -> None:
    """Names, numbers, files or a choice: nobody types what a machine knows."""
    own = argument._custom_shell_complete is not None
    assert own or isinstance(argument.type, (click.Choice, click.Path)) or f"{verb} {argument.name}" in FREE
