"""The context of a function, as its annotations tell it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from support.tickets import Ticket, VipTicket

from fsm_orch import State
from fsm_orch.define.annotations import annotated_context, why_no_visit


def test_annotations_tell_the_context() -> None:
    """The context of a function is that of its first parameter, also inside brackets or as text."""

    def plainly(t: Ticket) -> bool: ...
    def in_brackets(v: tuple[VipTicket]) -> bool: ...
    def not_at_all(t) -> Ticket: ...  # type: ignore[no-untyped-def]
    def another(t, other: Ticket) -> bool: ...  # type: ignore[no-untyped-def]

    class Callable_:
        def __call__(self, t: Ticket) -> bool: ...

    assert Ticket is annotated_context(plainly, {})
    assert VipTicket is annotated_context(in_brackets, {})
    assert None is annotated_context(not_at_all, {})
    assert None is annotated_context(another, {})
    assert Ticket is annotated_context(Callable_(), {})
    assert None is annotated_context(functools.partial(plainly), {})


@pytest.mark.parametrize("annotation", ["Missing", "Ticket.missing", "not an annotation", "Ticket[", "1 / 0"])
def test_annotations_that_cannot_be_resolved_tell_nothing(annotation: str) -> None:
    """An annotation that cannot be resolved is no context, and no exception."""

    def function(t: Any) -> bool: ...

    function.__annotations__ = {"t": annotation}

    assert None is annotated_context(function, {})


def of_context(function: Any) -> Any:
    """Return a function of the visit that gives a function its context."""

    @functools.wraps(function)
    def agent(visit: Any) -> Any:
        return function(visit.context)

    return agent


def retries(visit, most: int = 3): ...  # type: ignore[no-untyped-def]
def named(visit, *, name: str = ""): ...  # type: ignore[no-untyped-def]
def anything(visit: Any) -> None: ...


@of_context
def adapted(ticket: Ticket) -> None: ...


class Acting:
    """Methods whose visit is not annotated."""

    def __call__(me, visit, most: int = 3): ...  # type: ignore[no-untyped-def]  # noqa: N805

    @classmethod
    def act(cls, visit, most: int = 3): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize("function", [retries, named, anything, adapted, Acting(), Acting.act])
def test_a_function_that_takes_the_visit_is_an_agent(function: Any) -> None:
    """Whatever its other parameters are annotated for, and whatever the function takes that it wraps."""
    assert None is why_no_visit(function, {})
    assert State(function).spec.kind == "code"


def test_a_first_parameter_that_is_no_visit_is_told() -> None:
    """Also of a method, and where another parameter stands behind it."""

    class Methods:
        def act(me, ticket: Ticket, most: int = 3) -> None: ...  # noqa: N805

    assert why_no_visit(Methods().act, {}) == (
        "act is called with a visit, and is annotated for Ticket: "
        "write def act(visit: Visit[Ticket]), and read visit.context"
    )
