"""The pages of what is promised are made of the tests, and promise nothing that has none."""

from __future__ import annotations

import pytest

from scripts import acceptance, faults, parity, threats
from scripts.catalogue import Catalogue

catalogues = pytest.mark.parametrize(
    "catalogue",
    [acceptance.CATALOGUE, parity.CATALOGUE, faults.CATALOGUE, threats.CATALOGUE],
    ids=lambda one: one.marker,
)


@catalogues
def test_the_page_is_what_the_markers_say(catalogue: Catalogue) -> None:
    """`make reference` would change nothing."""
    assert catalogue.page.read_text(encoding="utf-8") == catalogue.text()


@catalogues
def test_every_row_that_is_promised_has_a_test(catalogue: Catalogue) -> None:
    """And no test bears the number of a row that there is not."""
    known = set(catalogue.tests())
    keys = [key for key, _, _ in catalogue.rows]
    assert len(keys) == len(set(keys))
    assert known <= set(keys)
    assert catalogue.promised() - known == set()
