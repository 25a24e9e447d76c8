"""Sets of texts against the predicates that rules are decided with, and against trying every short text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import globs, regex
from router.core.analysis import texts
from router.core.analysis.automata import TooHard
from router.core.analysis.texts import Texts
from tests.core.test_globs import slow as slow_glob

SHORT = ["".join(chars) for length in range(5) for chars in itertools.product("ab/", repeat=length)]
PIECES = st.sampled_from(["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "{a,b/b}", "\\a"])
GLOBS = st.lists(PIECES, min_size=1, max_size=5).map("".join)
PATTERNS = st.lists(
    st.sampled_from(["a", "b", "/", ".", "a*", "b+", "(a|b)", "[^a]", "a?", "b{1,2}", "(?:ab)*", "\\/"]), min_size=1, max_size=4
).map("".join)
SETS = st.recursive(
    GLOBS.map(lambda glob: texts.glob(glob, "/"))
    | st.tuples(st.sampled_from(["prefix", "suffix", "contains"]), st.sampled_from(["a", "b/", "ab"])).map(
        lambda pair: texts.affix(*pair)
    )
    | st.lists(st.sampled_from(SHORT[:30]), max_size=3).map(lambda few: texts.words(*few)),
    lambda inner: (
        st.tuples(inner, inner).map(lambda two: two[0] & two[1])
        | st.tuples(inner, inner).map(lambda two: two[0] | two[1])
        | inner.map(lambda one: ~one)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(GLOBS, st.sampled_from(["/", ""]), st.lists(st.sampled_from(SHORT), min_size=20, max_size=20))
def test_a_glob_accepts_what_it_matches(glob: str, separator: str, some: list[str]) -> None:
    """The automaton of a glob says what the glob says."""
    try:
        matches = globs.compiled(glob, separator)
    except globs.GlobError:
        return
    assert [texts.glob(glob, separator).has(text) for text in some] == [matches(text) for text in some]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["", "^", "(?s)"]), PATTERNS, st.sampled_from(["", "$"]), st.sampled_from(SHORT))
def test_an_expression_accepts_what_it_finds(start: str, pattern: str, end: str, text: str) -> None:
    """The automaton of an expression says what RE2 says."""
    whole = f"{start}{pattern}{end}"
    for one in (text, text.replace("b", "\n")):
        assert texts.regex(whole).has(one) is regex.found(whole, one)


@settings(max_examples=300, deadline=None)
@given(SETS)
def test_an_example_is_in_the_set_and_an_empty_set_has_none(some: Texts) -> None:
    """What is called empty has no short text, and an example is a member: the shortest that there is."""
    try:
        found = texts.example(some)
    except TooHard:
        return
    members = [text for text in SHORT if some.has(text)]
    if found is None:
        assert members == []
    else:
        assert some.has(found)
        assert not members or len(found) <= len(members[0])


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ("release/1.*", "release/*", True),
        ("release/*", "release/1.*", False),
        ("release/*", "release/**", True),
        ("release/**", "release/*", False),
        ("docs/**/*.md", "**/*.md", True),
        ("{a,b}/*", "*/*", True),
        ("[a-c]x", "[a-z]x", True),
        ("[!a]x", "[!ab]x", False),
        ("v?.?", "v*", True),
    ],
)
def test_one_glob_within_another(inner: str, outer: str, within: bool) -> None:  # noqa: FBT001
    """Inclusion is one of languages, not of spellings."""
    left = texts.example(texts.glob(inner, "/") & ~texts.glob(outer, "/"))
    assert (left is None) is within
    assert left is None or (slow_glob(inner, left) and not slow_glob(outer, left))


@pytest.mark.parametrize(
    "pattern", ["(?i)a", "\\bword", "a(?=b)", "\\pL", "[[:alpha:]]", "a^b", "(a$)b", "x{200}", "a**", "\\1"]
)
def test_what_is_beyond_the_everyday_is_not_read(pattern: str) -> None:
    """An expression that is not understood wholly is not understood at all."""
    with pytest.raises(TooHard):
        texts.regex(pattern)


def test_case_is_ignored_as_casefold_does() -> None:
    """A character that folds to two is known: ß is ss."""
    folded = texts.ignoring_case("strasse")
    assert [folded.has(text) for text in ("STRASSE", "Straße", "straße", "strase")] == [True, True, True, False]
    assert texts.example(folded & texts.regex("ß")) is not None


def test_half_of_a_surrogate_pair_is_as_the_matcher_has_it() -> None:
    """RE2 matches no text with one; a glob that needs no RE2 does."""
    text = "x\ud800"
    for glob in ("x*", "x**", "[x]*"):
        assert texts.glob(glob, "/").has(text) is globs.compiled(glob, "/")(text)


def test_a_long_search_is_given_up() -> None:
    """A set that would need thousands of states is not decided."""
    hard = texts.regex("^(a|b)*a(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)$")
    with pytest.raises(TooHard):
        texts.example(hard & ~texts.affix("contains", "a"))
