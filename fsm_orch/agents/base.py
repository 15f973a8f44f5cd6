"""The port of agents: what an agent sees of a visit, and what it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol

from msgspec import Struct, ValidationError, convert, field, to_builtins

from ..define.agent_spec import AgentSpec, HasSpec
from ..define.callables import is_awaited
from ..define.context import FieldRef
from ..define.machine import C, D
from ..define.states import Final, Handoff, State
from ..define.wording import kind_of
from ..errors import VisitError, WrongType
from ..kernel.configuration import NO_ASKS, Ask
from ..kernel.legal import Offer
from ..kernel.reasons import Refusal
from ..kernel.requests import Request
from ..messages import Message
from ..models.metered import MeteredModel


class Listener(Protocol):
    """Who is told the text of an answer while a model writes it."""

    def will_stand(self, decision: Reply, field: str) -> bool:
        """Return whether nothing but a cut can refuse a decision any more, whatever text comes to be in a field."""
        ...

    def hear(self, field: str, text: str) -> None:
        """Take what was added to a field."""
        ...


def _none_left() -> int:
    return 0


def _can_be_paid(requests: Sequence[Request]) -> bool:  # noqa: ARG001
    return True


class Visit(Struct, Generic[C, D], frozen=True, kw_only=True):
    """One stay in a state, as its agent sees it."""

    state: State
    context: C
    """A view of the context that shows the fields the agent reads; any other raises ContextError."""
    messages: tuple[Message, ...]
    """The conversation so far. `Window.view` reduces it to what may cross a handoff."""
    deps: D
    """The dependencies given to `run`; never journaled."""
    key: str
    """The idempotency key: the same for every attempt of this visit, different for every other visit."""
    attempt: int
    """Counts from 1."""
    refusals: tuple[Refusal, ...]
    """Why the replies of this visit, since its last round, were refused, oldest first."""
    refused: str = ""
    """What the model wrote that was refused last; empty if nothing was, or if nobody remembers, as after a crash."""
    seconds_left: Callable[[], float]
    """Returns the seconds until the visit's time or the run's deadline is over; 0 if one is."""
    calls_left: Callable[[], int] = _none_left
    """Returns how many more calls this visit may make; 0 if its agent declares none."""
    exits: tuple[Handoff, ...]
    """The handoffs of the state in declaration order, without its failure edges."""
    legal: Callable[[], tuple[Handoff, ...]]
    """Returns the handoffs that are legal now, as if the next call of this visit were already reserved.

    A request that shows them is drawn by `model.ask_drawn`: tried again, it shows what is legal by then.
    """
    metered: MeteredModel | None
    """What `model` returns; None if the agent declares no calls."""
    offer: Callable[[], Offer] | None = None
    """Returns what a form may offer: what is legal, and whether something used up has closed another exit."""
    affords: Callable[[Sequence[Request]], bool] = _can_be_paid
    """Returns whether a round of these requests could be paid now; the visit of one that cannot has failed."""
    listener: Listener | None = None
    """Who is told the text of the answer while it is written; None: nobody."""
    asks: Mapping[int, Ask] = NO_ASKS
    """What the agent asked for in this visit, with what came of it, by number; empty before its first round."""
    is_answered: bool = False
    """Whether a round of this visit is over in which something was answered; or that asked for nothing, of a map."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Visit[C, D]:
        return self  # it leads to the run itself, of which there is one

    @property
    def model(self) -> MeteredModel:
        """The model of this state; the only way to reach one.

        Raises VisitError: if the agent declares no calls.
        """
        if self.metered is None:
            how = _to_call(self.state)
            raise VisitError(f"The agent of {self.state.name!r} declares no calls, so it has no model: {how}")
        return self.metered

    def handoff_to(self, target: State | Final) -> Handoff:
        """Return the one handoff from this state to a target.

        Raises VisitError: if there is none, or more than one.
        """
        ways = [h for h in self.exits if h.target is target]
        if len(ways) != 1:
            raise VisitError(f"{len(ways)} handoffs lead from {self.state.name!r} to {_shown(target)}, not one")
        return ways[0]


def _to_call(state: State) -> str:
    """Return what to write so that an agent can call its model."""
    if isinstance(state.agent, HasSpec):
        return "its spec declares them, as in AgentSpec(calls=1, ...)"
    is_plain = "" if is_awaited(state.agent) else f"make {state.spec.name} an async def, and "
    return f"{is_plain}declare them, {state.name} = State({state.spec.name}, calls=1, ...)"


def _shown(target: object) -> str:
    return repr(target) if isinstance(target, State | Final) else kind_of(target)


Changes = Mapping[Any, Any]
"""What a plain function returns to write fields: `{Ticket.answer: "..."}`, every field that its state declares."""


