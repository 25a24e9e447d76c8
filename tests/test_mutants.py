"""The bugs that were put in by hand: their patches fit the code, and their page is of them. `make mutants` tries them."""

from __future__ import annotations

import pytest

from scripts import mutants
from scripts.mutants import Mutant

MUTANTS = mutants.mutants()


def test_there_are_enough_and_the_page_lists_them() -> None:
    """`make reference` would change nothing."""
    assert len(MUTANTS) >= 20
    assert mutants.PAGE.read_text(encoding="utf-8") == mutants.page()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code_and_names_tests_that_there_are(mutant: Mutant) -> None:
    """A patch that no longer applies says nothing about the tests."""
    assert mutants.fits(mutant) == ""
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (mutants.ROOT / file).read_text(encoding="utf-8")
