"""Whether what one field holds can be what another holds, and what the items of a field are."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch.define.crossed import item_of, why_misfit


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        (str, str, None),
        (str | None, str, None),
        (int, float, None),
        (bool, int, None),
        (tuple[str, ...], tuple[str | None, ...], None),
        (int, int | str, None),
        (int, str, "int"),
        (str, int, "str"),
        (int | str, int, "str"),
        (tuple[str, ...], tuple[int, ...], "tuple[str, ...]"),
        (tuple[str, ...], str, "tuple[str, ...]"),
    ],
)
def test_what_one_field_holds_another_may_hold(source: Any, target: Any, why: str | None) -> None:
    """Values cross where each kind of them is one that the other field holds, None aside."""
    assert why == why_misfit(source, target)


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        (tuple[str, ...], str),
        (tuple[str, ...] | None, str),
        (frozenset[int], int),
        (tuple[str, int], None),
        (str, None),
    ],
)
def test_what_a_map_goes_over_has_items_of_one_kind(annotation: Any, item: Any) -> None:
    """Tuples of any length and frozen sets have items, and nothing else has."""
    assert item == item_of(annotation)
