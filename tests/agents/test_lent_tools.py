"""Tools of other libraries: used as any tool is, or refused with all that would be lost."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from support.foreign import ABSENT, PACKAGES, is_there
from support.lending import SEEN, of_langchain, of_openai_agents, of_pydantic_ai, order_status, real, with_context
from support.shop import DONE, SOLVED, Ticket, desk, run, told, use

from fsm_orch import Machine, Tool
from fsm_orch.kernel.records import Answered
from fsm_orch.testing import assert_replays


class Found(BaseModel):
    """What a tool may return."""

    name: str
    places: tuple[int, ...]


PLAIN: dict[str, Callable[..., Any]] = {
    "openai-agents, as it looks": of_openai_agents,
    "langchain, as it looks": of_langchain,
    "pydantic-ai, as it looks": of_pydantic_ai,
}
REAL = {name: lambda name=name: real(name) for name in PACKAGES if is_there(name)}
each = pytest.mark.parametrize("make", [*PLAIN.values(), *REAL.values()], ids=[*PLAIN, *REAL])


@pytest.fixture(autouse=True)
def context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a context for tools of openai-agents."""
    SEEN.clear()
    with_context(monkeypatch)


def answers(machine: type[Machine[Ticket]], *script: Any, **options: Any) -> list[Answered]:
    """Run a machine on a script, and return what tools answered; its journal is folded again."""
    result, _ = run(machine, *script, **options)
    assert_replays(machine, result)
    return [record for record in result.records if isinstance(record, Answered)]


@each
def test_a_lent_tool_is_used_as_any_tool(make: Callable[..., Any]) -> None:
    """Its use is journaled, and what it returned is shown in the next request."""
    result, model = run(desk(Tool.of(make())), use("order_status", order=4711, note="now"), DONE)

    assert "done" == result.state.name
    assert '{"result":"4711: now"}' == told(model)
    assert "- order_status(order, note): Return where an order is." in model.requests[0].messages[0].content


@each
def test_what_may_be_left_out_is_left_out(make: Callable[..., Any]) -> None:
    """The model is asked for every argument; null stands for one that has a default."""
    _, model = run(desk(Tool.of(make())), use("order_status", order=4711, note=None), DONE)

    assert '{"result":"4711: none"}' == told(model)


@each
def test_a_lent_tool_that_fails_has_failed(make: Callable[..., Any]) -> None:
    """What it raised is no result."""
    (answered,) = answers(desk(Tool.of(make())), use("order_status", order=-1, note="x"), DONE)

    assert not answered.ok


@each
def test_arguments_that_do_not_fit_are_refused(make: Callable[..., Any]) -> None:
    """They are held against the library's own schema, and the tool is not called."""
    _, model = run(desk(Tool.of(make())), use("order_status", order="one", note="x"), SOLVED, SOLVED, SOLVED)

    assert "The arguments of order_status did not fit: order: 'one' is not of type 'integer'" in told(model, 1)


@each
def test_a_lent_tool_takes_choices_and_approval(make: Callable[..., Any]) -> None:
    """What a field holds limits an argument, and a human is asked before a use, as for any tool."""
    limited = Tool.of(make(), choices={"order": Ticket.numbers})
    machine = desk(Tool.of(make(), approval=True), expires_s=60)
    _, model = run(desk(limited), DONE, numbers=(815,))
    waiting, _ = run(machine, use("order_status", order=1, note="x"))

    assert "order_status(order: 815, note)" in model.requests[0].messages[0].content
    assert "waiting" == waiting.status


