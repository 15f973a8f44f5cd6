"""What a line at a terminal is read as in fields of odd kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, WithJsonSchema

from fsm_orch.cli.ask import answer_from
from fsm_orch.cli.show import CommandError
from fsm_orch.run.waiting import Question


class Cat(BaseModel):
    """One of two."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]


KINDS: dict[str, Any] = {
    "mixed": Literal[1, "a", None, True],
    "halves": Annotated[float, WithJsonSchema({"enum": [0.5, 1.5]})],
    "pet": Annotated[Cat | Dog, Field(discriminator="kind")],
    "maybe": Annotated[int | None, WithJsonSchema({"type": ["integer", "null"]})],
    "number": float,
    "text": str,
}


def answered(kind: str, text: str) -> Any:
    schema = TypeAdapter(KINDS[kind]).json_schema()
    form = {"properties": {"field": schema}, "$defs": schema.pop("$defs", {})}
    return answer_from(Question(key="k", state="s", text="?", form=form, shown={}), text)["field"]


@pytest.mark.parametrize(
    ("kind", "text", "means"),
    [
        ("mixed", "1", 1),
        ("mixed", "a", "a"),
        ("mixed", "", None),
        ("mixed", "null", None),
        ("mixed", "true", True),
        ("halves", "1.5", 1.5),
        ("maybe", "3", 3),
        ("maybe", "", None),
        ("text", "1", "1"),
    ],
)
def test_a_line_is_read_as_what_the_field_takes(kind: str, text: str, means: Any) -> None:
    """Also where a schema names choices and no type, or several types."""
    found = answered(kind, text)

    assert (type(means), means) == (type(found), found)


def test_one_of_several_objects_is_read_as_an_object() -> None:
    """And no text passes for one."""
    assert {"kind": "cat", "lives": 9} == answered("pet", '{"field": {"kind": "cat", "lives": 9}}')
    with pytest.raises(CommandError, match="field is answered by a JSON object"):
        answered("pet", "cat")


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("mixed", "b", "field is answered by 1 or a or null or true"),
        ("maybe", "x", "field is answered by a whole number or nothing"),
        ("number", "1e400", "field is answered by a number"),
        ("number", "\udc80", "k is answered by a text in UTF-8, and this one holds other bytes"),
        ("text", "a\udc80", "k is answered by a text in UTF-8, and this one holds other bytes"),
    ],
)
def test_what_no_field_holds_is_refused_in_a_line(kind: str, text: str, why: str) -> None:
    """Choices are named as they are typed; bytes that are no text never reach a journal."""
    with pytest.raises(CommandError) as refused:
        answered(kind, text)
    assert why == str(refused.value)
