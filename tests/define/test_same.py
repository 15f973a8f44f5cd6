"""Whether a value came back as it was: by its class, at every depth, and never one that can change."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime
from typing import Any

import pytest
from pydantic_core import core_schema
from support.held import DAY, Card, Cat, Iban, Shade, run_that_is_given, run_that_writes

from fsm_orch import StartError
from fsm_orch.define.same import changeable, difference


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ((1,), (True,)),
        (frozenset({1}), frozenset({True})),
        (Card(number="1"), Iban(number="1")),
        (Cat("a"), Cat("b")),
        ((1, 2), (1, 2, 3)),
        (DAY, datetime(2020, 1, 2)),
        ("a", Shade.RED),
    ],
)
def test_equal_is_not_the_same(one: Any, other: Any) -> None:
    """Values of other classes differ, at any depth, even if Python holds them to be equal."""
    assert difference(one, other, "it") is not None
    assert difference(other, one, "it") is not None
    assert None is difference(one, one, "it")
    assert None is difference(math.nan, math.nan, "it")


@dataclasses.dataclass
class Open:
    n: int = 0


@pytest.mark.parametrize("value", [[], ((1, []),), {"a": 1}, Open(), (Open(),), Cat([])])  # type: ignore[arg-type]
def test_what_can_change_is_found_at_any_depth(value: Any) -> None:
    """A list, a dict or an open class is found wherever it is."""
    assert changeable(value) is not None
    assert None is changeable((1, "a", Cat("a"), Card(number="1"), frozenset({1})))


class Purse:  # noqa: PLW1641
    """A value of a user's own class, which knows how it is read and can be changed."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Purse) and other.cents == self.cents

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(
            lambda held: held if isinstance(held, cls) else cls(held),
            core_schema.union_schema([core_schema.is_instance_schema(cls), core_schema.int_schema()]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda purse: purse.cents),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        return {"type": "integer"}


def test_a_value_that_python_takes_for_one_that_changes_is_refused() -> None:
    """An instance that has no hash is no value for a context, whatever its class says of it."""
    with pytest.raises(StartError, match="held holds a Purse, which can change"):
        run_that_is_given(Purse, Purse(3))


class Hostile(Purse):
    """A value that does not let itself be compared."""

    def __eq__(self, other: object) -> bool:
        raise LookupError("SECRET")

    def __hash__(self) -> int:
        return self.cents


def test_a_value_that_cannot_be_compared_is_refused() -> None:
    """Whatever comparing a user's values raises is a refusal by name, and no end of a run."""
    with pytest.raises(StartError, match="held cannot be compared with what is read back: LookupError"):
        run_that_is_given(Hostile, Hostile(3))
    assert "refusal" == run_that_writes(Hostile | None, Hostile(3)).landing.reason
