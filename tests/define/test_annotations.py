"""The context of a function, as its annotations tell it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from support.tickets import Ticket, VipTicket

from fsm_orch.define.annotations import annotated_context


def test_annotations_tell_the_context() -> None:
    """The context of a function is that of its first parameter, also inside brackets or as text."""

    def plainly(t: Ticket) -> bool: ...
    def in_brackets(v: tuple[VipTicket]) -> bool: ...
    def not_at_all(t) -> Ticket: ...  # type: ignore[no-untyped-def]

    class Callable_:
        def __call__(self, t: Ticket) -> bool: ...

    assert Ticket is annotated_context(plainly, {})
    assert VipTicket is annotated_context(in_brackets, {})
    assert None is annotated_context(not_at_all, {})
    assert Ticket is annotated_context(Callable_(), {})
    assert None is annotated_context(functools.partial(plainly), {})


@pytest.mark.parametrize("annotation", ["Missing", "Ticket.missing", "not an annotation", "Ticket[", "1 / 0"])
def test_annotations_that_cannot_be_resolved_tell_nothing(annotation: str) -> None:
    """An annotation that cannot be resolved is no context, and no exception."""

    def function(t: Any) -> bool: ...

    function.__annotations__ = {"t": annotation}

    assert None is annotated_context(function, {})
