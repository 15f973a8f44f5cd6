"""Types that a context cannot keep: all that can change is refused when the class is built."""

from __future__ import annotations

import collections
import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo
from support.tickets import Ticket
from typing_extensions import TypeAliasType

from fsm_orch.define.context import Context
from fsm_orch.define.frozen import field_flaws
from fsm_orch.define.held import Scope
from fsm_orch.errors import DefinitionError


class Loose(BaseModel):
    x: int = 0


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    x: int = 0


class FrozenAroundList(BaseModel):
    model_config = ConfigDict(frozen=True)
    xs: list[int]


class FrozenAroundTuple(BaseModel):
    model_config = ConfigDict(frozen=True)
    xs: tuple[Frozen, ...] = ()


@dataclasses.dataclass
class LooseData:
    x: int = 0


@dataclasses.dataclass(frozen=True)
class FrozenData:
    x: int = 0


ListAlias = TypeAliasType("ListAlias", list[int])


def context_with(annotation: Any) -> type[Context]:
    return type(Context)("Made", (Context,), {"__annotations__": {"field": annotation}, "__module__": __name__})


@pytest.mark.parametrize(
    "annotation",
    [
        list,
        list[int],
        dict,
        dict[str, int],
        set,
        set[str],
        Mapping[str, int],
        typing.Mapping[str, int],
        collections.OrderedDict[str, int],
        collections.defaultdict[str, int],
        collections.Counter[str],
        Optional[list[int]],  # noqa: UP045
        list[int] | None,
        tuple[list[int], ...],
        tuple[int, tuple[set[int], ...]],
        Annotated[list[int], Field(max_length=2)],
        Annotated[list[int], "note"] | None,
        tuple[Annotated[dict[str, int] | None, "note"], ...],
        frozenset[str] | list[str],
        Loose,
        Loose | None,
        tuple[Loose, ...],
        # what pydantic fills with a list, a set or a dict, or takes as it comes
        Sequence[int],
        MutableSequence[int],
        MutableMapping[str, int],
        MutableSet[int],
        AbstractSet[int],
        Iterable[int],
        collections.deque[int],
        # functions, which can be given attributes and have no form in JSON
        Callable,
        Callable[[int], str],
        typing.Callable[[list[int]], str],
        tuple[Callable[..., int] | None, ...],
        LooseData,
        tuple[LooseData, ...],
        FrozenAroundList,
        ListAlias,
    ],
    ids=str,
)
def test_mutable_fields_are_refused(annotation: Any) -> None:
    """A field that could hold something mutable is refused when the class is built, wherever it is nested."""

    with pytest.raises(DefinitionError, match=r"FSM130 .*\n  Made\.field holds a ") as caught:
        context_with(annotation)

    assert {"FSM130"} == {finding.code for finding in caught.value.findings}


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int | None,
        bytes,
        tuple[int, ...],
        frozenset[str],
        Literal["a", "b"],
        Frozen,
        FrozenAroundTuple,
        FrozenData,
        tuple[Frozen, ...] | None,
        Annotated[str, Field(max_length=9)],
        Ticket,
    ],
    ids=str,
)
def test_immutable_fields_are_accepted(annotation: Any) -> None:
    """A field of what cannot change is accepted."""

    assert ["field"] == list(context_with(annotation).model_fields)


def test_the_finding_says_what_and_what_instead() -> None:
    """A mutable field is reported with its class, its name and an alternative, each field once."""

    with pytest.raises(DefinitionError) as caught:

        class Bag(Context):
            things: list[str]
            named: dict[str, int] = {}  # noqa: RUF012
            fine: int = 0

    assert (
        ("Bag.things holds a list, which can change behind the journal's back", "use tuple[...]"),
        (
            "Bag.named holds a dict, which can change behind the journal's back",
            "use a nested Context, or a tuple of pairs",
        ),
    ) == tuple((finding.problem, finding.fix) for finding in caught.value.findings)


class Loop:
    """An alias that contains itself, as `type Loop = int | tuple[Loop, ...]` makes one."""

    def __init__(self, *others: Any) -> None:
        self.others = others

    @property
    def __value__(self) -> Any:
        return tuple[(self, *self.others)]  # type: ignore[misc]


def test_aliases_that_contain_themselves_are_looked_into_once() -> None:
    """A recursive alias is looked through for what can change, and the look ends."""
    assert [] == problems(Loop(int))
    assert ["holds a list, which can change behind the journal's back"] == problems(Loop(list[int]))


def problems(annotation: Any) -> list[str]:
    return [flaw.problem for flaw in field_flaws(FieldInfo(annotation=annotation), Scope({}, {}), __name__)]
