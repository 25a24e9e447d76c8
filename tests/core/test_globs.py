"""Globs, against a list of what Tangled and GitHub document, and against a slow matcher that is obviously right."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from router.core import globs


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("main", ["main"], ["Main", "main2", "amain", ""]),
        ("*", ["", "a", "a.b"], ["a/b", "/"]),
        ("**", ["", "a", "a/b"], []),
        ("release/*", ["release/1", "release/"], ["release", "release/1/2", "xrelease/1"]),
        ("release/**", ["release/1", "release/1/2"], ["release", "releases/1"]),
        ("rel*", ["rel", "release"], ["rel/1"]),
        ("rel**", ["rel", "release/1"], ["re"]),
        ("*.md", ["a.md", ".md"], ["a/b.md", "a.mdx"]),
        ("**/*.md", ["a.md", "a/b.md", "a/b/c.md"], ["a.mdx"]),
        ("**/b", ["b", "a/b", "a/x/b"], ["ab", "a/bc"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a?c", ["abc", "a.c"], ["ac", "a/c", "abbc"]),
        ("[abc]", ["a", "c"], ["d", "ab"]),
        ("[a-c]1", ["b1"], ["d1"]),
        ("[!a-c]", ["d"], ["a", "/"]),
        ("[^a]", ["b"], ["a", "/"]),
        ("[]x]", ["]", "x"], ["[", ""]),
        ("[!]x]", ["a"], ["]", "x"]),
        ("[.+]", [".", "+"], ["a"]),
        ("{a,b}/c", ["a/c", "b/c"], ["c/c", "{a,b}/c"]),
        ("{a,b{c,d}}", ["a", "bc", "bd"], ["b", "bcd"]),
        ("{**/a,b}", ["a", "x/a", "b"], ["x/b"]),
        ("{,a}b", ["b", "ab"], ["aab"]),
        ("a,b", ["a,b"], ["a"]),
        ("a}", ["a}"], ["a"]),
        (r"\*", ["*"], ["a"]),
        (r"a\[b", ["a[b"], ["ab"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a+(b)|c$^", ["a+(b)|c$^"], ["aab"]),
        ("a*b*c", ["abc", "axbxc"], ["ab/c", "acb"]),
        ("é*", ["été"], ["ete"]),
        ("a\n*", ["a\nb"], ["a"]),
        ("?", ["\n", "漢"], ["", "ab"]),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    """Each shape of glob matches what it says, and nothing else."""
    matches = globs.compiled(glob)
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in others if matches(text)] == []


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("sh.tangled.*", "sh.tangled.git.refUpdate", True),
        ("*.refUpdate", "sh.tangled.git.refUpdate", True),
        ("*", "a/b", True),
        ("a?c", "a/c", True),
        ("[!a]", "/", True),
        ("a*c", "a/b/c", True),
    ],
)
def test_without_a_separator_a_star_crosses_everything(glob: str, text: str, expected: bool) -> None:  # noqa: FBT001
    """Record types and names have no segments."""
    assert globs.compiled(glob, "")(text) is expected


@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("[a", "`[a` opens a bracket that it does not close."),
        ("[!]", "`[!]` opens a bracket that it does not close."),
        ("a{b", "`a{b` opens a brace that it does not close."),
        ("a\\", "`a\\` ends with a backslash that escapes nothing."),
        ("[z-a]", "`[z-a]` has a range that runs backwards: z-a."),
        ("*" + "a" * 1024 + "?", "A glob is at most 1024 characters long."),
    ],
)
def test_what_is_no_glob(glob: str, said: str) -> None:
    """A text that is no glob is refused with a sentence."""
    with pytest.raises(globs.GlobError) as caught:
        globs.compiled(glob)
    assert str(caught.value) == said


def slow(glob: str, text: str) -> bool:
    """The rules of globs, one character at a time: `*`, `**` with its segments, `?`, classes, braces."""
    alternatives = _braces(glob)
    return any(_slow(alternative, text, at_start=True) for alternative in alternatives)


def _braces(glob: str) -> list[str]:
    opening = glob.find("{")
    if opening < 0:
        return [glob]
    closing = glob.index("}", opening)
    choices = glob[opening + 1 : closing].split(",")
    return [rest for choice in choices for rest in _braces(glob[:opening] + choice + glob[closing + 1 :])]


@lru_cache(maxsize=100_000)
def _slow(glob: str, text: str, *, at_start: bool) -> bool:
    """`at_start`: what comes is at the start of a segment of the glob."""
    if not glob:
        return not text
    if glob.startswith("**"):
        rest = glob.lstrip("*")
        if at_start and rest.startswith("/"):
            below = [text[at + 1 :] for at, char in enumerate(text) if char == "/"]
            return any(_slow(rest[1:], tail, at_start=True) for tail in [text, *below])
        return any(_slow(rest, text[at:], at_start=False) for at in range(len(text) + 1))
    if glob[0] == "*":
        if _slow(glob[1:], text, at_start=False):
            return True
        return bool(text) and text[0] != "/" and _slow(glob, text[1:], at_start=at_start)
    if not text:
        return False
    if glob[0] == "?":
        return text[0] != "/" and _slow(glob[1:], text[1:], at_start=False)
    if glob[0] == "[":
        body, rest = glob[1:].split("]", 1)
        negated = body.startswith("!")
        hit = text[0] != "/" and (text[0] not in body[1:] if negated else text[0] in body)
        return hit and _slow(rest, text[1:], at_start=False)
    return glob[0] == text[0] and _slow(glob[1:], text[1:], at_start=glob[0] == "/")


PIECES = ["a", "b", ".", "/", "*", "**", "**/", "/**", "?", "[ab]", "[!a]", "{a,b}", "{a/,*}", "$", "+", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.text("ab./$+é\n", max_size=8))
@example("a/**/b", "a/b")
@example("**/", "a/")
@example("{**,a}/b", "x/b")
@example("***", "a/b")
def test_globs_match_as_the_slow_matcher_does(glob: str, text: str) -> None:
    """The translation to RE2 and the shortcuts for common shapes change no answer."""
    # A star beside a brace and one within it stay two stars; writing the alternatives out would make `**` of them.
    assume(re.search(r"[*}]\{a/,\*\}|\{a/,\*\}[*{]", glob) is None)
    assert globs.compiled(glob)(text) is slow(glob, text)


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["", "/"]))
def test_any_text_is_a_glob_or_is_refused(glob: str, text: str, separator: str) -> None:
    """Whatever a rule says and whatever a branch is called, the answer is true, false or GlobError."""
    with contextlib.suppress(globs.GlobError):
        assert globs.compiled(glob, separator)(text) in (True, False)


@given(st.text(min_size=1, max_size=20))
def test_a_plain_glob_matches_itself_alone(text: str) -> None:
    """A text without special characters is compared as such."""
    if globs.is_plain(text):
        assert globs.compiled(text)(text)
        assert not globs.compiled(text)(text + "x")
