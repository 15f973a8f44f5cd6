"""Types of values that contexts hold, and runs that are given such a value, or write it."""

from __future__ import annotations

import dataclasses
import zoneinfo
from datetime import date
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any, NamedTuple, NewType

from pydantic import Field, computed_field, field_serializer

from fsm_orch import Context, Final, Machine, Runner, State, Visit


class Card(Context):
    number: str


class Iban(Context):
    number: str


@dataclasses.dataclass(frozen=True)
class Cat:
    name: str


class Row(NamedTuple):
    name: str


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    RED = "red"


class Level(IntEnum):
    ONE = 1


class Rights(IntFlag):
    READ = 1
    WRITE = 2


class Sum(Context):
    one: int
    other: int

    @computed_field
    @property
    def total(self) -> int:
        return self.one + self.other


class Shown(Context):
    """Written otherwise than it is."""

    n: int

    @field_serializer("n")
    def written(self, n: int) -> int:
        return n + 1


def louder(text: str) -> str:
    return text + "!"


Id = NewType("Id", str)
DAY, PARIS = date(2020, 1, 2), zoneinfo.ZoneInfo("Europe/Paris")


def holding(hint: Any, *default: Any) -> type[Context]:
    """Return a context of one field; with a default it is one that agents write."""
    body = {"__annotations__": {"held": hint}, "__module__": __name__, **({"held": default[0]} if default else {})}
    made: Any = type(Context)("Holding", (Context,), body)
    return made


VALUE: list[Any] = []


def writes(visit: Visit[Any]) -> dict[Any, Any]:
    return {visit.state.spec.writes[0]: VALUE[0]}


def run_that_writes(hint: Any, value: Any) -> Any:
    context: Any = holding(hint, Field(default=None, validate_default=False))

    class Desk(Machine[context]):
        work = State(writes, writes=context.held, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    VALUE[:] = [value]
    return Runner(Desk).run_sync(context())


def run_that_is_given(hint: Any, value: Any) -> Any:
    context: Any = holding(hint)

    class Desk(Machine[context]):
        work = State(print, reads=context.held, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    return Runner(Desk, agents={Desk.work: lambda visit: None}).run_sync(context(held=value))
