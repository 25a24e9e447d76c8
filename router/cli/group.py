"""`router` itself: a table of verbs whose modules are imported when they are used, or never."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from router.core.problems import nearest

if TYPE_CHECKING:
    from types import ModuleType

#: Verb: where it is, and what `router --help` says of it.
VERBS: dict[str, tuple[str, str]] = {
    "run": ("router.cli.run:run", "Run the router until it is stopped."),
    "demo": ("router.cli.run:demo", "Run the router on a small network of its own, to watch it work."),
    "init": ("router.cli.init:init", "Write a configuration, a first rule and its test."),
    "validate": ("router.cli.validate:validate", "Check rules and configuration without running them."),
    "test": ("router.cli.test:test", "Run the tests that stand beside the rules."),
    "explain": ("router.cli.explain:explain", "Say why each rule matches an event, or why it does not."),
    "plan": ("router.cli.plan:plan", "Say what other rules would have done with recorded events."),
    "routes": ("router.cli.routes:routes", "Print a line for each event and delivery, to keep as a golden."),
    "capture": ("router.cli.capture:capture", "Write a recorded event as a test, without the names in it."),
    "status": ("router.cli.status:status", "Say how the running router is."),
    "top": ("router.cli.top:top", "Watch the running router, live in the terminal."),
    "reload": ("router.cli.status:reload", "Have the running router read its files again."),
    "rules": ("router.cli.rules:rules", "List bundled rules and copy them; pause and resume rules in force."),
    "deliveries": ("router.cli.deliveries:deliveries", "List, show, retry and discard deliveries."),
    "events": ("router.cli.events:events", "List and show recorded events."),
    "approvals": ("router.cli.approvals:approvals", "List pull requests that wait for approval."),
    "approve": ("router.cli.approvals:approve", "Let pull requests run that wait for approval, or never."),
    "sources": ("router.cli.sources:sources", "List the sources, and how far each was heard; pause and resume them."),
    "roster": ("router.cli.roster:roster", "List the repos, knots and people of the spindle."),
    "backup": ("router.cli.backup:backup", "Copy the store, beside a running router."),
    "restore": ("router.cli.backup:restore", "Put a copy in the store's place, and do nothing twice."),
    "config": ("router.cli.config:effective", "Print the settings in force, and where each was said."),
    "doctor": ("router.cli.doctor:doctor", "Check this machine, the settings, and everything that they reach."),
    "providers": ("router.cli.about:providers", "List the installed providers and their options."),
    "completion": ("router.cli.completion:completion", "Print a completion script for bash, zsh or fish."),
    "schema": ("router.cli.about:schema", "Print the JSON Schema of rule files, for editors."),
    "version": ("router.cli.about:version", "Print the version."),
}


class Verbs(click.Group):
    """Looks its commands up in a table of (`module:attribute`, help)."""

    def __init__(self, *args: Any, verbs: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            hint = nearest(cmd_name, self.verbs) or "See `router --help`."
            ctx.fail(f"There is no verb `{cmd_name}`. {hint}")
        where, said = self.verbs[cmd_name]
        module, _, attribute = where.partition(":")
        command: click.Command = getattr(_imported(module), attribute)
        command.short_help = said
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in self.verbs.items()])


def _imported(name: str) -> ModuleType:
    """The module. What is imported stays until the end: no collection looks through it, neither now nor then."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


@click.group(
    cls=Verbs,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 it went wrong while running, 65 the store is corrupt, "
    "74 its disk failed.",
)
@click.version_option(package_name="tangled-router", message="tangled-router %(version)s")
def root() -> None:
    """Rules in YAML turn Tangled repository events into builds, webhooks and commands."""
