"""docs/faults.md, with the tests that prove each row.

Rows are written here; their tests are those that bear their ids, `@pytest.mark.fault("T-17")`.

python -m scripts.faults        writes the page anew (`make reference` does, too)
"""

from __future__ import annotations

from scripts.catalogue import ROOT, Catalogue

#: Id, what happens, and what the router does.
ROWS: list[tuple[int | str, str, str]] = [
    (
        "T-34",
        "rules or settings are changed to something broken while events come",
        "all is read, compiled and tried aside, and refused whole, with its place in log, answer and metric; what ran goes on",
    ),
    (
        "T-41",
        "Kubernetes swaps the link of a mounted config map",
        "folders are watched and contents compared: new rules and settings are in force at once, the same ones change nothing",
    ),
]
_HEAD = """\
<!-- Made by `make reference`; changes belong into scripts/faults.py. -->

# Faults

Each row's tests bear its id (`pytest -m fault` runs them all), and this page is made of them.

| id | what happens | what the router does | tests |
|---|---|---|---|
"""
CATALOGUE = Catalogue("fault", ROOT / "docs" / "faults.md", _HEAD, ROWS)

if __name__ == "__main__":
    CATALOGUE.write()