class Reply(Struct, frozen=True):
    """What an agent returns to decide: a proposed handoff or none, changes to the context, messages."""

    handoff: Handoff | str | None = None
    """The handoff or its name. None: the first in declaration order whose guard holds."""
    changes: Changes = field(default_factory=dict)
    """Values by field, or by field name: exactly the fields that the agent declares to write."""
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None
    """Set if a model's reply could not be read."""

    # checked at run time: agents are written by users, whose types nobody may have checked; here the error still
    # points at the line that made the reply
    def __post_init__(self) -> None:
        if self.__class__ is Reply and _is_plain(self):
            return
        for name, kinds in _KINDS.items():
            if not isinstance(getattr(self, name), kinds):
                raise WrongType(
                    f"the {name} of a reply cannot be a {type(getattr(self, name)).__name__}: give "
                    f"{' or '.join(kind.__name__ for kind in kinds)}"
                )
        for key in self.changes:
            if not isinstance(key, FieldRef | str):
                raise WrongType(
                    f"the changes of a reply are keyed by fields, such as Ticket.answer, not by a {type(key).__name__}"
                )
        if self.messages:
            if not all(isinstance(said, Message) for said in self.messages):
                raise WrongType("the messages of a reply are a tuple of Message")
            _check_inside("messages", self.messages, tuple[Message, ...])
        if self.refusal is not None:
            _check_inside("refusal", self.refusal, Refusal)

    @property
    def handoff_name(self) -> str | None:
        """The name of the proposed handoff; None if there is none."""
        return self.handoff.name if isinstance(self.handoff, Handoff) else self.handoff


class Round(Struct, frozen=True):
    """What an agent returns instead of a reply: work that it asks for, after which it acts again, with the results."""

    requests: tuple[Request, ...]
    """What is asked for, all at once. Only a map may ask for nothing."""
    need: int = 0
    """Successes without which the round is over at once; 0: every request is waited for, however it ends."""
    is_race: bool = False
    """Whether the round is over as soon as it has them."""


def _is_plain(reply: Reply) -> bool:
    """Return whether a reply has nothing in it that could be wrong, as most have: then it is not looked into."""
    # by their types and not by `==`, which is the user's
    handoff, changes, messages = reply.handoff, reply.changes, reply.messages
    return (
        (handoff is None or type(handoff) is str)
        and (type(changes) is dict and (not changes or {*map(type, changes)} == {str}))
        and (type(messages) is tuple and not messages)
        and reply.refusal is None
    )


_KINDS: dict[str, tuple[type, ...]] = {
    "handoff": (str, Handoff, type(None)),
    "changes": (dict, Mapping),
    "messages": (tuple,),
    "refusal": (Refusal, type(None)),
}


def _check_inside(name: str, part: object, kind: Any) -> None:
    """Check what the values hold that a part of a reply is made of: nobody has, when they were made.

    Raises WrongType: if something in them is not what it is declared to be; says where, and not what came.
    """
    try:
        convert(to_builtins(part), kind)
        return
    except ValidationError as error:
        place = str(error).partition(" - at ")[2].strip("`").replace("$", name)
    except Exception:  # of what cannot be taken apart: an object in the place of a text
        place = name
    raise WrongType(f"{place} of a reply is of a wrong type, or none of the words that it may be")


class Agent(Protocol):
    """What acts in a state: a model, a function, or anything with a spec and an `act`."""

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent: the fields it reads and writes, and its bounds."""
        ...

    async def act(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Act once, and return a reply, or a round of work after which it acts again.

        What this raises fails the attempt, but for an interrupt, such as KeyboardInterrupt or what `pytest.fail`
        raises, which lands the run and reaches its caller. A reply that is not legal is refused, and the context of
        entry kept.
        """
        ...


class PlainAgent:
    """An agent that acts at once: it needs no task of its own until there is something to wait for."""

    def prepare(self) -> None:
        """Load what the agent needs to act; called when a runner is made, where it may block. By default nothing.

        Raises ModelUnavailable: if something cannot be loaded; no runner is made then.
        """

    def begin(self, visit: Visit[Any, Any]) -> Reply | Round | Awaitable[Reply | Round]:
        """Act, and return the reply or the round, or return an awaitable of it."""
        raise NotImplementedError

    async def act(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Act, and wait if there is something to wait for."""
        begun = self.begin(visit)
        return begun if isinstance(begun, Reply | Round) else await begun


def names(changes: Changes) -> dict[str, Any]:
    """Return changes keyed by field name, from changes keyed by field, as users write them.

    Raises WrongType: if a key is not a field reference.
    """
    for ref in changes:
        if not isinstance(ref, FieldRef):
            # without the key, which may be a customer's words: this goes into the journal
            raise WrongType(f"changes are keyed by fields, such as Ticket.answer, not by {kind_of(ref)}")
    return {ref.name: value for ref, value in changes.items()}
