"""LLM agents: one request, whose reply decides or asks for tools, always of what is legal now."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from msgspec.structs import replace

from ..define.agent_spec import AgentSpec
from ..define.context import Context, field_refs
from ..define.defaults import said
from ..define.source import where_called
from ..define.states import Handoff
from ..errors import CallFailed, VisitError
from ..kernel.legal import Offer
from ..kernel.reasons import Refusal
from ..kernel.requests import Request, RunPart
from ..limits import CallLimits
from ..messages import Message
from ..models.fallback import Fallback
from ..models.metered import Said
from ..settings import AS_THEY_ARE, ModelSettings
from .base import Reply, Round, Visit
from .decision import Form, form
from .llm_arguments import asks_of, check_kinds, name_of, phrases_of, settings_of
from .prompts import Prompts
from .read_reply import read_reply
from .remote import RemoteTool
from .summary import Summaries
from .tool_form import ToolForm, tool_form
from .toolbox import Toolbox, Tools, Usable
from .window import Window
from .written import Written

_MOST_MENUS = 256
"""How many menus an agent keeps, with form and instructions; a state of eight exits has no more."""


class LLMAgent:
    """A model that reads some fields, writes some fields, and chooses a handoff.

    Args:
        instructions: what it is to do.
        does: what it is for, one phrase or several.
        must_not: what it leaves to others, one phrase or several.
        reads: the fields it sees, one or several; all others are hidden from it.
        writes: the fields that each of its replies writes, one or several, all of them.
        model: `provider:model`, or a `Fallback` of several; None: the runner's.
        tools: what it may use before it decides, one or several: typed functions, machines, and what `Tool` makes of
            them. What came of them is shown in the next requests of the visit, and then gone.
        tool_first: whether it must use one before it decides.
        calls: requests that one visit makes at most, repairs and those that ask for tools included. None: 2, and 4 with
            tools. The last one is offered no tools.
        asks: uses of tools in one visit at most; None: 2.
        max_input_tokens, max_output_tokens: the caps of one request. Both together are reserved before a handoff
            to this agent is legal. Where a model's tokenizer is not known its input is bounded by bytes, about four
            a token, so an input cap leaves room for that.
        window: how much of the conversation it sees.
        settings: how its model is to answer; what is not set is the provider's own.

    What it decides goes into the context. Only free text, where there is nothing to decide, becomes a message. So no
    field reaches an agent that does not read it.

    A reply that is refused is repaired, if a call is left: the model is shown its reply, and told why it was refused.
    What a validator of the context says is told as it is, so it should quote no field that the agent does not read.

    Raises ValueError: if the instructions are blank, `calls` or `max_output_tokens` is below 1, `asks` or `tool_first`
        are given without tools, `asks` is below 1 with them, or a window with a summary leaves no call for the reply.
    Raises TypeError: if the instructions are no text, a number is not whole, something among the tools cannot be one,
        two bear one name, `model` is a model instead of its name, or `window` or `settings` are something else.
    Raises ContextError: if `reads` or `writes` hold anything but fields.
    """

    def __init__(
        self,
        instructions: str,
        *,
        does: str | Iterable[str] = (),
        must_not: str | Iterable[str] = (),
        reads: object = (),
        writes: object = (),
        tools: Usable | Iterable[Usable] = (),
        tool_first: bool = False,
        model: str | Fallback | None = None,
        calls: int | None = None,
        asks: int | None = None,
        max_input_tokens: int = 2_048,
        max_output_tokens: int = 256,
        window: Window | None = None,
        settings: ModelSettings = AS_THEY_ARE,
    ) -> None:
        check_kinds(instructions, window, calls=calls, asks=asks, max_output_tokens=max_output_tokens)
        self._toolbox = Toolbox(tools)
        has_tools = bool(self._toolbox.tools)
        calls = (4 if has_tools else 2) if calls is None else calls
        asks = asks_of(has_tools, asks, tool_first)
        if not instructions.strip() or calls < 1 or max_output_tokens < 1:
            raise ValueError(
                f"an LLMAgent needs instructions, 1 call or more and 1 token of output or more, "
                f"not {instructions!r}, {calls} and {max_output_tokens}"
            )
        does, must_not, window = phrases_of("does", does), phrases_of("must_not", must_not), window or Window()
        needed = 3 if has_tools else 2
        if window.summary and calls < needed:
            raise ValueError(f"a window with a summary takes a call of its own: give the agent calls={needed} or more")
        self._summaries = Summaries(window)
        self._spec = AgentSpec(
            kind="llm",
            name="LLMAgent",
            # what it may choose from it sees too: so it was written before
            reads=tuple(dict.fromkeys((*field_refs(reads), *self._toolbox.fields))),
            writes=field_refs(writes),
            calls=calls,
            call_limits=CallLimits(max_input_tokens=max_input_tokens, max_output_tokens=max_output_tokens),
            settings=settings_of(settings),
            tools=tuple(tool.spec for tool in self._toolbox.tools.values() if tool.spec is not None),
            parts=tuple(tool.part for tool in self._toolbox.tools.values() if tool.part is not None),
            asks=asks,
            shown_chars=self._toolbox.shown_chars(asks),
            must_ask=tool_first,
            proposes=True,
            model=name_of(model),
            canonical=said(
                instructions=instructions,
                does=list(does),
                must_not=list(must_not),
                window=[window.messages, window.chars],
                summary=window.summary,
                tools=[tool.canonical for tool in self._toolbox.tools.values()],
            ),
            where=where_called(),
        )
        self._written = tuple(ref.name for ref in self._spec.writes)
        self._prompts = Prompts(
            instructions, does=does, must_not=must_not, spec=self._spec, toolbox=self._toolbox, window=window
        )
        # the agent's own table: a cache of the module would keep machines alive
        self._asked = lru_cache(maxsize=_MOST_MENUS)(self._make)

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    @property
    def remote_tools(self) -> tuple[RemoteTool, ...]:
        """The tools that it uses through servers, which must be connected while it acts."""
        return self._toolbox.remote

    async def act(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Ask the model once. The kernel decides whether the reply stands and whether the model is asked again.

        Raises VisitError: if no handoff is legal any more.
        """
        # a tool takes two calls: one that asks for it, and one that reads what it gave
        spare = 2 if self._toolbox.tools and not visit.is_answered else 1
        summary = await self._summaries.of(visit, spare=spare) if visit.messages else None
        if summary is not None:
            visit = replace(visit, messages=(*visit.messages, summary))
        drawn: Form | ToolForm | None = None

        def draw(offer: Offer, *, number: int = 0) -> Said:
            """Draw the menu of this very request: each one before it has taken money, and time has passed."""
            nonlocal drawn
            drawn, instructions = self._drawn(visit, offer)
            return self._prompts.longest_first(visit, instructions)[number], drawn.schema

        def asked() -> Form | ToolForm:
            assert drawn is not None  # no reply comes before a request was drawn
            return drawn

        shorter = [partial(draw, number=number) for number in range(1, self._prompts.count(visit))]
        written = None if visit.listener is None else Written(self._written[-1], visit.listener, asked)
        try:
            response = await visit.model.ask_drawn(
                draw, shorter=shorter, listen=None if written is None else written.begin
            )
        except _NothingToOffer as nothing:
            if isinstance(nothing.__context__, CallFailed):  # it was for another try of a request that had failed
                raise nothing.__context__ from None
            return Reply(refusal=nothing.refusal)
        reply = read_reply(asked(), response, visit.state.name)
        if isinstance(reply, Round):
            return reply if visit.affords(reply.requests) else Reply(refusal=_too_dear(reply.requests))
        if written is not None:
            written.end(response.text, reply)
        if summary is None or reply.refusal is not None:
            return reply
        return replace(reply, messages=(summary, *reply.messages))

    async def use(self, visit: Visit[Any, Any], request: Request, key: str) -> Any:
        """Use a tool that the model asked for, and return its result as JSON.

        Args:
            key: the idempotency key of this use.
        """
        return await self._toolbox.use(visit, request, key)

    def _drawn(self, visit: Visit[Any, Any], offer: Offer) -> tuple[Form | ToolForm, Message]:
        """Return the form and the instructions of a request that may offer so much.

        Raises VisitError: if no handoff is legal any more.
        Raises _NothingToOffer: if it is too early to decide, and no tool can be offered.
        """
        if not offer.handoffs:
            raise VisitError("nothing is legal any more, so there is nothing to ask the model")
        tools = self._toolbox.offers(visit, offer, self._spec.asks)
        may_decide = visit.is_answered or not self._spec.must_ask
        if not may_decide and not tools.offered:
            raise _NothingToOffer(tools, offer)
        # `__class__`, not `type`: the context is a view of a class of its own, which shows the class it stands for
        return self._shown(visit.context.__class__, visit.exits, offer, tools, may_decide=may_decide)

    def make_forms(self, context: type[Context], exits: tuple[Handoff, ...]) -> None:
        """Make the forms of the full menus, of which each takes a millisecond of the first visit that shows it.

        Not those in which a guard, or what is used up, has closed an exit; and not those of tools whose arguments are
        limited to what a field holds.

        Args:
            context: of the machine.
            exits: the handoffs of the state.
        """
        for tools in self._toolbox.full(self._spec.asks):
            for may_decide in {True, not self._spec.must_ask}:
                for is_used_up in (False, True):
                    if may_decide or tools.offered:
                        self._shown(context, exits, Offer(exits, is_used_up), tools, may_decide=may_decide)

    def _shown(
        self, context: type[Context], exits: tuple[Handoff, ...], offer: Offer, tools: Tools, *, may_decide: bool
    ) -> tuple[Form | ToolForm, Message]:
        """Return the form and the instructions that show an offer, made once."""
        exits = exits if len(exits) > 1 else ()
        may_choose = bool(exits) and may_decide
        menu = offer.handoffs if may_choose else ()
        may_decline = may_choose and (offer.is_used_up or tools.is_used_up)
        kind: Any = context  # a checker takes a class of contexts for a context, and that is not hashable
        return self._asked(kind, exits, menu, may_decline, tools, may_decide)

    def _make(
        self,
        context: type[Context],
        exits: tuple[Handoff, ...],
        menu: tuple[Handoff, ...],
        may_decline: bool,
        tools: Tools,
        may_decide: bool,
    ) -> tuple[Form | ToolForm, Message]:
        """Make the form and the instructions for a menu."""
        instructions = self._prompts.instructions(menu, may_decline=may_decline, tools=tools, may_decide=may_decide)
        names = tuple(h.name for h in exits), tuple(h.name for h in menu)
        decision = form(context, self._written, *names, may_decline=may_decline) if may_decide else None
        if tools.offered:
            return tool_form(tools.offered, decision, is_list=tools.is_list), instructions
        assert decision is not None  # or there would be nothing to ask for
        return decision, instructions


class _NothingToOffer(Exception):
    """A request could offer neither a tool nor a handoff."""

    def __init__(self, tools: Tools, offer: Offer) -> None:
        super().__init__()
        if tools.is_used_up and offer.unpaid and not offer.is_last:  # which no repair could mend
            self.refusal = Refusal("budget", f"{' and '.join(offer.unpaid)} cannot be paid, and it must use a tool")
        elif tools.is_used_up:
            self.refusal = Refusal("must_ask", "no call is left that could use a tool and read what it gives")
        else:  # which no reply can mend: in a visit the context stays as it is
            self.refusal = Refusal("declined", "the fields that hold what the arguments of its tools may be are empty")


def _too_dear(requests: tuple[Request, ...]) -> Refusal:
    """Return why several machines are not run at once; one alone was not offered, if it could not be paid."""
    names = " and ".join(each.part for each in requests if isinstance(each, RunPart))
    return Refusal("undeclared_ask", f"{names} cannot be paid for together: use fewer of them at once.")
