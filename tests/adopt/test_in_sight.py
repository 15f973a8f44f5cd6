"""Whether each result of a node is written where it stands, so that no command can be hidden in it."""

# ruff: noqa: PLR1704, B007, PLW0131 - arguments are bound again on purpose

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypedDict, cast

import pytest

from fsm_orch.adopt.in_sight import shows_ways

State = dict[str, Any]


class Notes(TypedDict):
    """What nodes share."""

    query: str


class Command:
    """Stand for that of LangGraph."""

    def __init__(self, **given: Any) -> None: ...


class Renamed(Command):
    """Stand for one that is the user's."""


MADE = Command(goto="a")


def make(to: str) -> Any:
    return Command(goto=to)


def said(notes: Notes) -> Notes:
    return notes


def said_either(notes: Notes) -> "Notes | None": ...


def a_dictionary(state: State):
    return {"query": state["query"]}


def what_was_given(state: State):
    return state


def nothing(state: State):
    state["query"] = ""


def a_command(state: State):
    if state:
        return Command(goto="a")
    return None


def a_variable(state: State):
    found = {}
    if state:
        found = Command(goto="a")
    return found


def of_a_class(state: State):
    return Notes(query="") if state else dict(state)


def several(state: State):
    return [Command(goto="a"), Command(goto="b")]


def by_a_name(state: State):
    return MADE


def by_another(state: State):
    return make("a")


def by_another_class(state: State):
    return Renamed(goto="a")


def from_a_table(state: State):
    return state["next"]


def by_default(state: State, made=MADE):
    return made


def said_another_class(state: State) -> Renamed:
    return state["next"]


def said_anything(state: State) -> object:
    return state["next"]


def said_any(state: State) -> Any:
    return state["next"]


def in_a_loop(state: State):
    for state in [MADE]:
        pass
    return state


def unpacked(state: State):
    state, _ = MADE, 1
    return state


def one_of_several(state: State):
    return [{}, make("a")]


def either(state: State):
    return state or MADE


def walrus(state: State):
    (state := MADE)
    return state


def one_by_one(state: State):
    yield MADE


def by_a_context(state: State):
    with state["lock"] as state:
        return state


def caught(state: State):
    try:
        return {}
    except ValueError as state:
        return state


def matched(state: State):
    match MADE:
        case state:
            return state


def changed_inside(state: State):
    def inner():
        nonlocal state
        state = MADE

    inner()
    return state


def added(state: State):
    state |= MADE
    return state


SHOWN = (said, a_dictionary, what_was_given, nothing, a_command, a_variable, of_a_class, several, lambda state: {})
HIDDEN = (
    *(by_a_name, by_another, by_another_class, from_a_table, by_default, said_another_class, said_anything, said_any),
    *(
        in_a_loop,
        unpacked,
        one_of_several,
        either,
        walrus,
        one_by_one,
        by_a_context,
        caught,
        matched,
        changed_inside,
        added,
    ),
    len,
)


@pytest.mark.parametrize("node", SHOWN)
def test_results_in_sight_are_sure(node: Callable[..., Any]) -> None:
    """A dictionary, what was given, and a command that is made there."""
    assert shows_ways(cast("FunctionType", node))


@pytest.mark.parametrize("node", HIDDEN)
def test_other_results_are_not(node: Callable[..., Any]) -> None:
    """What comes from elsewhere may be a command."""
    assert not shows_ways(cast("FunctionType", node))
