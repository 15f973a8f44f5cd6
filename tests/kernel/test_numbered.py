"""Values that are numbered, and never changed in place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.kernel.numbered import Numbered

VALUES = st.lists(st.integers(), max_size=150)


@given(VALUES, st.lists(st.tuples(st.integers(1, 150), st.integers()), max_size=20), VALUES)
def test_it_is_a_mapping_that_leaves_itself_as_it_was(
    values: list[int], puts: list[tuple[int, int]], more: list[int]
) -> None:
    """Whatever is put, it reads as a dict would, and what it was made of reads as before."""
    held, meant = Numbered(values), dict(enumerate(values, start=1))
    for number, value in puts:
        before, was = held, dict(held)
        if number in meant:
            held, meant = held.put(number, value), {**meant, number: value}
        else:
            with pytest.raises(KeyError):
                held.put(number, value)
        assert was == dict(before)

    assert meant == held == Numbered(meant.values())
    assert {*meant.items(), *enumerate(more, start=len(meant) + 1)} == set(held.add(more).items())
    assert (len(meant), list(meant)) == (len(held), list(held))
    assert str(meant) in repr(held)


@given(st.integers(0, 150), st.sets(st.integers(1, 150), max_size=20), st.integers(0, 40))
def test_what_has_changed_is_found(count: int, numbers: set[int], more: int) -> None:
    """Of all values those are told that are others, or new, by identity."""
    before = Numbered([object() for _ in range(count)])
    now, changed = before, {number for number in numbers if number <= count}
    for number in changed:
        now = now.put(number, object())
    now = now.add([object() for _ in range(more)])

    assert sorted(changed | set(range(count + 1, count + more + 1))) == list(now.changed(before))
    assert [] == list(now.changed(now))


def test_no_value_is_overlooked() -> None:
    """Wherever among many a single one has changed, it alone is told."""
    before = Numbered([object() for _ in range(100)])

    assert [[number] for number in before] == [[*before.put(number, object()).changed(before)] for number in before]


@pytest.mark.parametrize("number", [0, -1, 3, 33, 10**9])
def test_other_numbers_hold_nothing(number: int) -> None:
    """Numbers count from 1: there is no 0, and none is counted from the end."""
    with pytest.raises(KeyError):
        Numbered("ab")[number]
    assert number not in Numbered("ab")


def test_a_change_copies_little() -> None:
    """All but one stretch of a changed copy is that of before."""
    before = Numbered(range(1_000))
    now = before.put(500, -1)

    assert 1 == sum(one is not other for one, other in zip(before._chunks, now._chunks, strict=True))
