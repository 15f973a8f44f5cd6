"""Graphs of LangGraph, and agents of LangChain, as agents of states; needs the extra `langgraph`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn, Unpack

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tracers.context import register_configure_hook
from langchain_core.utils.function_calling import convert_to_openai_tool

from ...define.source import qualified_name, where_called
from ...errors import VisitError
from ...messages import Message
from ..base import Visit
from ..lenders import HANDS_OVER_TO
from .exchange import Answered, Exchange, Wanted, came, used
from .foreign import ForeignAgent, Options

_TYPE = "fsm_orch"
"""What a metered chat model calls itself where LangChain tells of a request."""

_STOPPED = "__interrupt__"
"""What LangGraph sets in what a graph came to, if it stopped on the way."""


class MeteredChat(BaseChatModel):
    """The chat model of a graph that a `LangGraphAgent` runs: each request is one of the visit that is under way.

        LangGraphAgent(create_agent(MeteredChat(), tools=[order_status]), reads=Conv.query, writes=Conv.answer)

    A node asks it with `await`: `await model.ainvoke(messages)`.
    """

    cache: Any = False
    """Never: what LangChain keeps for a whole process would be the answer to one run, given to another."""

    @property
    def _llm_type(self) -> str:
        return _TYPE

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, parallel_tool_calls: bool = True, **_: Any
    ) -> Any:
        """Return it with tools.

        Args:
            tools: whatever LangChain takes for one.
            tool_choice: None or "auto": it may decide instead; anything else: it uses a tool.
            parallel_tool_calls: whether it may use several at once.
        """
        told, handing_over = list[Any](), dict[str, str]()
        for tool in tools:
            said = convert_to_openai_tool(tool)["function"]
            destination = (getattr(tool, "metadata", None) or {}).get(HANDS_OVER_TO)
            if destination is None:
                told.append(said)
            else:
                handing_over[said["name"]] = destination
        must_use = tool_choice not in (None, False, "auto", "none")
        return self.bind(
            fsm_tools=told, fsm_handing_over=handing_over, fsm_must_use=must_use, fsm_is_list=parallel_tool_calls
        )

    def _generate(self, *_: Any, **__: Any) -> NoReturn:
        raise VisitError("a MeteredChat is asked with await: write an async node, await model.ainvoke(...)")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **given: Any) -> ChatResult:
        at_work = _AT_WORK.get(None)
        if at_work is None:
            raise VisitError(
                "a MeteredChat has no model of its own: run its graph in a state, by LangGraphAgent(graph)"
            )
        answered = await at_work.ask(messages, given)
        calls = [
            {"name": use.name, "args": dict(use.arguments), "id": at_work.exchange.next_id()} for use in answered.uses
        ]
        usage: Any = None
        if answered.usage is not None:
            taken, written = answered.usage.input_tokens, answered.usage.output_tokens
            usage = {"input_tokens": taken, "output_tokens": written, "total_tokens": taken + written}
        said = AIMessage(answered.text, tool_calls=calls, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=said)])


class LangGraphAgent(ForeignAgent):
    """A compiled graph of LangGraph, such as `create_agent` makes, as the agent of a state.

        graph = create_agent(MeteredChat(), tools=[invoice_of])
        billing = State(LangGraphAgent(graph, reads=Conv.query, writes=Conv.answer))

    The graph runs as it is, and asks the state's model through `MeteredChat`. What is decided last, by whichever node,
    is the reply: the handoffs are those of the state, and the fields those that it writes. What nodes make of it
    afterwards is not read. Its runtime `context` is the dependencies of the run.

    A graph whose nodes ask another chat model of LangChain is refused before the request is sent, and one that asks
    none is refused when it ends. A node that asks a provider's client by itself is seen by nobody, and not metered.

    Args:
        graph: compiled, without a checkpointer, and with messages in its state.
        options: what it reads and writes, its calls, caps, model, settings and window: see `Options`.
        version: told to the digest. Its code cannot be read, such as a prompt that `create_agent` was given: so change
            this when the graph changes.

    It is taken for code, which after a crash does not act again unless its state is `repeatable`.

    Raises TypeError: if it is not compiled, has a checkpointer, stops for a human, or a node holds a model of its own;
        or as an `LLMAgent`.
    Raises ValueError: as an `LLMAgent` does.
    """

    def __init__(self, graph: Any, *, version: str = "", **options: Unpack[Options]) -> None:
        if not hasattr(graph, "ainvoke") or not hasattr(graph, "builder"):
            raise TypeError("LangGraphAgent takes a compiled graph: create_agent(...), or builder.compile()")
        if graph.checkpointer:
            raise TypeError("a graph with a checkpointer goes on where it was: compile it without, a run is journaled")
        if graph.interrupt_before_nodes or graph.interrupt_after_nodes:
            raise TypeError("a graph that stops for a human is not gone on with: leave out interrupt_before=, _after=")
        if own := sorted(set(_own_models(graph))):
            raise TypeError(f"{'; '.join(own)}, which is not metered: give the graph MeteredChat() instead")
        super().__init__(
            "LangGraphAgent",
            known_as=graph.name or "graph",
            acts=True,
            canonical={
                "nodes": dict(_nodes(graph)),
                "edges": sorted(map(list, graph.builder.edges)),
                "version": version,
            },
            where=where_called(),
            **options,
        )
        self._graph = graph
        # between two requests each node may have its turn, those before the first and after the last one too
        self._most_steps = (len(graph.builder.nodes) + 2) * (self.spec.calls + 1)

    async def _run(self, visit: Visit[Any, Any], exchange: Exchange) -> None:
        at_work, watching = _AT_WORK.set(_AtWork(self, exchange)), _WATCHING.set(_OnlyMetered())
        try:
            came_to = await self._graph.ainvoke(
                {"messages": [HumanMessage(self.asked(visit))]},
                config={"recursion_limit": self._most_steps},
                context=visit.deps,
            )
        finally:
            _WATCHING.reset(watching)
            _AT_WORK.reset(at_work)
        if isinstance(came_to, Mapping) and _STOPPED in came_to:
            raise VisitError(f"{self.known_as!r} stopped to ask a human, and nobody goes on with it: use a HumanAgent")

    def _undecided(self, exchange: Exchange) -> str:
        if not exchange.has_asked:
            return f"{self.known_as!r} ended, and asked no MeteredChat: give it to the graph instead of its own model"
        return f"{super()._undecided(exchange)}: leave out response_format= and return_direct="


class _AtWork:
    """The requests of the graph that a visit runs."""

    def __init__(self, agent: LangGraphAgent, exchange: Exchange) -> None:
        self._agent = agent
        self.exchange = exchange

    async def ask(self, messages: Sequence[BaseMessage], given: Mapping[str, Any]) -> Answered:
        """Ask the model of the visit."""
        tools = given.get("fsm_tools", ())
        wanted = Wanted(
            instructions="\n".join(said.text for said in messages if said.type == "system"),
            messages=tuple(_messages(messages)),
            tools=tuple(self._agent.tool(t["name"], t.get("description"), t["parameters"]) for t in tools),
            handing_over=given.get("fsm_handing_over", {}),
            must_use=given.get("fsm_must_use", False),
            is_list=given.get("fsm_is_list", True),
        )
        return await self.exchange.ask(wanted)


_AT_WORK: ContextVar[_AtWork] = ContextVar("_AT_WORK")


class _OnlyMetered(BaseCallbackHandler):
    """Refuse each request to another chat model, before it is sent."""

    # not an async one: to that, a node that asks without `await` would not listen
    raise_error = True
    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:  # noqa: ARG002
        asked = (told.get("invocation_params") or {}).get("_type")
        if asked != _TYPE:
            raise VisitError(f"the graph asks a chat model of its own ({asked}), which is not metered: MeteredChat()")

    def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:  # noqa: ARG002
        raise VisitError("the graph asks a model of its own, which is not metered: MeteredChat()")


_WATCHING: ContextVar[_OnlyMetered | None] = ContextVar("_WATCHING", default=None)
# not by the config of the graph: a node that gives callbacks of its own would take it away
register_configure_hook(_WATCHING, inheritable=True)


def _function(node: Any) -> Any:
    """Return the function that a node runs; None if it runs something else, such as another graph."""
    return getattr(node.runnable, "afunc", None) or getattr(node.runnable, "func", None)


def _nodes(graph: Any) -> Iterator[tuple[str, str]]:
    for name, node in graph.builder.nodes.items():
        yield name, qualified_name(_function(node)) or type(node.runnable).__name__


def _own_models(graph: Any) -> Iterator[str]:
    """Yield the models that the functions of nodes name, and that are not metered; not all can be seen."""
    for name, node in graph.builder.nodes.items():
        function = _function(node)
        if inspect.isfunction(function):
            known = inspect.getclosurevars(function)
            for held in (*known.nonlocals.values(), *known.globals.values(), node.runnable):
                model = getattr(held, "bound", held)  # with tools, or with settings
                if isinstance(model, BaseLanguageModel) and not isinstance(model, MeteredChat):
                    yield f"node {name!r} has a {type(model).__name__}"


def _messages(messages: Sequence[BaseMessage]) -> Iterator[Message]:
    """Yield what was said so far, but for instructions, in messages that any model takes."""
    for said in messages:
        if said.type == "tool":
            yield came(_text(said), has_failed=getattr(said, "status", "success") == "error")
        elif said.type == "ai":
            for call in getattr(said, "tool_calls", ()):
                yield used(call["name"], call["args"])
            if said.text:
                yield Message(role="assistant", content=_text(said))
        elif said.type != "system":
            yield Message(role="user", content=_text(said))


def _text(said: BaseMessage) -> str:
    # a plain text: `said.text` is of a class of its own, which no journal takes
    return str(said.text) or json.dumps(said.content, default=str)
