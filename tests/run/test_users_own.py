"""Agents and models of a user's own: what is none says so where it is given, and what is one is taken."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.desk import Support, Ticket
from support.essays import Essay, Writing, runner, write

from fsm_orch import Reply, Response, Runner, ScriptedModel, State, Visit
from fsm_orch.agents import AgentSpec
from fsm_orch.models import Request
from fsm_orch.proof import prove


def of_a_context(ticket: Ticket) -> None:
    """A node, as another library calls it."""


def of_a_dict(state: dict[str, Any]) -> None:
    """A node of a state that is a mapping."""


class OwnModel:
    """A model of the user's own, with a part of it written otherwise."""

    name = "own:model"
    price = None

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    async def count(self, request: Request) -> int:
        return 1

    async def complete(self, request: Request) -> Response:
        return Response(text='{"handoff":"resolved"}', usage=None)


class OwnAgent:
    """An agent of the user's own, with a part of it written otherwise."""

    def __init__(self, **parts: Any) -> None:
        self.spec = AgentSpec(kind="code", name="OwnAgent", writes=(Essay.notes,), canonical={})
        vars(self).update(parts)

    async def act(self, visit: Visit[Essay]) -> Reply:
        return Reply(changes={"notes": ("one",)})


class NoAct:
    spec = OwnAgent().spec


class MethodSpec(OwnAgent):
    def __init__(self) -> None: ...

    def spec(self) -> AgentSpec:  # type: ignore[override]
        return OwnAgent().spec


def on(**parts: Any) -> Runner[Any]:
    """Make a runner on a model of the user's own."""
    return Runner(Support, model=OwnModel(**parts))


async def late(request: Request) -> int:
    return 1


async def of_nothing() -> int:
    return 1


async def of_two(one: Any, two: Any) -> Any:
    return one


async def yields(visit: Any) -> Any:
    yield visit


def steps(visit: Any, more: int) -> Any:
    yield more


@functools.wraps(late)
def wrapped(request: Request) -> Any:
    return late(request)


