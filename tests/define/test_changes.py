"""Changes: they make another context, and what does not fit is refused without its value."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from support.tickets import Cached, Ticket

from fsm_orch.define.changes import changed, overwritten, validated
from fsm_orch.define.context import Context
from fsm_orch.errors import ContextError


def test_cached_properties_do_not_stop_changes() -> None:
    """A context whose cached property was looked at can still be changed."""

    context = Cached(level=5)
    _ = context.is_high

    assert Cached(level=1) == changed(context, {"level": 1})
    assert not changed(context, {"level": 1}).is_high


@given(st.fixed_dictionaries({}, optional={"query": st.text(), "verified": st.booleans(), "level": st.integers()}))
def test_changes_are_written_and_the_rest_is_kept(changes: dict[str, Any]) -> None:
    """Changes make another context that differs in the fields written, and leave the given one."""

    before = Ticket(query="hi", invoice="I7")

    assert Ticket(**{**before.model_dump(exclude={"length"}), **changes}) == changed(before, changes)
    assert Ticket(query="hi", invoice="I7") == before


@pytest.mark.parametrize(
    ("changes", "message"), [({"level": "SECRET"}, "level: "), ({"query": 3}, "query: "), ({"other": 1}, "other: ")]
)
def test_misfits_are_refused(changes: dict[str, Any], message: str) -> None:
    """A value that does not fit its field is refused by the field's name, without the value."""

    with pytest.raises(ContextError, match=f"^{message}") as caught:
        changed(Ticket(query="hi"), changes)

    assert "SECRET" not in str(caught.value)
    assert None is caught.value.__cause__


class Derived(Context):
    query: str
    words: int = 0

    @model_validator(mode="before")
    @classmethod
    def count(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "words": len(str(values.get("query", "")).split())}


def test_a_validator_may_not_touch_undeclared_fields() -> None:
    """A field that a validator changes must be among those written."""

    with pytest.raises(ContextError, match=r"^a validator changed 'words', which the agent does not declare to write$"):
        changed(Derived(query="one"), {"query": "one two"})

    assert 2 == changed(Derived(query="one"), {"query": "one two", "words": 0}).words


def test_a_validator_may_not_touch_an_undeclared_field_by_type_alone() -> None:
    """A field that turns from False into an equal 0 has changed too."""

    class Turning(Context):
        mode: str = "calm"
        flag: bool | int = False

        @model_validator(mode="before")
        @classmethod
        def turn(cls, values: dict[str, Any]) -> dict[str, Any]:
            return {**values, "flag": 0} if values.get("mode") == "wild" else values

    with pytest.raises(ContextError, match="a validator changed 'flag'"):
        changed(Turning(), {"mode": "wild"})


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(score: float) -> None:
    """JSON has no NaN and no infinity, so a journal could not give them back."""

    class Measured(Context):
        score: float

    with pytest.raises(ValidationError, match="finite number"):
        Measured(score=score)
    with pytest.raises(ContextError, match=r"^score: Input should be a finite number$"):
        changed(Measured(score=1.0), {"score": score})


class Table(Context):
    """A validator raises what a test wants."""

    key: str = "a"
    raised: ClassVar[BaseException] = KeyError("SECRET")

    @field_validator("key")
    @classmethod
    def look_up(cls, key: str) -> str:
        if key == "SECRET":
            raise cls.raised
        return key


@pytest.mark.parametrize("error", [KeyError("SECRET"), SystemExit(3), asyncio.CancelledError("SECRET")], ids=repr)
def test_a_validator_that_raises_anything_refuses(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails in a user's validator on a value is a refusal, and does not show the value."""
    monkeypatch.setattr(Table, "raised", error)

    with pytest.raises(ContextError, match=rf"^a validator raised {type(error).__name__}$"):
        changed(Table(), {"key": "SECRET"})


def test_an_interrupt_passes_a_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in a validator is for whoever called, and refuses nothing."""
    monkeypatch.setattr(Table, "raised", KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        changed(Table(), {"key": "SECRET"})


def test_aliased_fields_can_be_changed() -> None:
    """Changes are by field name, whatever alias a field has for its input."""

    class Aliased(Context):
        query: str = Field(alias="q")
        level: int = 0

    assert 2 == changed(Aliased(q="hi"), {"level": 2}).level  # type: ignore[call-arg]


class CardA(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["a"]


class CardB(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["b"]


def refuse(value: object) -> object:
    raise ValueError(f"{value!r} will not do")


class Private(Context):
    plain: int = 0
    choice: Literal["x", "y"] = "x"
    short: Annotated[str, Field(max_length=2, pattern="^a")] = "a"
    numbers: tuple[int, ...] = ()
    card: Annotated[CardA | CardB, Field(discriminator="kind")] = CardA(kind="a")
    picky: Annotated[str, BeforeValidator(refuse)] = ""

    @field_validator("plain")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", "SECRET"),
        ("plain", 917_351),
        ("choice", "SECRET"),
        ("short", "SECRET"),
        ("numbers", ("SECRET",)),
        ("card", {"kind": "SECRET"}),
        ("card", {"SECRET": "SECRET"}),
        ("card", "SECRET"),
        ("picky", "SECRET"),
    ],
)
def test_messages_never_hold_the_values(name: str, value: Any) -> None:
    """What a field was given may be private, so no message of a refusal holds it, whoever refused."""

    with pytest.raises(ContextError, match=name) as caught:
        validated(Private, {name: value})

    assert "SECRET" not in str(caught.value)
    assert "917351" not in str(caught.value)


@given(st.text("SECRT", min_size=6), st.sampled_from(["plain", "choice", "short", "numbers"]))
def test_messages_name_the_field_and_nothing_private(secret: str, name: str) -> None:
    """A refusal names the field that did not fit, and quotes nothing of what came."""

    with pytest.raises(ContextError, match=f"^{name}: ") as caught:
        validated(Private, {name: secret})

    assert secret not in str(caught.value)


class Renamed(Context):
    query: str = Field(alias="q")


def test_overwriting_leaves_the_context_as_it_was() -> None:
    """What a final state sets is written to a copy: snapshots of the past stay true."""
    before = Renamed.model_validate({"q": "hi"})

    after = overwritten(before, {"query": "ho"})

    assert ("hi", "ho") == (before.query, after.query)


def test_fields_are_written_by_their_names_alone() -> None:
    """An alias is for the world outside: in a journal and a reply a field bears its name."""
    with pytest.raises(ContextError, match="query: Field required"):
        validated(Renamed, {"q": "hi"})
    assert "hi" == validated(Renamed, {"query": "hi"}).query


def test_no_changes_are_no_new_context() -> None:
    """A reply that writes nothing keeps the very snapshot, whatever its validators would say today."""
    context = Renamed.model_validate({"q": "hi"})

    assert changed(context, {}) is context
