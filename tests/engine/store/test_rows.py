"""What goes into columns: JSON that says what it was made of, and rows by the dozen."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.core.model import Receipt, Status, Trouble
from router.engine.store.bulk import SIZES
from router.engine.store.rows import as_json, from_json, receipt_json, receipt_of
from tests.engine.store.parts import NOW, arrival, claimed, delivery, event, plan, row

if TYPE_CHECKING:
    from router.engine.store.base import Store

_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("\ud800") | st.just("null")
)
_TREES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12
)
#: Enough for statements of every size, and a row beyond.
MANY = 2 * max(SIZES) + 5


@given(_TREES)
@example({"a": [2**70, -(2**70), 1e22, 5e-324, -0.0, "\x00\u2028\x7f", "\ud83d\ude00"]})
@example([math.inf, -math.inf])
def test_json_says_what_it_was_made_of(tree: Any) -> None:
    """As the standard library's does, types of numbers and halves of pairs included."""
    assert repr(from_json(as_json(tree))) == repr(json.loads(json.dumps(tree)))


def test_numbers_that_are_none_stay_so() -> None:
    assert as_json({"x": math.nan, "y": None}) == '{"x":NaN,"y":null}'


@pytest.mark.parametrize("odd", [MappingProxyType({"a": 1}), {"x": MappingProxyType({"b": "\ud800"})}])
def test_every_mapping_is_one(odd: Any) -> None:
    assert from_json(as_json(odd)) in ({"a": 1}, {"x": {"b": "\ud800"}})


def test_what_is_no_json_cannot_be_stored() -> None:
    with pytest.raises(TypeError, match="no JSON"):
        as_json({"x": object()})


@pytest.mark.parametrize("odd", [0, max(SIZES) + 1, MANY - 1])
async def test_many_rows_at_once(store: Store, odd: int) -> None:
    """Each event and delivery is there, in order, whatever its neighbours are called."""
    names = [f"e{number}" + ("\ud800" if number == odd else "") for number in range(MANY)]
    made = [
        arrival(name, delivery(f"d{number}", name, item="\udfff" if number == odd else None, repo=f"did:plc:{number % 7}"))
        for number, name in enumerate(names)
    ]
    assert all(result.ready for result in await store.accept(made, NOW))
    stored = list(reversed(await store.events(limit=MANY + 1)))
    assert [one.event.id for one in stored] == [name.replace("\ud800", "���") for name in names]
    assert [(await row(store, f"d{number}")).event for number in range(MANY)] == [one.number for one in stored]
    assert not any(result.fresh for result in await store.accept(made, NOW))
    assert sorted(await claimed(store, 2 * MANY)) == sorted(f"d{number}" for number in range(MANY))


async def test_numbers_of_events_never_come_again(store: Store) -> None:
    """Readers keep one as their cursor: what was forgotten leaves its number behind."""
    await store.accept([arrival("e1"), arrival("e2")], NOW)
    before = (await store.events())[0].number
    await store.forget(NOW + 1)
    assert await store.events() == []
    await store.accept([arrival("e3"), arrival("e4")], NOW)
    assert [one.number for one in await store.events()] == [before + 2, before + 1]


async def test_rows_of_a_batch_see_each_other(store: Store) -> None:
    """An event that was undecided and comes again in the same batch gets what it lacked, once."""
    undecided = plan(delivery("d1"), troubles=[Trouble(rule="ci/other", sentence="not known", undecided=True)])
    first = arrival("e1", plan=undecided)
    again = arrival("e1", delivery("d1"), delivery("d2"), event=event("e1"))
    results = await store.accept([first, again, again], NOW)
    assert [result.fresh for result in results] == [True, True, False]
    assert sorted(one.id for one in await store.deliveries()) == ["d1", "d2"]


@pytest.mark.parametrize("column", ["NaN", "-Infinity", "1e999", '["\\ud800"]', '{"a":1,"a":2}', "1" * 40])
def test_what_is_in_a_column_reads_as_python_reads_it(column: str) -> None:
    assert repr(from_json(column)) == repr(json.loads(column))


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(id="1"),
        Receipt(id="1", url="u", status=Status.FAILED, exit_code=0, error="e", detail={"a": None, "b": [1, "\u00e9"]}),
        Receipt(id="\ud800", error="\ud800", detail={"\ud800": math.inf}),
    ],
)
def test_a_receipt_is_read_as_it_was_written(receipt: Receipt) -> None:
    """Numbers that are not finite and halves of surrogate pairs included."""
    assert receipt_of(receipt_json(receipt)) == receipt
    assert json.loads(receipt_json(Receipt(id="1", detail={"x": math.inf})))["detail"] == {"x": math.inf}
