"""The page of parity is made of the tests, and promises nothing that has none."""

from __future__ import annotations

from scripts import parity


def test_the_page_is_what_the_markers_say() -> None:
    """`make reference` would change nothing."""
    assert parity.PAGE.read_text(encoding="utf-8") == parity.page()


def test_every_row_that_is_promised_has_a_test() -> None:
    """And no test bears the number of a row that there is not."""
    known = parity.tests()
    numbers = [number for number, _, _ in parity.ROWS]
    assert numbers == sorted(set(numbers))
    assert set(known) <= set(numbers)
    promised = {number for number, _, how in parity.ROWS if not how.startswith(("Not", "Partly"))}
    assert promised - set(known) == set()