def handed_on(request: Request) -> Awaitable[int]:
    return late(request)


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (
            lambda: Runner(Support, model=ScriptedModel),
            TypeError,
            "model= takes 'provider:model' or a model, not the class ScriptedModel: make one, such as ScriptedModel(",
        ),
        (
            lambda: on(count=len),
            TypeError,
            "OwnModel is no model yet: its count cannot be awaited: write async def count(self, request) -> int",
        ),
        (
            lambda: on(complete=lambda request: request),
            TypeError,
            "OwnModel is no model yet: its complete cannot be awaited: write async def complete(self, request) -> Resp",
        ),
        (
            lambda: on(name=len, price=lambda: None, count=None),
            TypeError,
            "OwnModel is no model yet: its name is the function len: write name = 'provider:model'; its price is the "
            "function <lambda>: write price = Price(...), or None if it is not known; its count cannot be awaited: ",
        ),
        (
            lambda: prove(Support, model=OwnModel(count=len)),
            TypeError,
            "OwnModel is no model yet: its count cannot be awaited",
        ),
        (
            lambda: State(MethodSpec()),
            TypeError,
            "the spec of MethodSpec is the function spec: write @property above it, or spec = AgentSpec(...)",
        ),
        (
            lambda: runner(agents={Writing.drafting: MethodSpec()}),
            TypeError,
            "the spec of MethodSpec is the function spec: write @property above it, or spec = AgentSpec(...)",
        ),
        (
            lambda: State(OwnAgent(spec={"kind": "code"})),
            TypeError,
            "the spec of OwnAgent is a dict: write spec = AgentSpec(...)",
        ),
        (
            lambda: State(OwnAgent(act=lambda visit: Reply())),
            TypeError,
            "the act of OwnAgent cannot be awaited: write async def act(self, visit) -> Reply",
        ),
        (
            lambda: runner(agents={Writing.drafting: OwnAgent(act=yields)}),
            TypeError,
            "the act of OwnAgent cannot be awaited: write async def act(self, visit) -> Reply",
        ),
        (
            lambda: State(OwnAgent(act=of_nothing)),
            TypeError,
            "the act of OwnAgent does not take a visit alone: write async def act(self, visit) -> Reply",
        ),
        (
            lambda: on(count=of_nothing, complete=of_two),
            TypeError,
            "OwnModel is no model yet: its count does not take a request alone: write async def count(self, request) "
            "-> int; its complete does not take a request alone: write async def complete(self, request) -> Response",
        ),
        (
            lambda: State(of_nothing),
            TypeError,
            "of_nothing is called with the visit alone, which does not fit: write def of_nothing(visit)",
        ),
        (
            lambda: runner(agents={Writing.drafting: of_two}),
            TypeError,
            "of_two is called with the visit alone, which does not fit: write def of_two(visit)",
        ),
        (
            lambda: State(of_a_context),
            TypeError,
            "of_a_context is called with a visit, and is annotated for Ticket: "
            "write def of_a_context(visit: Visit[Ticket]), and read visit.context",
        ),
        (
            lambda: runner(agents={Writing.drafting: of_a_dict}),
            TypeError,
            "of_a_dict is called with a visit, and is annotated for dict: "
            "write def of_a_dict(visit: Visit[Ticket]), and read visit.context",
        ),
        (lambda: State(yields), TypeError, "yields yields, and an agent gives one reply: return it"),
        (
            lambda: runner(agents={Writing.drafting: functools.partial(steps, more=1)}),
            TypeError,
            "partial yields, and an agent gives one reply: return it",
        ),
        (
            lambda: runner(agents={Writing.drafting: 3}),
            TypeError,
            "a state holds an agent or a function of the visit, not 3",
        ),
        (
            lambda: runner(agents={Writing.drafting: OwnAgent}),
            TypeError,
            "a state holds an agent or a function of the visit, not <class ",
        ),
        (
            lambda: State(NoAct()),
            TypeError,
            "NoAct has a spec and no act: write async def act(self, visit) -> Reply",
        ),
        (
            lambda: prove(Support, model=3),
            TypeError,
            "model= takes 'provider:model' or a model, not an int: make one, such as ScriptedModel([...])",
        ),
    ],
)
def test_a_wrong_use_says_what_is_expected(use: Callable[[], object], error: type[Exception], said: str) -> None:
    """It is refused where it is written, with what is expected and what to do."""
    with pytest.raises(error, match=f"^{re.escape(said)}"):
        use()


@pytest.mark.parametrize("count", [late, wrapped, handed_on, functools.partial(late), AsyncMock(return_value=1)])
def test_what_can_be_awaited_is_a_model(count: Any) -> None:
    """A method that is wrapped, or hands on what another returns and says so, is as good as a coroutine function."""
    assert on(count=count).run_sync(Ticket(query="hi")).state is Support.answered


def test_own_agents_run() -> None:
    """An own agent with a spec and an act is taken by a state, and by a runner."""
    assert runner(agents={Writing.drafting: OwnAgent()}).run_sync(Essay(topic="x")).state is Writing.done


@pytest.mark.parametrize("reply", ["text", None, {"text": "x"}, Response(text=None, usage=None)])  # type: ignore[arg-type]
def test_what_is_no_response_is_told(reply: Any) -> None:
    """A model of one's own that gives something else than a response of text is told so in the landing."""

    async def complete(request: Request) -> Any:
        return reply

    result = on(complete=complete).run_sync(Ticket(query="hi"))

    assert result.landing is not None
    assert "own:model.complete gave " in result.landing.detail
    assert result.landing.detail.endswith(": it gives a Response(text=..., usage=...)")
    assert result.usage.requests == 1


@pytest.mark.parametrize("function", [len, print, functools.partial(write), OwnModel().count, write])
def test_what_takes_a_visit_is_an_agent(function: Any) -> None:
    """Whatever can be called with a visit, as far as is known, is taken by a state."""
    assert State(function).agent is function
