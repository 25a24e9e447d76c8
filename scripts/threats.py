"""docs/threats.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.threat("S-07")`.

python -m scripts.threats        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
    (
        "S-21",
        "One owner, repo or knot asks for more than its share",
        (
            "Repos take turns, and heads of queues alone are looked at; actions, bytes and what is in flight have quotas for each "
            "owner and knot and in all, kept by the store. What is over one waits, and says so."
        ),
    ),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/threats.py. -->

# Threats

Each row's tests bear its id (`pytest -m threat` runs them all), and this page is made of them.

| id | what happens | what the router does | tests |
|---|---|---|---|
"""
CATALOGUE = Catalogue("threat", ROOT / "docs" / "threats.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