def test_the_context_of_openai_agents_has_key_and_dependencies() -> None:
    """The idempotency key is the id of the call, and the dependencies are the context."""
    import asyncio

    tool = Tool.of(of_openai_agents())
    asyncio.run(tool.use({"order": 1}, key="run:1", deps="the shop"))

    assert [("run:1", "the shop", "order_status")] == [(c.tool_call_id, c.context, c.tool_name) for c in SEEN]


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        (of_openai_agents(_use_default_failure_error_function=True), "failure_error_function=None"),
        (of_openai_agents(_failure_error_function=str), "a failure would be read as a result"),
        (of_openai_agents(is_enabled=lambda *_: True), "is_enabled="),
        (of_openai_agents(is_enabled=False), "is_enabled="),
        (of_openai_agents(tool_input_guardrails=[1]), "tool_input_guardrails="),
        (of_openai_agents(tool_output_guardrails=[1]), "tool_output_guardrails="),
        (of_openai_agents(needs_approval=lambda *_: True), "give approval=True"),
        (of_openai_agents(_is_agent_tool=True), "put that agent into a state"),
        (of_langchain(handle_tool_error=True), "handle_tool_error="),
        (of_langchain(handle_validation_error="no"), "handle_validation_error="),
        (of_langchain(return_direct=True), "return_direct="),
        (of_langchain(metadata={"__handoff_destination": "billing"}), "write a handoff"),
        (of_langchain(_injected_args_keys=frozenset({"state"})), "it is given state by LangChain"),
        (of_pydantic_ai(takes_ctx=True), "takes a RunContext"),
        (of_pydantic_ai(requires_approval=True), "give approval=True"),
        (of_pydantic_ai(prepare=print), "prepare="),
        (of_pydantic_ai(args_validator=print), "args_validator="),
    ],
)
def test_what_would_be_lost_is_refused_by_name(tool: Any, why: str) -> None:
    """The message names the tool, its library, what would be lost, and what to do."""
    with pytest.raises(TypeError, match=r"^order_status of .* cannot be a tool: ") as refused:
        Tool.of(tool)

    assert why in str(refused.value)


def test_all_that_would_be_lost_is_said_at_once() -> None:
    """Whoever mends one thing need not come back for the next."""
    with pytest.raises(TypeError, match=r"handle_tool_error=.*; .*return_direct="):
        Tool.of(of_langchain(handle_tool_error=True, return_direct=True))


def test_approval_that_a_library_asks_for_is_ours_then() -> None:
    """Given approval=True nothing is lost."""

    assert Tool.of(of_openai_agents(needs_approval=True), approval=True).spec.approval  # type: ignore[union-attr]
    assert Tool.of(of_pydantic_ai(requires_approval=True), approval=True).spec.approval  # type: ignore[union-attr]


def test_a_tool_that_is_made_by_hand_raises_by_itself() -> None:
    """Nothing catches what it raises, so it needs no word about failures."""

    async def invoke(context: Any, arguments: str) -> str:
        return arguments

    assert Tool.of(of_openai_agents(on_invoke_tool=invoke, _use_default_failure_error_function=True))


def test_the_time_that_a_library_gives_a_use_is_kept() -> None:
    """One that is given here goes before it."""
    lent = of_openai_agents(timeout_seconds=5.0)

    assert 5.0 == Tool.of(lent).spec.timeout_s  # type: ignore[union-attr]
    assert 2.0 == Tool.of(lent, timeout_s=2.0).spec.timeout_s  # type: ignore[union-attr]


def test_what_json_cannot_hold_has_failed() -> None:
    """The use has failed, and the model is told so without the value."""
    lent = of_langchain(lambda order, note="": object())
    (answered,) = answers(desk(Tool.of(lent)), use("order_status", order=1, note="x"), DONE)
    _, model = run(desk(Tool.of(lent)), use("order_status", order=1, note="x"), DONE)

    assert not answered.ok
    assert '{"failed":"it failed: it returned an object, which JSON cannot hold"}' == told(model)


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("-inf")]])
def test_a_number_that_is_no_json_has_failed(value: object) -> None:
    """As of a function of ours: JSON holds no such number."""
    lent = Tool.of(of_langchain(lambda order, note="": value))
    (answered,) = answers(desk(lent), use("order_status", order=1, note="x"), DONE)

    assert not answered.ok


@pytest.mark.parametrize("beside", [{"content": ["a picture"]}, {"tools": ["another"]}])
def test_what_a_tool_of_pydantic_ai_keeps_from_the_model_is_kept_from_it(beside: dict[str, Any]) -> None:
    """Of a ToolReturn the value is the result; its metadata is nobody's, and more than a value would be lost."""
    value: dict[str, Any] = {"return_value": "packed", "content": None, "metadata": {"card": "4111"}, "tools": None}
    back, more = SimpleNamespace(**value), SimpleNamespace(**value | beside)
    script = use("order_status", order=1, note="x"), DONE
    _, shown = run(desk(Tool.of(of_pydantic_ai(lambda order, note="": back))), *script)
    _, refused = run(desk(Tool.of(of_pydantic_ai(lambda order, note="": more))), *script)

    assert '{"result":"packed"}' == told(shown)
    assert "it returned a ToolReturn with more than its return_value" in told(refused)


