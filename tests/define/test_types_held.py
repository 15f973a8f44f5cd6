"""What a type holds is known when the class is built, or at the latest when the machine is."""

from __future__ import annotations

import collections
import dataclasses
import typing
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, RootModel, SecretStr
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from fsm_orch import Context, DefinitionError, Final, Given, Machine, Runner, State, Visit
from fsm_orch.define.frozen import field_flaws, unknown_names
from fsm_orch.define.held import Scope

T = TypeVar("T")
Bounded = TypeVar("Bounded", bound=tuple[str, ...])

Tags = NewType("Tags", list[str])
MoreTags = NewType("MoreTags", Tags)
Name = NewType("Name", str)
Pair = TypeAliasType("Pair", tuple[T, T], type_params=(T,))
Tree = TypeAliasType("Tree", "int | tuple[Tree, ...]")
OpenTree = TypeAliasType("OpenTree", "int | list[OpenTree]")


class Closed(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recursive(Closed):
    children: tuple[Recursive, ...] = ()


class RecursiveOpen(Closed):
    children: tuple[RecursiveOpen, ...] = ()
    notes: dict[str, str] | None = None


class Box(Closed, Generic[T]):
    held: T


class Extra(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Cached(Closed):
    _seen: list[int] = PrivateAttr(default_factory=list)


class Secretive(Closed):
    key: SecretStr


class Hiding(Closed):
    key: str = Field("", exclude=True)


class Root(RootModel[tuple[int, ...]]):
    model_config = ConfigDict(frozen=True)


class OpenRoot(RootModel[list[int]]):
    model_config = ConfigDict(frozen=True)


class Inside(Closed):
    deep: tuple[Secretive | None, ...] = ()


@dataclasses.dataclass(frozen=True)
class Point(Generic[T]):
    x: T
    y: Optional[T] = None  # noqa: UP045


@dataclasses.dataclass(frozen=True)
class OpenPoint:
    xs: list[int]


class Row(NamedTuple):
    cells: tuple[str, ...]


class OpenRow(NamedTuple):
    cells: list[str]


class Options(TypedDict):
    a: int


Untyped = collections.namedtuple("Untyped", "a b")

OPEN: list[tuple[Any, str]] = [
    (Tags, "a list"),
    (MoreTags, "a list"),
    (tuple[Tags, ...] | None, "a list"),
    (Any, "values of any type (Any)"),
    (object, "values of any type (object)"),
    (Hashable, "values of any type (Hashable)"),
    (tuple[Any, ...], "values of any type (Any)"),
    (frozenset[object], "values of any type (object)"),
    (Annotated[Any, "a note"], "values of any type (Any)"),
    (tuple, "values of any type (tuple)"),
    (frozenset, "values of any type (frozenset)"),
    (typing.Tuple, "values of any type (tuple)"),  # noqa: UP006
    (T, "values of any type (Any)"),
    (Box, "values of any type (Any)"),
    (Point, "values of any type (Any)"),
    (Pair, "values of any type (Any)"),
    (Untyped, "values of any type (Any)"),
    (Box[list[int]], "a list"),
    (Point[list[int]], "a list"),
    (Pair[list[int]], "a list"),
    (Mapping[str, list], "a dict"),
    (Mapping[str, list], "a list"),
    (tuple[dict[str, tuple[set[int], ...]], ...], "a set"),
    (Options, "a dict"),
    (OpenRow, "a list"),
    (OpenPoint, "a list"),
    (OpenRoot, "a list"),
    (OpenTree, "a list"),
    (RecursiveOpen, "a dict"),
    (JsonValue, "a dict"),
    (memoryview, "a memoryview"),
    (Union[str, "list[int]"], "a list"),
    (tuple["RecursiveOpen", ...], "a dict"),
    (Extra, "whose extra fields are of any type"),
    (Cached, "whose private attribute _seen can change"),
    (Secretive, "masked or left out"),
    (Hiding, "masked or left out"),
    (Inside, "masked or left out"),
]

CLOSED: list[Any] = [
    Name,
    Name | None,
    Box[int],
    Box[tuple[Name, ...]],
    Point[int],
    Pair[int],
    Tree,
    Recursive,
    Root,
    Row,
    Bounded,
    tuple[()],
    typing.Tuple[int, ...],  # noqa: UP006
    Literal["list", "Any"],
    Annotated[str, "list[int]"],
    tuple[Point[tuple[int, str]] | Box[Name] | None, ...],
    frozenset[Point[str]],
]


def flaws(hint: Any) -> str:
    return "; ".join(flaw.problem for flaw in field_flaws(FieldInfo(annotation=hint), Scope({}, {}), __name__))


@pytest.mark.parametrize(("hint", "why"), OPEN, ids=range(len(OPEN)))
def test_what_can_change_is_found_wherever_it_hides(hint: Any, why: str) -> None:
    """A type of values that can change, or that says nothing of them, is found behind every name that it bears."""
    assert why in flaws(hint)


@pytest.mark.parametrize("hint", CLOSED, ids=range(len(CLOSED)))
def test_what_cannot_change_is_let_through(hint: Any) -> None:
    """A type of values that cannot change is accepted behind every name that it bears."""
    assert "" == flaws(hint)
    assert () == unknown_names(hint, Scope({}, {}), __name__)


def test_a_name_that_stands_for_nothing_is_told() -> None:
    """A text that names nothing is known to."""
    assert ("Nowhere",) == unknown_names(tuple["Nowhere", ...], Scope({}, {}), __name__)  # type: ignore[name-defined]  # noqa: F821
    assert () == unknown_names(tuple["Nowhere", ...], Scope({"Nowhere": int}, {}), __name__)  # type: ignore[name-defined]  # noqa: F821


def work(visit: Visit[Any]) -> None:
    return None


def desk_on(context: Any) -> type[Machine[Any]]:
    class Desk(Machine[context]):
        work = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    return Desk


class Early(Context):
    order: Late


class EarlyOpen(Context):
    order: tuple[LateOpen | None, ...]


class Late(Closed):
    sku: str


class LateOpen(BaseModel):
    sku: str


def test_a_type_that_is_named_before_it_exists_is_looked_into_when_the_machine_is_built() -> None:
    """An annotation that is a text is resolved before a machine promises anything."""
    assert None is Runner(desk_on(Early)).run_sync(Early(order=Late(sku="x"))).landing
    with pytest.raises(DefinitionError, match=r"EarlyOpen\.order holds a LateOpen, which can change"):
        desk_on(EarlyOpen)


def test_a_type_of_a_function_is_looked_into() -> None:
    """Annotations that are texts may name what a function declares, before the context or after it."""

    @dataclasses.dataclass(frozen=True)
    class Sku:
        text: str

    @dataclasses.dataclass(frozen=True)
    class Item:
        sku: Sku
        more: tuple[Sku, ...] = ()

    class Order(Context):
        item: Item
        later: Given[tuple[Afterwards, ...]] = ()

    @dataclasses.dataclass(frozen=True)
    class Afterwards:
        sku: Sku

    class Desk(Machine[Order]):
        work = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    order = Order(item=Item(Sku("a")), later=(Afterwards(Sku("b")),))

    assert order == Runner(Desk).run_sync(order).context


def test_an_open_type_of_a_function_is_found() -> None:
    """A class that a function declares, and that can change, is found behind one that cannot."""

    @dataclasses.dataclass
    class Sku:
        text: str

    @dataclasses.dataclass(frozen=True)
    class Item:
        sku: Sku

    with pytest.raises(DefinitionError, match=r"Order\.item holds a Sku, which can change"):

        class Order(Context):
            item: Item


class Lost(Context):
    item: Nowhere  # type: ignore[name-defined]  # noqa: F821


def test_a_type_that_never_exists_is_told_when_the_machine_is_built() -> None:
    """A field of a type that is nowhere is named, with what is wrong, and no run is needed to see it."""
    with pytest.raises(DefinitionError, match=r"FSM122.*\n.*Lost\.item is annotated with 'Nowhere', which"):
        desk_on(Lost)


class Holder(Context, Generic[T]):
    held: T


def test_a_generic_context_is_judged_where_it_is_used() -> None:
    """A generic context may be declared; it is held to what its variable is given."""
    assert None is Runner(desk_on(Holder[str])).run_sync(Holder[str](held="a")).landing
    with pytest.raises(DefinitionError, match="holds a list"):
        desk_on(Holder[list[str]])
    with pytest.raises(DefinitionError, match=r"Holder\.held holds values of any type"):
        desk_on(Holder)


class Sub(Closed):
    pass


class OpenSub(Sub):
    notes: list[str] = []


def test_a_default_that_can_change_is_found_too() -> None:
    """A default is shared by all runs: one of a subclass that can change is refused with the machine."""

    class Query(Context):
        sub: Sub = OpenSub()

    with pytest.raises(DefinitionError, match=r"FSM130.*\n.*Query\.sub has a default that holds a list"):
        desk_on(Query)


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize("name", ["schema", "copy", "json", "dict", "mro", "validate", "construct", "register"])
def test_a_field_that_cannot_be_named_is_refused_with_another_name(name: str) -> None:
    """A field named like an attribute of every class is refused when the class is built, and another name is told."""
    body = {"__annotations__": {name: "str"}, "__module__": __name__}

    with pytest.raises(DefinitionError, match=rf"FSM114.*\n.*Query\.{name} is no field(.*\n)*.*such as {name}_"):
        type(Context)("Query", (Context,), body)


@pytest.mark.filterwarnings("ignore:Field name")
def test_a_field_does_not_hide_behind_a_method_of_a_base() -> None:
    """A field named like a method of its own base is refused too; a field that is declared again is not."""

    class Base(Context):
        size: int = 0

        def total(self) -> int:
            return 1

    class Again(Base):
        size: int = 1

    assert "size" == Again.size.name  # type: ignore[attr-defined]
    with pytest.raises(DefinitionError, match=r"Query\.total is no field"):

        class Query(Base):
            total: int  # type: ignore[assignment]
