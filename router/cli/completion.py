"""`router completion`: what a shell needs to complete verbs, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from router.cli import FINE

_VARIABLE = "_ROUTER_COMPLETE"


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a completion script for SHELL.

    bash: router completion bash > ~/.local/share/bash-completion/completions/router;
    zsh: router completion zsh > a file named _router in a folder of $fpath;
    fish: router completion fish > ~/.config/fish/completions/router.fish
    """
    from router.cli.group import root  # noqa: PLC0415 - which imports this module

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(made(root, {}, "router", _VARIABLE).source())
    return FINE
