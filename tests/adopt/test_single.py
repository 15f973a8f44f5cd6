"""Whether a router names one node: what is written says so, or it is a fork."""

import enum
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any, Literal, TypedDict, cast

import pytest
from pydantic import BaseModel

from fsm_orch.adopt.single import commands_one, names_one

State = dict[str, Any]
Route = Literal["a", "b"]
HERE = "a"


class Command:
    """Stand for that of LangGraph."""

    def __init__(self, **given: Any) -> None: ...


Renamed = Command


class Kind(enum.Enum):
    """Stand for one of the user's."""

    A = "a"


def said_text(state: State) -> str:
    return state["to"]


def said_choice(state: State) -> Literal["a", "b"]:
    return state["to"]


def said_alias(state: State) -> "Route":
    return state["to"]


def said_either(state: State) -> Kind | None:
    return state["to"]


def constants(state: State):
    if state:
        return "a"
    return HERE


def through_a_variable(state: State):
    to = "a"
    if state:
        to = "b"
    return to


def declared_variable(state: State):
    to: str = state["to"]
    return to


def compared(state: State):
    return state["n"] > 3 and not state["m"]


def lowered(state: State):
    return state["to"].lower()


def several(state: State):
    to = ["a"]
    if state:
        to.append("b")
    return to


def given(state: State):
    return state["to"]


def argument(state: State):
    return state


def in_a_loop(state: State):
    to = "a"
    for to in state:
        if to:
            return to
    return to


def unpacked(state: State):
    to = "a"
    to, _ = state["both"]
    return to


def walrus(state: State):
    to = "a"
    if to := state["to"]:
        pass
    return to


def said_several(state: State) -> list[str]:
    return state["to"]


def said_bare_list(state: State) -> list:
    return state["to"]


def made_a_list(state: State):
    return list(state["to"])


def said_either_several(state: State) -> str | list[str]:
    return state["to"]


def said_any(state: State) -> Any:
    return state["to"]


def nothing(state: State):
    pass


class Loose(TypedDict):
    """Stand for what a model is asked for, which LangChain holds no reply to."""

    to: Literal["a", "b"]


class Reply(BaseModel):
    """Stand for what a model is asked for."""

    to: Literal["a", "b"]
    several: list[str]


class Wide(BaseModel):
    """Stand for what a model is asked for, with a field that may be a list, one of an enum, and a text."""

    to: str | list[str]
    kind: Kind
    several: str


class Later(BaseModel):
    """Stand for what a model is asked for, of which only type checkers know a name."""

    to: "OnlyForTypeCheckers"  # type: ignore[name-defined]  # noqa: F821


class Notes(BaseModel):
    """Stand for what a model is asked for, and for the state of a graph."""

    to: str | None = None


llm: Any = None
more: dict[str, Any] = {"include_raw": True}
models = SimpleNamespace(Notes=Notes)


def of_a_typed_state(notes: Notes):
    return notes.to


def of_a_model(state: State):
    reply = llm.with_structured_output(Reply).invoke(state)
    to = reply.to if reply else "b"
    if to == "b":
        to = HERE
    return to


async def of_a_model_in_steps(state: State):
    chain = state["prompt"] | llm.with_structured_output(Notes)
    return cast("Notes", await chain.ainvoke(state)).to


def kind_of_a_model(state: State):
    return llm.with_structured_output(Wide).invoke(state).kind


def of_a_model_elsewhere(state: State):
    return llm.with_structured_output(models.Notes).invoke(state).to


def either_of_a_model(state: State):
    return llm.with_structured_output(Wide).invoke(state).to


def unknown_of_a_model(state: State):
    return llm.with_structured_output(Later).invoke(state).to


def perhaps_raw_of_a_model(state: State):
    return llm.with_structured_output(Notes, **more).invoke(state).to


def of_one_of_two_models(state: State):
    reply = llm.with_structured_output(Wide).invoke(state)
    if state:
        reply = llm.with_structured_output(Reply).invoke(state)
    return reply.several


def of_itself(state: State):
    reply = llm.with_structured_output(Notes).invoke(state)
    reply = cast("Notes", reply)
    return reply.to


def several_of_a_model(state: State):
    return llm.with_structured_output(Reply).invoke(state).several


def of_a_dictionary(state: State):
    return llm.with_structured_output(Loose).invoke(state)["to"]


def raw_of_a_model(state: State):
    return llm.with_structured_output(Notes, include_raw=True).invoke(state).to


def of_a_pattern(state: State):
    match state:
        case {"to": HERE}:
            return HERE
    return "a"


SURE = [said_text, said_choice, said_alias, said_either, constants, through_a_variable, declared_variable, compared]
SURE += [of_a_model, of_a_model_in_steps, kind_of_a_model, of_a_model_elsewhere]
OPEN = [
    several,
    given,
    argument,
    in_a_loop,
    unpacked,
    walrus,
    said_several,
    said_either_several,
    said_bare_list,
    made_a_list,
    said_any,
    nothing,
    several_of_a_model,
    either_of_a_model,
    unknown_of_a_model,
    perhaps_raw_of_a_model,
    of_one_of_two_models,
    of_itself,
    of_a_dictionary,
    raw_of_a_model,
    of_a_typed_state,
    of_a_pattern,
]


@pytest.mark.parametrize("router", [*SURE, lowered, lambda state: "a" if state else "b"])
def test_a_router_that_names_one_is_sure(router: FunctionType) -> None:
    """Its type, or each of its results, is no collection."""
    assert names_one(router)


@pytest.mark.parametrize("router", OPEN)
def test_a_router_that_may_name_several_is_not(router: FunctionType) -> None:
    """What it returns may be a list, as far as is written."""
    assert not names_one(router)


def test_one_of_two_lambdas_in_a_line_is_not_sure() -> None:
    """Which of them it is, Python does not tell."""
    both: list[Callable[..., Any]] = [lambda state: "a", lambda state: state["several"]]

    assert not any(names_one(each) for each in both if isinstance(each, FunctionType))


def to_a_constant(state: State):
    return Command(goto="a" if state else "b")


def to_a_name(state: State):
    to: Literal["a", "b"] = state["to"]
    return Renamed(goto=to, update={})


def to_what_was_said(state: State):
    return Command(goto=state["to"])


def by_a_mapping(state: State):
    return Command(**state)


def by_another(state: State):
    return to_a_constant(state) if state else Command(goto="a")


def to_what_a_model_said(state: State):
    return Command(goto=llm.with_structured_output(Reply).invoke(state).to)


def to_what_a_dictionary_says(state: State):
    return Command(goto=llm.with_structured_output(Loose).invoke(state).get("to", "a"))


def by_a_method(self, state: State):
    return self.go(state) if state else Command(goto="a")


def by_none(state: State):
    return state


@pytest.mark.parametrize("node", [to_a_constant, to_a_name, to_what_a_model_said])
def test_commands_to_one_are_sure(node: FunctionType) -> None:
    """Each is made where it is seen, and goes to one node."""
    assert commands_one(node)


@pytest.mark.parametrize(
    "node", [to_what_was_said, to_what_a_dictionary_says, by_a_mapping, by_another, by_a_method, by_none]
)
def test_other_commands_are_not(node: FunctionType) -> None:
    """Where they go may be a list, or is said elsewhere."""
    assert not commands_one(node)
