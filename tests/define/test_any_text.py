"""Whether a field takes every text is asked of what pydantic runs, and is a no wherever that may check or change it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from fsm_orch import Context, Given, Preset
from fsm_orch.define.any_text import takes_any_text
from fsm_orch.define.changes import changed, journaled_changes

TAKES: list[Any] = [
    str,
    str | None,
    Given[str],
    Preset[str],
    Annotated[str, Field(description="What is said.")],
    Annotated[str | None, Field(description="What is said.")],
    Annotated[str, Field(max_length=None)],
]
DOES_NOT: list[Any] = [
    int,
    str | int,
    tuple[str, ...],
    Literal["a", "b"],
    Annotated[str, Field(max_length=9)],
    Annotated[str, Field(min_length=1)],
    Annotated[str, Field(pattern="a")],
    Annotated[str, StringConstraints(strip_whitespace=True)],
    Annotated[str, AfterValidator(str.upper)],
    Annotated[str | None, AfterValidator(lambda said: said)],
    Annotated[str, BeforeValidator(str)],
    Annotated[str, PlainSerializer(str.upper)],
    Annotated[str | None, PlainSerializer(lambda said: said)],
]


def holding(hint: Any) -> type[Context]:
    return type("Held", (Context,), {"__annotations__": {"held": hint}, "held": "a", "__module__": __name__})


@pytest.mark.parametrize("hint", TAKES, ids=range(len(TAKES)))
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_takes_every_text(hint: Any, text: str) -> None:
    """Every text is kept as it is, and journaled as it is."""
    context = holding(hint)

    assert takes_any_text(context, "held")
    assert {"held": text} == journaled_changes(context(), {"held": text})
    assert text == vars(changed(context(), {"held": text}))["held"]


@pytest.mark.parametrize("hint", DOES_NOT, ids=range(len(DOES_NOT)))
def test_may_check_or_change(hint: Any) -> None:
    """A constraint, a validator, a serializer or another type may refuse a text, or keep another one."""
    made = type("Held", (Context,), {"__annotations__": {"held": hint}, "__module__": __name__})

    assert not takes_any_text(made, "held")


class Inner(Context):
    said: str


class Recursive(Context):
    """A context that is said by way of definitions."""

    first: Inner | None = None
    second: Inner | None = None
    inner: tuple[Recursive, ...] = ()
    answer: str = ""


def test_a_context_with_definitions() -> None:
    """A context that holds others, or itself, is looked into as any other."""
    assert takes_any_text(Recursive, "answer")
    assert not takes_any_text(Recursive, "first")


def test_settings_of_the_class() -> None:
    """A setting of the class that changes or bounds texts counts for each of its fields."""

    class Quiet(Context):
        model_config = ConfigDict(title="Quiet")
        answer: str = ""

    class Loud(Context):
        model_config = ConfigDict(str_to_upper=True)
        answer: str = ""

    class Bounded(Context):
        model_config = ConfigDict(str_max_length=9)
        answer: str = ""

    assert [True, False, False] == [takes_any_text(each, "answer") for each in (Quiet, Loud, Bounded)]
