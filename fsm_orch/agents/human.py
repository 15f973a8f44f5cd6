"""Human agents: somebody is shown some fields, writes some fields, and chooses a handoff, by the form a model fills in.

The run waits meanwhile, and no time passes in it. What is asked and what was answered stand in the journal, so an
answer may come days later, in another process.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from ..define.agent_spec import AgentSpec
from ..define.context import Context, FieldRef, field_refs
from ..define.defaults import said
from ..define.source import where_called
from ..define.states import Handoff, State
from ..define.wording import kind_of
from ..errors import ContextError
from ..kernel.legal import Offer
from ..kernel.reasons import Refusal
from ..kernel.requests import AskHuman
from .base import PlainAgent, Reply, Round, Visit
from .decision import MEANS_NONE, form


class HumanAgent(PlainAgent):
    """A human who reads some fields, writes some fields, and chooses a handoff.

        approve = State(HumanAgent("Pay this back?", reads=(Claim.query, Claim.cents)), expires_s=86_400)
        yes, no = approve.to(refund, "pay"), approve.to(declined, "decline")
        late = approve.on_timeout(declined)

    `runner.resume(run_id, Refunds.yes)` answers; elsewhere an answer is JSON, `{"handoff": "yes"}`. After `expires_s`
    a worker makes the question expire, or `runner.expire(run_id)`.

    Nobody passes a human by: a handoff of the state is taken only after an answer. Where several are declared the
    answer must name one, or `none_of_these`, which its form offers where visits, hops or money have closed an exit.

    Args:
        question: what is asked.
        reads: the fields that are shown, one or several.
        writes: the fields that an answer fills in, one or several, all of them.

    Raises ValueError: if the question is blank.
    Raises TypeError: if it is no text.
    Raises ContextError: if `reads` or `writes` hold anything but fields.
    """

    def __init__(self, question: str, *, reads: object = (), writes: object = ()) -> None:
        if not isinstance(question, str):
            raise TypeError(f"a HumanAgent asks in words, not {kind_of(question)}: HumanAgent('Pay this back?')")
        if not question.strip():
            raise ValueError(f"a HumanAgent needs a question, not {question!r}: say what is to be decided or filled in")
        self._question = question
        self._spec = AgentSpec(
            kind="human",
            name="HumanAgent",
            reads=field_refs(reads),
            writes=field_refs(writes),
            asks_human=True,
            asks=1,
            must_ask=True,
            proposes=True,
            canonical=said(question=question),
            where=where_called(),
        )
        self._written = tuple(ref.name for ref in self._spec.writes)

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    def begin(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Ask, or read what was answered."""
        # `__class__`, not `type`: the context is a view of a class of its own, which shows the class it stands for
        context = visit.context.__class__
        for ask in visit.asks.values():
            return self.read(context, visit.exits, ask.value)
        return Round((AskHuman(question=self._question, form=self._form(context, visit)),))

    def read(self, context: type[Context], exits: Sequence[Handoff], answer: Any) -> Reply:
        """Return the reply that an answer makes; one with a refusal, which says why, if it does not fit the form.

        Args:
            context: the class of the context.
            exits: the handoffs of the state.
            answer: as JSON.
        """
        names = _choices(exits)
        asked = form(context, self._written, names, names, may_decline=bool(names))
        if asked.schema is None:
            return Reply()
        if not isinstance(answer, Mapping):
            return Reply(refusal=Refusal("wrong_type", _no_object(answer, names, self._written)))
        decision = asked.read(to_json(answer).decode(), is_truncated=False)
        if isinstance(decision, Refusal):
            return Reply(refusal=decision)
        return Reply(handoff=decision.handoff, changes=decision.changes)

    def _form(self, context: type[Context], visit: Visit[Any, Any]) -> Mapping[str, Any]:
        """Return the schema of an answer, with what each handoff means; empty if there is nothing to fill in."""
        names = _choices(visit.exits)
        offer = visit.offer() if visit.offer else Offer(visit.legal(), is_used_up=False)
        menu = tuple(handoff.name for handoff in offer.handoffs) if names else ()
        made = form(context, self._written, names, menu, may_decline=offer.is_used_up and bool(names))
        if made.schema is None:
            return {}
        schema: dict[str, Any] = copy.deepcopy(dict(made.schema))
        if names:
            meant = {handoff.name: handoff.description for handoff in offer.handoffs}
            told = [f"{name}: {meant.get(name) or MEANS_NONE}" for name in made.legal]
            schema["properties"]["handoff"]["description"] = "; ".join(told)
        return schema


def _choices(exits: Sequence[Handoff]) -> tuple[str, ...]:
    """Return the names of the handoffs to choose from; a sole one is not asked for."""
    return tuple(handoff.name for handoff in exits) if len(exits) > 1 else ()


def _no_object(answer: object, names: Sequence[str], written: Sequence[str]) -> str:
    """Return what is wrong with an answer that is no object, and one that would do."""
    example = ", ".join([*(f'"{name}": ...' for name in written), *(f'"handoff": "{name}"' for name in names[:1])])
    return f"An answer is an object, not {kind_of(answer)}, such as {{{example}}}."


def as_answer(answer: object, state: State, context: type[Context]) -> Any:
    """Return an answer to a human's question as JSON, from what a user gives.

    Args:
        answer: a handoff alone, `Refunds.yes`; or values by field or by name, and the handoff, or its name, under
            "handoff": `{"handoff": Refunds.yes, Claim.cents: 4_900}`; or whatever JSON, which stays what it is.
        state: in which it is asked.
        context: the class of its context.

    Raises ContextError: if it holds what cannot be written as JSON, names one thing twice, or is a handoff or a field
        of another machine.
    """
    try:
        if isinstance(answer, Handoff):
            return {"handoff": _own(answer, state)}
        if not isinstance(answer, Mapping):
            return to_jsonable_python(answer)
        named: dict[str, Any] = {}
        for key, value in answer.items():
            name = key.name if isinstance(key, FieldRef) else key
            if isinstance(key, FieldRef) and not issubclass(context, key.owner):
                raise ContextError(f"{key!r} is no field of the {context.__name__} of {state.name!r}")
            if not isinstance(name, str) or name in named:
                raise ContextError(f"an answer has one value for each field, not {key!r} in its place or beside it")
            named[name] = _own(value, state) if isinstance(value, Handoff) else to_jsonable_python(value)
    except ContextError:
        raise
    except Exception as error:  # it is a caller's object, whose methods may raise anything
        raise ContextError(f"this answer is no JSON ({type(error).__name__}): give plain values") from None
    return named


def _own(handoff: Handoff, state: State) -> str:
    # by identity, not by name: the journal holds the name alone, and another machine's handoff may bear the same one
    if handoff not in state.handoffs:
        raise ContextError(f"{handoff!r} does not leave {state.name!r}")
    return handoff.name
