"""How a field is shown as Preset: as its user would write it, so that it can be pasted."""

from __future__ import annotations

import dataclasses
import enum
import typing
from typing import Annotated, Literal

import pytest
from annotated_types import MaxLen
from pydantic import Field

from fsm_orch import Context, Preset
from fsm_orch.define.preset import as_preset


class Kind(enum.Enum):
    NEW = "new"


@dataclasses.dataclass(frozen=True, repr=False)
class Silent:
    """What does not say how it is made."""


@dataclasses.dataclass(frozen=True)
class Lines:
    """What says it in two lines."""

    def __repr__(self) -> str:
        return "Lines(\n)"


class Base(Context):
    """What others have too."""

    inherited: tuple[int, ...] = ()
    limited: Annotated[str, MaxLen(3)] = "abc"


class Case(Base):
    """Fields of every kind."""

    text: str = ""
    maybe: str | None = None
    kind: Literal["a", "b"] = "a"
    short: Annotated[str, MaxLen(3)] = "abc"
    made: tuple[str, ...] = Field(default_factory=tuple)
    long: str = "x" * 100
    lines: str = Field("a\nb", description="Some.")
    silent: Silent = Silent()
    several: Lines = Lines()
    perhaps: typing.Optional[str] = None  # noqa: UP045


Evaluated = type(
    "Evaluated",
    (Context,),
    {"__module__": __name__, "__annotations__": {"a": typing.Optional[str], "b": Kind, "c": str | None}, "a": None}  # noqa: UP045
    | {"b": Kind.NEW, "c": None},
)


Several = type(
    "Several",
    (Context,),
    {"__module__": __name__, "__annotations__": {"each": tuple[typing.Optional[int], ...]}, "each": ()},  # noqa: UP045
)


@pytest.mark.parametrize(
    ("context", "field", "shown"),
    [
        (Case, "text", "text: Preset[str] = ''"),
        (Case, "maybe", "maybe: Preset[str | None] = None"),
        (Case, "kind", "kind: Preset[Literal['a', 'b']] = 'a'"),
        (Case, "short", "short: Preset[Annotated[str, MaxLen(3)]] = 'abc'"),
        (Case, "made", "made: Preset[tuple[str, ...]] = Field(default_factory=...)"),
        (Case, "long", "long: Preset[str] = ..."),
        (Case, "lines", "lines: Preset[str] = 'a\\nb'"),
        (Case, "inherited", "inherited: Preset[tuple[int, ...]] = ()"),
        (Case, "limited", "limited: Preset[Annotated[str, MaxLen(3)]] = 'abc'"),
        (Case, "silent", "silent: Preset[Silent] = ..."),
        (Case, "several", "several: Preset[Lines] = ..."),
        (Case, "perhaps", "perhaps: Preset[typing.Optional[str]] = None"),
        (Several, "each", "each: Preset[tuple[Optional[int], ...]] = ()"),
        (Evaluated, "c", "c: Preset[str | None] = None"),
        (Evaluated, "b", "b: Preset[Kind] = Kind.NEW"),
    ],
)
def test_a_field_is_shown_as_its_user_would_write_it(context: type[Context], field: str, shown: str) -> None:
    """Its name, its type and its default stand in it, unless they are too long to be read in a message."""
    assert shown == as_preset(context, field).replace('"', "'")


def test_what_is_shown_can_be_pasted() -> None:
    """A class that declares fields so has them as Preset, with the same defaults."""
    fields = ["text", "maybe", "kind", "inherited", "lines"]
    source = "\n    ".join(["class Pasted(Context):", *(as_preset(Case, field) for field in fields)])
    names: dict[str, typing.Any] = {"Context": Context, "Preset": Preset, "Literal": Literal, "__name__": __name__}
    exec(source, names)

    for field in fields:
        was, now = Case.__pydantic_fields__[field], names["Pasted"].__pydantic_fields__[field]
        assert (was.annotation, was.default) == (now.annotation, now.default)
