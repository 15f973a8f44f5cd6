"""What JSON cannot hold is refused in words that name the field and the way out, at a start and at a write."""

from __future__ import annotations

from typing import Generic, TypeVar

import pytest
from pydantic import computed_field, field_serializer
from pydantic_core import core_schema

from fsm_orch import Context, DefinitionError, Final, Machine, Runner, StartError, State, Visit

T = TypeVar("T")


class Handle:
    """Something that pydantic can hold, and cannot describe."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        """Take it as it is."""
        return core_schema.no_info_plain_validator_function(lambda held: held)


class Blob(Context):
    name: str
    data: bytes = b""

    @field_serializer("name")
    def _name(self, name: str) -> str:
        return {"broken": 1}.pop(name) and name if name == "unwritten" else name


class Upload(Context):
    blob: Blob
    title: str
    kept: Blob | None = None
    note: str | None = None


def nothing(visit: Visit[Upload]) -> None:
    """Do nothing."""


class Desk(Machine[Upload]):
    """Keep what is uploaded."""

    keep = State(nothing, reads=Upload.blob, writes=(Upload.kept, Upload.note), initial=True)
    done, human = Final(), Final(fallback=True)
    ok = keep.to(done)


@pytest.mark.parametrize(
    ("blob", "title", "names"),
    [
        (Blob(name="a", data=b"\xff"), "t", "blob"),
        (Blob(name="a"), "\ud800", "title"),
        (Blob(name="\udfff"), "\ud800", "blob, title"),
        (Blob(name="unwritten"), "t", "blob"),
    ],
)
def test_named_at_a_start(blob: Blob, title: str, names: str) -> None:
    """A start names every field that cannot be written, and says what JSON can hold."""
    with pytest.raises(StartError, match=f"cannot be journaled: {names} cannot be written as JSON .*base64") as caught:
        Runner(Desk).run_sync(Upload(blob=blob, title=title))

    assert "unwritten" not in str(caught.value)


@pytest.mark.parametrize(("data", "note", "name"), [(b"\xfe", "n", "kept"), (b"", "half \ud83d", "note")])
def test_named_at_a_write(data: bytes, note: str, name: str) -> None:
    """A write names the field that cannot be written."""

    def write(visit: Visit[Upload]) -> object:
        return {Upload.kept: Blob(name="b", data=data), Upload.note: note}

    result = Runner(Desk, agents={Desk.keep: write}).run_sync(Upload(blob=Blob(name="a"), title="t"))

    assert result.landing is not None
    assert result.landing.detail.startswith(f"{name} cannot be written as JSON (")


def test_named_without_a_schema() -> None:
    """A field of a type without a JSON schema is named when the machine is built."""

    class Ticket(Context):
        works: int
        handle: Handle

    with pytest.raises(DefinitionError, match=r"Ticket\.handle has no JSON schema") as caught:

        class Broken(Machine[Ticket]):
            keep = State(nothing, initial=True)
            done, human = Final(), Final(fallback=True)
            ok = keep.to(done)

    assert ["FSM122"] == [found.code for found in caught.value.findings if "schema" in found.problem]


def test_a_name_without_a_meaning_is_told_once() -> None:
    """A forward reference to nothing is told as such, and not again as a class without a schema."""

    class Ticket(Context):
        later: Nowhere  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(DefinitionError) as caught:

        class Broken(Machine[Ticket]):
            keep = State(nothing, initial=True)
            done, human = Final(), Final(fallback=True)
            ok = keep.to(done)

    assert ["Ticket.later is annotated with 'Nowhere', which names nothing here"] == [
        found.problem for found in caught.value.findings if found.code == "FSM122"
    ]


class Box(Context, Generic[T]):
    item: T

    @computed_field  # type: ignore[prop-decorator]
    @property
    def told(self) -> str:
        """What it is called."""
        return "box"


def test_a_generic_class_is_found_where_it_is_written() -> None:
    """A generic class with a type that can change is refused with the line where the class stands."""
    with pytest.raises(DefinitionError) as caught:
        Box[list[int]]

    assert __file__ in caught.value.findings[0].where


@pytest.mark.filterwarnings("ignore:Field name:UserWarning")  # pydantic says so too
@pytest.mark.parametrize("name", ["model_dump", "model_dump_json", "model_validate", "model_validate_json", "mro"])
def test_names_that_pydantic_protects(name: str) -> None:
    """A field by a name that pydantic protects is refused as any other that hides an attribute, with another name."""
    with pytest.raises(DefinitionError, match=f"name it otherwise, such as {name}_"):
        type(Context)("Ticket", (Context,), {"__annotations__": {name: str}, "__module__": __name__})