def test_a_command_that_a_tool_of_langchain_returns_is_no_result() -> None:
    """It would go to another node or change a state, and here it would be a text that a model reads."""
    command = SimpleNamespace(goto="billing", update={"paid": True}, resume=None, graph=None)
    lent = Tool.of(of_langchain(lambda order, note="": command))
    _, model = run(desk(lent), use("order_status", order=1, note="x"), DONE)

    assert "it returned a Command, which nobody would follow" in told(model)
    assert "paid" not in told(model)


def test_a_model_of_pydantic_is_a_result() -> None:
    """It is JSON from there on, as a journal holds it."""
    lent = of_langchain(lambda order, note="": Found(name="x", places=(order,)))
    _, model = run(desk(Tool.of(lent)), use("order_status", order=1, note="x"), DONE)

    assert '{"result":{"name":"x","places":[1]}}' == told(model)


def test_a_schema_that_no_model_can_be_asked_for_is_refused() -> None:
    """The part of it is named."""
    schema = {"type": "object", "properties": {"order": {"type": "integer", "not": {"const": 3}}}}
    with pytest.raises(TypeError, match=r"a model cannot be asked for arguments.order, whose 'not'"):
        Tool.of(of_langchain(tool_call_schema=schema))


@pytest.mark.parametrize("thing", [order_status, 3, SimpleNamespace(name="x"), Tool(order_status)])
def test_anything_else_is_no_tool_of_others(thing: object) -> None:
    """It is told how functions and machines are given."""
    with pytest.raises(TypeError, match=r"Tool.of takes a FunctionTool of openai-agents"):
        Tool.of(thing)


@pytest.mark.parametrize("library", [*REAL, *ABSENT])
def test_the_bridge_finds_what_it_reads_of_a_real_tool(library: str) -> None:
    """A private name that is gone would let through what must be refused."""
    if library == "openai-agents":
        from agents import Agent, function_tool

        agent: Any = Agent(name="inner")
        told_text: Any = function_tool(order_status)
        inner = agent.as_tool("inner", "Run it.")
        wrong = [told_text, inner, function_tool(order_status, failure_error_function=None, is_enabled=lambda *_: True)]
    elif library == "langgraph":
        from typing import Annotated

        from langchain_core.tools import InjectedToolArg, StructuredTool

        def with_state(order: int, state: Annotated[str, InjectedToolArg]) -> str:
            """Return it."""
            return state

        # not as texts, which the library reads where this function knows no names
        with_state.__annotations__.update(order=int, state=Annotated[str, InjectedToolArg])
        handled = StructuredTool.from_function(order_status, handle_tool_error=True)
        wrong = [StructuredTool.from_function(with_state), handled]
    else:
        from pydantic_ai import RunContext
        from pydantic_ai import Tool as TheirTool

        def with_context_(ctx: RunContext[None], order: int) -> str:
            """Return it."""
            return ""

        with_context_.__annotations__["ctx"] = RunContext[None]
        wrong = [TheirTool(with_context_, takes_ctx=True), TheirTool(order_status, requires_approval=True)]
    for each_ in wrong:
        with pytest.raises(TypeError, match="cannot be a tool"):
            Tool.of(each_)


class Raising:
    """It raises whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("hush")


class Lying:
    """It says that it is a class, and has some of what a tool has."""

    @property
    def __class__(self) -> Any:
        return type

    on_invoke_tool, params_json_schema = None, MappingProxyType({"type": "object"})


class Anything:
    """It has whatever it is asked for, and none of it is a text."""

    def __getattr__(self, name: str) -> Any:
        return Anything()


@pytest.mark.parametrize(
    ("hostile", "why"),
    [
        (Raising, "not a Raising: a function or a machine"),
        (Lying, "a Lying of openai-agents cannot be a tool: name must be a text"),
        (Anything, "an Anything of openai-agents cannot be a tool: name and description must be a text"),
    ],
)
def test_an_object_that_is_no_tool_is_refused_whatever_it_says(hostile: type, why: str) -> None:
    """Nothing that it raises reaches the message."""
    with pytest.raises(TypeError, match=why) as refused:
        Tool.of(hostile())
    assert "hush" not in str(refused.value)
