"""What a framework asks of its model in one visit, asked of the visit's metered model instead.

Each request shows one form, in which tools and a decision are: see `tool_form`. The tools are the framework's, which
uses them itself; the handoffs and fields are those of the state. A reply that does not fit is mended at once, by a
further call of the visit, and the framework never sees it: so nothing is done twice that it has done already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, dropwhile
from typing import Any, NamedTuple

from ...amounts import Usage
from ...define.agent_spec import AgentSpec
from ...define.states import NONE_OF_THESE
from ...define.wording import without_surrogates
from ...errors import VisitError
from ...kernel.legal import Offer
from ...kernel.reasons import BEYOND_REPAIR, Refusal
from ...kernel.requests import UseTool
from ...messages import Message
from ...models.metered import Said
from ..base import Reply, Round, Visit
from ..decision import Form, form
from ..prompts import Prompts
from ..read_reply import read_reply
from ..shortened import as_text
from ..tool import Tool
from ..tool_form import Offered, ToolForm, tool_form
from ..toolbox import Toolbox, Tools
from ..window import Window

Destination = str
"""The name of the agent that a tool hands over to."""


class Wanted(NamedTuple):
    """A request of a framework."""

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    handing_over: Mapping[str, Destination] = {}
    """Tools by which the framework would hand over, by name; a handoff of the state takes the place of each."""
    must_use: bool = False
    """Whether a tool must be used, and it is too early to decide."""
    is_list: bool = True
    """Whether several tools may be used at once."""


class Answered(NamedTuple):
    """What the model answered to a request of a framework."""

    text: str
    """What is said to whoever asked; empty if tools are to be used."""
    uses: tuple[UseTool, ...] = ()
    usage: Usage | None = None


class Unmended(VisitError):
    """A reply was refused, and no call is left that could mend it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class Exchange:
    """The requests of one attempt of a foreign agent.

    Args:
        visit: whose model is asked.
        spec: of the agent.
        window: what it sees of the conversation.
        known_as: by the name of a foreign agent, the handoffs to the state that holds it.
    """

    def __init__(
        self, visit: Visit[Any, Any], spec: AgentSpec, window: Window, known_as: Mapping[Destination, tuple[str, ...]]
    ) -> None:
        self.visit = visit
        self._spec = spec
        self._known_as = known_as
        view = window.view(visit.messages, agent=visit.state.name)
        # providers refuse the result of a tool without its call, which a window may have cut off
        self._history = tuple(dropwhile(lambda said: said.role == "tool", view))
        self._why = _why(visit.refused, visit.refusals[-1]) if visit.refusals else ()
        self.has_asked = False
        """Whether a request has reached the visit's model."""
        self.decided: Reply | None = None
        """What was decided last; None: nothing was."""
        self.failed: Exception | None = None
        """Why the last request brought no answer; None: it did."""
        self._ids = count(1)

    def next_id(self) -> str:
        """Return the id of the next use of a tool: the same in every process, since it is no chance."""
        return f"call_{next(self._ids)}"

    async def ask(self, wanted: Wanted) -> Answered:
        """Ask the visit's model what a framework asks of its own.

        Raises Unmended: if the reply is refused, and no call is left.
        Raises VisitError: if no handoff is legal any more, or a tool must be used by the last call.
        Raises as `MeteredModel.ask_drawn` does.
        """
        self.has_asked = True
        try:
            answered = await self._mended(wanted)
        except Exception as error:
            self.failed = error
            raise
        self.failed = None
        return answered

    def reply(self) -> Reply | None:
        """Return what the visit has come to; None if nothing was decided.

        Raises Exception: what the last request has failed of.
        """
        if isinstance(self.failed, Unmended):
            return Reply(refusal=self.failed.refusal)
        if self.failed is not None:
            raise self.failed
        return self.decided

    async def _mended(self, wanted: Wanted) -> Answered:
        why = self._why
        while True:
            drawn = _Drawn(self, wanted, why)
            response = await self.visit.model.ask_drawn(drawn.draw, goes_on=True)
            reply = read_reply(drawn.form, response, self.visit.state.name)
            refusal = None if isinstance(reply, Round) else reply.refusal or drawn.objection(reply)
            if refusal is None:
                self._why = ()
                if isinstance(reply, Reply):
                    self.decided = reply
                return Answered(_text(reply), _uses(reply), response.usage)
            if refusal.reason in BEYOND_REPAIR or self.visit.calls_left() < 1:
                if isinstance(reply, Reply) and reply.refusal is None:  # the kernel has the better reason
                    self.decided = reply
                    return Answered(_text(reply), (), response.usage)
                raise Unmended(refusal)
            why = _why(response.text, refusal)

    def system(self, wanted: Wanted, offer: Offer, tools: Tools, *, may_decide: bool) -> Message:
        """Return what the model is told to do, and how it is to reply."""
        menu = offer.handoffs if may_decide and len(self.visit.exits) > 1 else ()
        may_decline = bool(menu) and (offer.is_used_up or tools.is_used_up)
        told = "\n".join([wanted.instructions, *self._renamed(wanted, {handoff.name for handoff in menu})]).strip()
        prompts = Prompts(told, does=(), must_not=(), spec=self._spec, toolbox=Toolbox(()), window=Window(messages=0))
        return prompts.instructions(menu, may_decline=may_decline, tools=tools, may_decide=may_decide)

    def _renamed(self, wanted: Wanted, names: set[str]) -> Iterator[str]:
        """Yield what the state calls the handoffs that the instructions may know by the names of tools."""
        for tool, destination in wanted.handing_over.items():
            ways = [name for name in self._known_as.get(destination, ()) if name in names]
            if ways:
                yield f"{tool} is the handoff {' or '.join(ways)}."

    def form(self, offer: Offer, tools: Tools, *, may_decide: bool) -> Form | ToolForm:
        """Return the form of a request."""
        is_choice = len(self.visit.exits) > 1
        declared = tuple(handoff.name for handoff in self.visit.exits) if is_choice else ()
        menu = tuple(handoff.name for handoff in offer.handoffs) if is_choice else ()
        written = tuple(ref.name for ref in self._spec.writes)
        may_decline = bool(menu) and (offer.is_used_up or tools.is_used_up)
        # `__class__`, not `type`: the context is a view of a class of its own, which shows the class it stands for
        context = self.visit.context.__class__
        decision = form(context, written, declared, menu, may_decline=may_decline) if may_decide else None
        if tools.offered:
            return tool_form(tools.offered, decision, is_list=tools.is_list)
        assert decision is not None  # or there would be nothing to ask for
        return decision

    def said(self, wanted: Wanted, system: Message, why: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return all that a request says."""
        return (system, *self._history, *wanted.messages, *why)


class _Drawn:
    """The menu and the form of one request, drawn once its call is reserved."""

    def __init__(self, exchange: Exchange, wanted: Wanted, why: tuple[Message, ...]) -> None:
        self._exchange = exchange
        self._wanted = wanted
        self._why = why
        self.form: Form | ToolForm
        self._offer: Offer

    def draw(self, offer: Offer) -> Said:
        """Draw the request.

        Raises VisitError: if no handoff is legal any more, or a tool must be used and none can be.
        """
        if not offer.handoffs:
            raise VisitError("nothing is legal any more, so there is nothing to ask the model")
        wanted, exchange = self._wanted, self._exchange
        tools = Tools(is_used_up=bool(wanted.tools))
        if wanted.tools and not offer.is_last:
            tools = Tools(tuple(map(Offered, wanted.tools)), is_list=wanted.is_list)
        may_decide = not wanted.must_use
        if not may_decide and not tools.offered:
            raise VisitError("it must use a tool, and the last call of a visit offers none: give the agent more calls")
        self._offer = offer
        self.form = exchange.form(offer, tools, may_decide=may_decide)
        system = exchange.system(wanted, offer, tools, may_decide=may_decide)
        return exchange.said(wanted, system, self._why), self.form.schema

    def objection(self, reply: Reply) -> Refusal | None:
        """Return why a decision is mended here: the kernel would have the whole attempt made again."""
        menu = [handoff.name for handoff in self._offer.handoffs]
        if reply.handoff is None or reply.handoff == NONE_OF_THESE or reply.handoff in menu:
            return None
        told = f"{reply.handoff!r} is not legal now. Choose one of: {', '.join(menu)}."
        return Refusal("unknown_handoff", told)


def used(name: str, arguments: Any) -> Message:
    """Return what the model wrote to use a tool."""
    return Message(role="assistant", content=as_text({"reply": {"use": {"tool": name, "arguments": arguments}}}))


def came(result: str, *, has_failed: bool = False) -> Message:
    """Return what came of a use."""
    # the user's side says it, and not the system's: a result may quote anything
    told = {"failed" if has_failed else "result": without_surrogates(result)}
    return Message(role="user", content=as_text(told))


def _why(refused: str, refusal: Refusal) -> tuple[Message, ...]:
    why = Message(role="user", content=without_surrogates(f"Your last reply was refused: {refusal.detail}"))
    said = without_surrogates(refused)
    return (Message(role="assistant", content=said), why) if said.strip() else (why,)


def _uses(reply: Reply | Round) -> tuple[UseTool, ...]:
    if isinstance(reply, Reply):
        return ()
    return tuple(request for request in reply.requests if isinstance(request, UseTool))


def _text(reply: Reply | Round) -> str:
    """Return a decision as a framework is told it: the one text that it writes, or all its fields as JSON."""
    if isinstance(reply, Round):
        return ""
    values: list[Any] = [*reply.changes.values()]
    texts = [*(said.content for said in reply.messages[-1:]), *(values if len(values) == 1 else ())]
    text = next((text for text in texts if isinstance(text, str)), "")
    # a framework takes an empty text for no answer at all, and asks again
    return text if text.strip() else as_text(reply.changes)
