"""What several verbs open: the configuration, its rules, the store. And the options that they have in common."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from router import library, plugins
from router.core import rules
from router.core.errors import BadInput, StoreError
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

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
    problems = Problems() if problems is None else problems
    return compiled(library.rule_texts(entries, problems), problems)


def compiled(texts: Sequence[rules.RuleText], problems: Problems, whose: str = "The rules") -> Rulebook:
    """The rules of these texts. Raises as `rulebook` does."""
    with nothing_collected():
        book = rules.load(texts, plugins.OptionModels(), problems)
    if problems.errors:
        raise BadInput(f"{whose} cannot be used: `router validate` checks them.", problems.found)
    return book


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While much is made that stays: the collector would look through all of it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle(book: Rulebook) -> Rulebook:
    """The rules of a router that runs, ready for events. The collector looks at them no more: a hundred thousand rules are a
    third of a second, each time."""
    with nothing_collected():
        book.prepare()
    gc.collect()
    gc.freeze()
    return book


def from_store(config: Config, use: Callable[[Store], Awaitable[ResultT]]) -> ResultT:
    """What `use` reads from the store, whether or not a router runs on it. Raises StoreError where there is none."""
    import asyncio  # noqa: PLC0415 - `router validate` does without

    from router.engine.store.sqlite import open_store  # noqa: PLC0415 - as above

    if not config.store_path.exists():
        raise StoreError(f"There is no store at {config.store_path}: `router run` makes it.")

    async def reading() -> ResultT:
        store = await open_store(config.store_path, read_only=True)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(reading())
