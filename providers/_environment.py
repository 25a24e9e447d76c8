"""Environment variables that a rule may set, for whoever runs something."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
#: Names that change which program runs, or what it is told before its first line (the loader, shells, git, interpreters), and
#: those that the agent of a CI sets itself.
_DENIED = re.compile(
    r"(LD|DYLD|GIT|BUILDKITE|PYTHON|PERL5|RUBY|BASH_FUNC)_?.*"
    r"|PATH|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|NODE_OPTIONS|NODE_PATH|HOME|SHELL"
    r"|GCONV_PATH|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|SSH_ASKPASS|EDITOR|PAGER|ROUTER_.*",
    re.IGNORECASE,
)


def _checked(env: dict[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!a} cannot be the name of an environment variable")
        if _DENIED.fullmatch(name):
            raise ValueError(f"the environment variable {name} decides what runs, so no rule may set it")
        if "\0" in value:
            raise ValueError(f"the value of {name} has a zero byte")
    return env


#: Text to text; values may be templates, names never are.
Environment = Annotated[dict[str, str], AfterValidator(_checked)]
