"""Watched views of a context: they report each field that is read, and are otherwise as the context is."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tickets import Cached, Ticket, VipTicket

from fsm_orch.define.context import Context
from fsm_orch.define.watched import watched
from fsm_orch.errors import ContextError


def reads_of(look: Callable[[Any], object], context: Context | None = None) -> set[str]:
    reads: set[str] = set()
    look(watched(context or Ticket(query="red dress", level=5), reads.add))
    return reads


ALL = {"query", "invoice", "verified", "level"}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda t: None, set()),
        (lambda t: t.query, {"query"}),
        (lambda t: getattr(t, "invoice"), {"invoice"}),  # noqa: B009
        (operator.attrgetter("level"), {"level"}),
        (lambda t: t.is_urgent, {"level", "verified"}),
        (lambda t: t.mentions("red"), {"query"}),
        (lambda t: t.length, {"query"}),
        (lambda t: t.verified and t.invoice, {"verified"}),
        (lambda t: t.verified or t.invoice, {"verified", "invoice"}),
        (lambda t: t.invoice is None or t.level, {"invoice"}),
        (lambda t: isinstance(t, Ticket), set()),
        (lambda t: hasattr(t, "level"), {"level"}),
        (lambda t: t.model_dump(), ALL),
        (lambda t: t.model_dump(include={"query"}), ALL),
        (lambda t: t.model_dump_json(), ALL),
        (dict, ALL),
        (vars, ALL),
        (repr, ALL),
        (hash, ALL),
        (copy.copy, ALL),
        (copy.deepcopy, ALL),
        (lambda t: t.model_copy(), ALL),
        (lambda t: t == Ticket(query="x"), ALL),
        (lambda t: Ticket(query="x") == t, ALL),
        (lambda t: {f: getattr(t, f) for f in type(t).model_fields}, ALL),
    ],
    ids=range(25),
)
def test_reads_are_seen(look: Callable[[Any], object], expected: set[str]) -> None:
    """A view reports each field that is read of it, through properties and methods, and no field that is not."""

    assert expected == reads_of(look)


def test_structural_patterns_are_seen() -> None:
    """A match statement on a view matches its class and reports the fields it looks at."""

    def look(t: Ticket) -> None:
        match t:
            case Ticket(verified=True):
                raise AssertionError
            case Ticket(level=5):
                pass

    assert {"verified", "level"} == reads_of(look)


def test_which_fields_are_set_is_a_read() -> None:
    """Whether a field was set depends on who wrote, so asking for it reads every field."""

    assert reads_of(lambda t: t.model_fields_set) == ALL


def test_cached_properties_hide_no_read() -> None:
    """A cached property shows what it reads each time it is looked at, in every view."""

    context = Cached(level=5)
    reads: set[str] = set()
    _ = watched(context, reads.add).is_high

    assert "level" in reads
    assert "level" in reads_of(lambda t: t.is_high, context)


def test_a_view_leaves_its_context_alone() -> None:
    """Looking at a view puts nothing into the context behind it."""

    context = Cached(level=5)
    _ = watched(context, lambda name: None).is_high

    assert {"level": 5, "invoice": None} == vars(context)


def test_a_view_is_an_equal_instance() -> None:
    """A view is an instance of its context's class, equal to it, with the same hash and text."""

    context = Ticket(query="hi")
    view = watched(context, lambda name: None)

    assert isinstance(view, Ticket)
    assert Ticket is view.__class__
    assert context == view
    assert view == context
    assert hash(context) == hash(view)
    assert repr(context) == repr(view)
    assert Ticket(query="ho") != view


def test_what_the_watcher_raises_reaches_the_reader() -> None:
    """A watcher forbids a field by raising."""

    def forbid(name: str) -> None:
        if name == "invoice":
            raise ContextError("not yours")

    view = watched(Ticket(query="hi"), forbid)

    assert "hi" == view.query
    for look in (lambda: view.invoice, view.model_dump, lambda: repr(view), lambda: vars(view)):
        with pytest.raises(ContextError, match="not yours"):
            look()


def test_a_view_is_frozen_too() -> None:
    """A view is no way to write a context."""

    with pytest.raises(ContextError, match=r"frozen\. .*return \{Ticket\.\w+: \.\.\.\}"):
        watched(Ticket(query="hi"), lambda name: None).query = "ho"  # type: ignore[misc]


def test_views_of_derived_contexts_report_inherited_fields() -> None:
    """A view of a derived context reports fields of its base, whichever class was watched first."""

    reads_of(lambda t: t.query)
    vip = VipTicket(query="hi", manager="Ann")

    assert {"query"} == reads_of(lambda t: t.query, vip)
    assert {"manager"} == reads_of(lambda t: t.manager, vip)
    assert {*ALL, "manager"} == reads_of(lambda t: t.model_dump(), vip)


@given(st.lists(st.sampled_from(sorted(ALL))))
def test_reads_are_exactly_what_was_read(names: list[str]) -> None:
    """Reading some fields reports those, in order."""

    reads: list[str] = []
    view = watched(Ticket(query="hi", invoice="I7", level=2), reads.append)

    assert [getattr(Ticket(query="hi", invoice="I7", level=2), name) for name in names] == [
        getattr(view, name) for name in names
    ]
    assert names == reads
