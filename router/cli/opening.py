"""What several verbs open: the configuration, its rules, the store. And the options that they have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from router import library
from router.core.errors import StoreError
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from router.config import Config
    from router.core.rulebook import Rulebook
    from router.engine.store.base import Store

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound="Callable[..., Any]")


def config_option(command: CommandT) -> CommandT:
    """`--config FILE`."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The configuration. Without it: $ROUTER_CONFIG, or ./router.yaml.",
    )(command)


def output_option(command: CommandT) -> CommandT:
    """`--output human|json`."""
    choice = click.Choice(["human", "json"])
    return click.option("--output", type=choice, default="human", show_default=True, help="For people or for programs.")(
        command
    )


def rulebook(entries: Sequence[library.Entry], problems: Problems | None = None) -> Rulebook:
    """The rules of these entries. Raises BadInput with every problem, where one of them stops the rules from being used; what
    does not is in `problems`."""
    from router.loaded import compiled  # noqa: PLC0415 - most verbs have no rules to read

    problems = Problems() if problems is None else problems
    return compiled(library.rule_texts(entries, problems), problems)


def from_store(config: Config, use: Callable[[Store], Awaitable[ResultT]]) -> ResultT:
    """What `use` reads from the store, whether or not a router runs on it. Raises StoreError where there is none."""
    import asyncio  # noqa: PLC0415 - `router validate` does without

    return asyncio.run(reading(config, use))


async def reading(config: Config, use: Callable[[Store], Awaitable[ResultT]]) -> ResultT:
    """The same, where a loop runs."""
    from router.engine.store.sqlite import open_store  # noqa: PLC0415 - `router validate` does without
    from router.terms import policy_of  # noqa: PLC0415

    if not config.store_path.exists():
        raise StoreError(f"There is no store at {config.store_path}: `router run` makes it.")
    # Some of why a delivery waits is what else is under way, by the quotas.
    store = await open_store(config.store_path, read_only=True, policy=policy_of(config))
    try:
        return await use(store)
    finally:
        await store.close()
