"""Contexts: their fields are named by references, and nothing of them can be written or added."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, create_model
from support.tickets import Ticket, VipTicket

from fsm_orch.define.context import Context, FieldRef, field_refs, given_fields
from fsm_orch.define.marks import Given
from fsm_orch.errors import ContextError, DefinitionError


def test_a_field_of_the_class_is_a_reference() -> None:
    """A field read on the class names itself, with its class."""

    assert FieldRef(Ticket, "query") == Ticket.query
    assert "Ticket.invoice" == repr(Ticket.invoice)


def test_inherited_fields_are_references_too() -> None:
    """A derived context has references to the fields of its base and to its own."""

    assert FieldRef(VipTicket, "query") == VipTicket.query
    assert FieldRef(VipTicket, "manager") == VipTicket.manager
    with pytest.raises(AttributeError):
        _ = Ticket.manager


def test_a_misspelt_field_names_the_fields() -> None:
    """A misspelt field is an AttributeError that lists the fields."""

    with pytest.raises(AttributeError, match=r"^Ticket has no field 'qery'\. Fields: query, invoice, verified, level$"):
        _ = Ticket.qery


def test_instances_answer_with_values() -> None:
    """A field read on an instance is its value."""

    assert "hi" == Ticket(query="hi").query


def test_aliased_fields_are_referred_to_by_name() -> None:
    """A field with an alias is referred to by its own name."""

    class Aliased(Context):
        query: str = Field(alias="q")

    assert FieldRef(Aliased, "query") == Aliased.query


@pytest.mark.parametrize("wrong", ["query", None, 3, Ticket, Ticket.mentions])
def test_only_references_name_fields(wrong: object) -> None:
    """A string or anything else that is no reference does not name a field."""

    with pytest.raises(ContextError, match=r"is not a field\. Name fields as attributes of a context class"):
        field_refs((Ticket.query, wrong))


def test_references_keep_their_order() -> None:
    """References are taken as they were written."""

    assert (Ticket.level, Ticket.query) == field_refs(iter([Ticket.level, Ticket.query]))


def test_given_fields_are_the_required_and_the_marked() -> None:
    """A required field and one marked Given are there from the start; one with a mere default is not."""

    class Marked(Context):
        query: str
        locale: Given[str] = "en"
        zone: Given[str] = "utc"
        maybe: Annotated[str | None, "Given"] = None

    assert {"query", "locale", "zone"} == given_fields(Marked)


def test_private_attributes_do_not_change_behind_the_journal() -> None:
    """A private attribute is refused, or as frozen as a field: it is no way round the journal."""

    try:

        class Sly(Context):
            query: str
            _seen: int = PrivateAttr(default=0)

    except DefinitionError:
        return
    sly = Sly(query="hi")

    with pytest.raises((ValidationError, TypeError, AttributeError)):
        sly._seen = 5


def test_fields_are_frozen() -> None:
    """A context is never written in place."""

    with pytest.raises(ContextError, match=r"frozen\. .*return \{Ticket\.\w+: \.\.\.\}"):
        Ticket(query="hi").query = "ho"  # type: ignore[misc]


def test_unknown_fields_are_refused() -> None:
    """A context takes no field that it does not declare."""

    with pytest.raises(ValidationError, match="Extra inputs"):
        Ticket(query="hi", qery="ho")  # type: ignore[call-arg]


@pytest.mark.parametrize("field", ["secret", "hidden"])
def test_what_a_journal_would_lose_is_no_field(field: str) -> None:
    """Fields that are masked or left out when they are written are refused: secrets belong in dependencies."""
    kinds = {"secret": (SecretStr | None, None), "hidden": (str, Field(default="", exclude=True))}

    with pytest.raises(DefinitionError, match=f"{field} is masked or left out when it is written"):
        create_model("Private", __base__=Context, **{field: kinds[field]})


@pytest.mark.parametrize("config", [{"frozen": False}, {"extra": "allow"}])
def test_a_context_stays_frozen_and_closed(config: dict[str, Any]) -> None:
    """A subclass cannot take back that contexts are frozen and hold no unknown fields."""
    with pytest.raises(DefinitionError, match="is configured with frozen off, or with extra fields allowed"):
        type("Loose", (Context,), {"model_config": config})
