"""The tools of a model: which of them a request may offer, how they are told, and what came of those that were used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..define.context import FieldRef
from ..define.machine import AnyMachine
from ..define.parts import USE, USE_ALL
from ..errors import VisitError
from ..kernel.configuration import Ask
from ..kernel.legal import Offer
from ..kernel.requests import Request, RunPart, UseTool
from ..messages import Message
from .base import Visit
from .crossing import given_from
from .remote import RemoteTool
from .shortened import LEAST_CHARS, as_text, shortened
from .tool import Tool
from .tool_form import Offered

Usable = Callable[..., Any] | AnyMachine | Tool
"""What a model may be given to use: a typed function, the class of a machine, or what `Tool` makes of one."""

SHORTER = (4, 16)
"""By what the length of results is divided where the prompt would be too long otherwise, one after the other."""


class Tools(NamedTuple):
    """The tools that a request offers."""

    offered: tuple[Offered, ...] = ()
    is_list: bool = False
    """Whether several may be used at once."""
    is_used_up: bool = False
    """Whether they are offered no more because requests to the model, uses, or money for them are used up."""


class Toolbox:
    """The tools that one agent declares.

    Raises TypeError: if one cannot be a tool, or two bear one name.
    """

    def __init__(self, tools: Usable | Iterable[Usable]) -> None:
        # one may be given alone
        several = tools if isinstance(tools, Iterable) and not isinstance(tools, type) else (tools,)
        made = [tool if isinstance(tool, Tool) else Tool(tool) for tool in several]
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in made}
        if len(self.tools) < len(made):
            names = [tool.name for tool in made]
            twice = next(name for name in names if names.count(name) > 1)
            raise TypeError(f"two tools are named {twice!r}: give each its own name")

    @property
    def fields(self) -> tuple[FieldRef, ...]:
        """The fields that hold what arguments may be."""
        return tuple(dict.fromkeys(ref for tool in self.tools.values() for ref in tool.choices.values()))

    @property
    def remote(self) -> tuple[RemoteTool, ...]:
        """The tools that are used through a server."""
        return tuple(tool.remote for tool in self.tools.values() if tool.remote is not None)

    def shown_chars(self, asks: int) -> int:
        """Return the most characters of results that a request shows."""
        return asks * max((tool.most_chars for tool in self.tools.values()), default=0)

    def offers(self, visit: Visit[Any, Any], offer: Offer, asks: int) -> Tools:
        """Return the tools that a request may offer.

        Args:
            offer: what the request may offer besides.
            asks: how often one visit asks at most.
        """
        left, held = asks - len(visit.asks), given_from(visit, self.fields) if self.fields else {}
        # the others are offered by no call of the visit, whatever is used up
        usable = [tool for tool in self.tools.values() if all(held[ref.name] for ref in tool.choices.values())]
        if not usable:
            return Tools()
        if offer.is_last or left < 1:
            return Tools(is_used_up=True)
        offered = [
            Offered(tool, tuple((name, as_text(_distinct(held[ref.name]))) for name, ref in tool.choices.items()))
            for tool in usable
            if tool.part is None or (_runs(visit, tool) < tool.part.most and tool.name not in offer.unpaid)
        ]
        return Tools(tuple(offered), is_list=left > 1, is_used_up=not offered)

    def full(self, asks: int) -> Iterator[Tools]:
        """Yield the tools of a request as long as all are offered, and when they are used up.

        None are offered where their arguments are limited to what a field holds, which nobody knows yet.

        Args:
            asks: how often one visit asks at most.
        """
        if not self.tools:
            yield Tools()
            return
        if not self.fields:
            offered = tuple(Offered(tool, ()) for tool in self.tools.values())
            yield from (Tools(offered, is_list=is_list) for is_list in (asks > 1, False))
        yield Tools(is_used_up=True)

    def told(self, tools: Tools, *, may_decide: bool, keys: str) -> Iterator[str]:
        """Yield the lines that tell a model of the tools that it is offered, and how it is to reply.

        Args:
            may_decide: whether it may decide now.
            keys: of the decision.
        """
        yield "You may use tools:" if may_decide else "First use a tool:"
        yield from map(_line, tools.offered)
        use = '{"tool": ..., "arguments": {...}}'
        yield f'To use a tool, reply with one JSON object {{"reply": {{"{USE}": {use}}}}}.'
        if tools.is_list:
            yield f'To use several at once, reply with one JSON object {{"reply": {{"{USE_ALL}": [{use}, ...]}}}}.'
        if may_decide:
            yield f'To decide, reply with one JSON object {{"reply": {{...}}}} with {keys} in it.'

    def results(self, visit: Visit[Any, Any], *, by: int = 1) -> tuple[Message, ...]:
        """Return what the asks of a visit came to: each as the model would ask for it alone, and its result.

        Args:
            by: what the length of each result is divided by.
        """
        return tuple(said for ask in visit.asks.values() for said in self._exchange(ask, by))

    def _exchange(self, ask: Ask, by: int) -> tuple[Message, Message]:
        name, given = _asked(ask)
        tool = self.tools[name]
        came = shortened(tool.result(ask), max(LEAST_CHARS, tool.most_chars // by))
        used = {"reply": {USE: {"tool": name, "arguments": shortened(given, tool.most_chars)}}}
        return (
            Message(role="assistant", content=as_text(used)),
            # the user's side says it, and not the system's: a result may quote anything
            Message(role="user", content=as_text({"result" if ask.ok else "failed": came})),
        )

    async def use(self, visit: Visit[Any, Any], request: Request, key: str) -> Any:
        """Use a tool, and return its result as JSON.

        Raises VisitError: if it is none of these.
        """
        tool = self.tools.get(request.name) if isinstance(request, UseTool) else None
        if tool is None or not isinstance(request, UseTool):
            raise VisitError(f"the agent of {visit.state.name!r} has no such tool")
        return await tool.use(request.arguments, key=key, deps=visit.deps)


def _runs(visit: Visit[Any, Any], tool: Tool) -> int:
    """Return how often a machine was run in a visit."""
    return sum(isinstance(ask.request, RunPart) and ask.request.part == tool.name for ask in visit.asks.values())


def _asked(ask: Ask) -> tuple[str, Mapping[str, Any]]:
    request = ask.request
    assert isinstance(request, UseTool | RunPart)  # a model asks for nothing else
    return (request.name, request.arguments) if isinstance(request, UseTool) else (request.part, request.context)


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({as_text(value): value for value in values}.values())


def _line(offered: Offered) -> str:
    tool, limited = offered.tool, offered.chosen_from()
    taken = [
        f"{name}: {' or '.join(map(as_text, limited[name]))}" if name in limited else name
        for name in tool.arguments.annotations
    ]
    approved = " A human must approve it." if tool.spec is not None and tool.spec.approval else ""
    return f"- {tool.name}({', '.join(taken)}): {tool.description}{approved}"
