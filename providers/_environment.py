"""Environment variables that a rule may set, for whoever runs something."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from router.provider import Plainly

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
#: Names that change which program runs, or what it is told before its first line (the loader, shells, git, interpreters, build
#: tools), and those that the agent of a CI sets itself. A guard against accidents: who writes rules decides what runs anyway.
_DENIED = re.compile(
    r"(LD|DYLD|GIT|BUILDKITE|BASH_FUNC|PYTHON|PERL5|ROUTER)_.*|PYTHON[A-Z]+|PERL5(LIB|OPT|DB)|RUBY(LIB|OPT)|NODE_(OPTIONS|PATH)"
    r"|PATH|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|HOME|SHELL|CDPATH|BUILDKITE"
    r"|GCONV_PATH|_?JAVA_(TOOL_)?OPTIONS|SSH_ASKPASS|EDITOR|VISUAL|PAGER|MAKE(FILES|FLAGS)|GOFLAGS|RUSTC(_WORKSPACE)?_WRAPPER"
    r"|GLIBC_TUNABLES|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|LOCPATH|(HTTPS?|ALL|NO|FTP)_PROXY|SSL_CERT_(FILE|DIR)|DOCKER_HOST"
    r"|LESS(OPEN|CLOSE)|MANPAGER|BROWSER|ZDOTDIR|FPATH|XDG_CONFIG_HOME|CURL_HOME|WGETRC|(NPM_CONFIG|PIP)_.*",
    re.IGNORECASE,
)


def passable(text: str) -> bool:
    """Whether a process can be given this: an argument has no zero byte, and what JSON escapes may be half a character."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _checked(env: dict[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!a} cannot be the name of an environment variable")
        if _DENIED.fullmatch(name):
            raise ValueError(f"the environment variable {name} decides what runs, so no rule may set it")
        if not passable(value):
            raise ValueError(f"the value of {name} has a zero byte, or half a character")
    return env


def traced(trace: str) -> dict[str, str]:
    """The variable in which a program that runs for a delivery finds the trace to go on in; none where nobody traces."""
    return {"TRACEPARENT": trace} if trace else {}


#: Text to text; values may be templates, names never are.
Environment = Annotated[
    dict[str, str],
    AfterValidator(_checked),
    Plainly(r"[^\x00\ud800-\udfff]*", names=rf"(?!(?i:{_DENIED.pattern})\Z){_NAME.pattern}"),
]
