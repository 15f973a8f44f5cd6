"""Nested agents: a machine that runs inside a state.

It runs on a share of the ledger, from its own initial state, with its own limits; it was checked and proved when it was
built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..define.agent_spec import AgentSpec
from ..define.defaults import said
from ..define.machine import AnyMachine
from ..define.source import where_called
from ..define.states import Final, State
from .base import PlainAgent, Reply, Round, Visit
from .crossing import failed, given_from, of_machine, request, taken_from


class Nested(PlainAgent):
    """A machine that runs inside a state.

        fly = State(Nested(Flights, writes=Trip.flight, ends={Flights.booked: stay, Flights.sold_out: by_train}))

    It starts with the fields of the same names; when it has ended well, what it wrote is taken. If it was landed, or
    ended in its fallback, the visit has failed: `on_failure`, or the run lands.

    Args:
        machine: the class of a machine.
        writes: the fields that are taken from it by the same name, one or several.
        give: what it is given under another name: its field, and the field around it.
        take: what is taken under another name: the field around it, and its own.
        ends: where the run goes from each good end of the machine: a state or final state to which exactly one handoff
            leads. Empty: the first handoff whose guard holds.
        reads: the fields that it is given by the same name; None: all that it requires, and those marked `Given` that
            are fields here too.

    Raises TypeError: if it is given something else than a machine, or mappings.
    Raises ContextError: if something else than fields crosses.
    """

    def __init__(
        self,
        machine: AnyMachine,
        *,
        writes: object = (),
        give: Mapping[Any, Any] | None = None,
        take: Mapping[Any, Any] | None = None,
        ends: Mapping[Final, State | Final] | None = None,
        reads: object = None,
    ) -> None:
        self.crossing = of_machine(
            machine, reads=reads, writes=writes, give=give or {}, take=take or {}, ends=ends or {}
        )
        for end, target in self.crossing.ends.items():
            if not isinstance(end, Final) or not isinstance(target, State | Final):
                raise TypeError(
                    f"ends= takes a state for each final of {self.crossing.name}, not {target!r} for {end!r}"
                )
        self._part = self.crossing.part(self.crossing.name)
        self._targets = {end.name: target for end, target in self._part.ends.items()}
        self._spec = AgentSpec(
            kind="nested",
            name=self.crossing.name,
            reads=self.crossing.reads,
            writes=self.crossing.writes,
            parts=(self._part,),
            asks=1,
            must_ask=True,
            routes=tuple(dict.fromkeys(self._targets.values())),
            canonical=said(**self.crossing.canonical, ends=[[end, to.name] for end, to in self._targets.items()] or {}),
            where=where_called(),
        )

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    def begin(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Ask for a run of the machine, or reply with what it came to.

        Raises PartFailed: if it was landed, or ended in its fallback.
        """
        for ask in visit.asks.values():
            if not ask.ok:
                raise failed(self._part, ask)
            target = self._targets.get(ask.value["state"])
            handoff = None if target is None else visit.handoff_to(target)
            return Reply(handoff=handoff, changes=taken_from(self._part, ask))
        return Round((request(self._part, given_from(visit, self._spec.reads)),))
