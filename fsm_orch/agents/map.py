"""Map agents: a machine, or an agent, that runs once for each item of a field, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..define.agent_spec import AgentSpec
from ..define.context import Context, FieldRef, field_refs
from ..define.defaults import said
from ..define.machine import AnyMachine, is_machine
from ..define.parts import Part
from ..define.source import where_called
from ..define.wrapped import Work, owner_of
from ..errors import ContextError, VisitError
from ..kernel.requests import RunPart
from .base import PlainAgent, Reply, Round, Visit
from .crossing import Crossing, by_name, called, failed, given_from, of_machine, of_work, request


class Map(PlainAgent):
    """A machine, or an agent, that runs once for each item of a field, all at once.

        each = State(Map(Read, over=Report.urls, item=Page.url, into=Report.notes, result=Page.note, most=16))

    What the runs came to is collected in the order of the items. If one fails the others are ended, and the visit has
    failed. Over nothing it is over at once, and collects nothing; over more than `most` the visit fails.

    Args:
        work: a machine, an agent, a function, or a state.
        over: the field that holds the items, a tuple.
        item: the field of each run that is given its item.
        into: the field in which the results are collected, a tuple.
        result: the field of each run that is its result.
        most: items at most. Entering the state reserves this many shares.
        give: what each run is given besides, under another name: its field, and the field around it. By the same name
            it is given all that it requires.

    Raises TypeError: if it is given something else than these, or `most` is no whole number.
    Raises ContextError: if `over`, `item`, `into` or `result` is not one field.
    Raises ValueError: if `most` is below 1.
    """

    def __init__(
        self,
        work: AnyMachine | Work,
        *,
        over: object,
        item: object,
        into: object,
        result: object,
        most: int = 16,
        give: Mapping[Any, Any] | None = None,
    ) -> None:
        self._over, self._into = _one_field("over", over), _one_field("into", into)
        own, came = _one_field("item", item), _one_field("result", result)
        around = owner_of((self._over, self._into))
        named = by_name(give or {}, "give")
        crossing = _each(work, around)
        besides = {**{name: FieldRef(around, name) for name in crossing.give if name not in named}, **named}
        self._part = Part(
            name=crossing.name,
            definition=crossing.definition,
            most=most,
            # the item last: what is read is in the digest, in its order
            given={**{name: ref for name, ref in besides.items() if name != own.name}, own.name: self._over},
            item=own.name,
            taken={self._into.name: came.name},
        )
        self._item, self._came = own.name, came.name
        self._spec = AgentSpec(
            kind="map",
            name=f"Map({crossing.name})",
            reads=tuple(dict.fromkeys(self._part.given.values())),
            writes=(self._into,),
            parts=(self._part,),
            asks=most,
            must_ask=True,
            canonical=said(
                give={name: ref.name for name, ref in self._part.given.items() if name != ref.name},
                take={self._into.name: came.name},
            ),
            where=where_called(),
        )

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    def begin(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Ask for a run for each item, or reply with their results.

        Raises VisitError: if there are more items than `most`.
        Raises PartFailed: if a run failed.
        """
        if not visit.asks and not visit.is_answered:
            return self._round(visit)
        for ask in visit.asks.values():
            if not ask.ok and ask.end != "unneeded":  # the one that failed, and not those that were ended for it
                raise failed(self._part, ask)
        results = [ask.value["context"][self._came] for ask in visit.asks.values()]
        return Reply(changes={self._into.name: results})

    def _round(self, visit: Visit[Any, Any]) -> Round:
        held = given_from(visit, self._spec.reads)
        items = held[self._over.name]
        most = self._part.most
        if len(items) > most:
            raise VisitError(
                f"{visit.state.name!r} maps over {len(items):,} items, and {most:,} is the most: raise most=, or "
                "hand it fewer"
            )
        given = request(self._part, held).context  # only the item differs, and another field may be given them all
        requests = tuple(RunPart(part=self._part.name, context={**given, self._item: item}) for item in items)
        return Round(requests, need=len(requests))


def _each(work: AnyMachine | Work, around: type[Context]) -> Crossing:
    """Return how a machine, or an agent wrapped in one, runs for each item, given what it requires."""
    if is_machine(work):
        # in the order in which they are declared: what is read is in the digest, in its order
        fields = work.definition.context.__pydantic_fields__.items()
        required = tuple(FieldRef(around, name) for name, field in fields if field.is_required())
        return of_machine(work, reads=required, writes=(), give={}, take={}, ends={})
    agent: Any = work  # `called` refuses what is none
    return of_work(agent, called(agent))


def _one_field(word: str, given: object) -> FieldRef:
    refs = field_refs(given)
    if len(refs) != 1:
        raise ContextError(f"{word}= takes one field, such as Report.urls, not {len(refs)}")
    return refs[0]
