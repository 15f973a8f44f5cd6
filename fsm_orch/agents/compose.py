"""Machines in machines: one inside a state, several at once, or one for each item of a list.

Each is an agent that asks for a round of parts and replies with what they came to. A part runs on a share of the
ledger, from its own initial state, with its own limits; its machine was checked and proved when it was built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..define.agent_spec import AgentSpec
from ..define.context import Context, FieldRef, field_refs
from ..define.defaults import said
from ..define.machine import AnyMachine, is_machine
from ..define.parts import Join, Part
from ..define.source import qualified_name, where_called
from ..define.states import Final, State
from ..define.wording import kind_of
from ..define.wrapped import Work, owner_of
from ..errors import ContextError, PartFailed, VisitError
from ..kernel.configuration import Ask
from .base import PlainAgent, Reply, Round, Visit
from .crossing import Crossing, called, failed, given_from, of_machine, of_work, read_from, request, taken_from


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


Branch = Work | Nested
"""What can run beside others, or once for each item: an agent, a function, a state, or a machine in `Nested`."""


class Parallel(PlainAgent):
    """Branches that run at once.

        gather = State(Parallel(
            LLMAgent("List the news.", reads=Report.topic, writes=Report.news),
            State(search, reads=Report.topic, writes=Report.papers, timeout_s=5),
            Nested(Archive, writes=Report.archive),
        ))

    Each runs in a machine of its own, on its own share. A state as a branch says its time, and what its function reads
    and writes; a machine stands in `Nested`, which says what is taken from it.

    Args:
        branches: agents, functions, states and machines; each is named by its function, its machine, or the fields that
            it writes.
        named: further branches, under names of your own.
        join: how many must end well: "all", a number, or "first", which is 1. When they have, the others are ended;
            so they are when enough can no longer end well, and the visit has failed.
        tolerate: wait for all branches, however they end, before it is counted; so what is charged does not depend on
            which of them is the quickest. What ended well is taken.
        merge: for a field that several branches write, the function that makes its value of theirs, which come as a
            tuple in the order of the branches.

    Raises ValueError: if there are fewer than two branches.
    Raises TypeError: if a branch is none, or `join` is something else.
    """

    def __init__(
        self,
        *branches: Branch,
        join: Literal["all", "first"] | int = "all",
        tolerate: bool = False,
        merge: Mapping[Any, Callable[[tuple[Any, ...]], object]] | None = None,
        **named: Branch,
    ) -> None:
        crossings = _by_names([*((None, one) for one in branches), *named.items()])
        if len(crossings) < 2:
            raise ValueError(f"Parallel takes two branches or more, not {len(crossings)}: one has a State of its own")
        self._merge = _merges(merge or {})
        self._tolerate = tolerate
        self._parts = tuple(crossing.part(name) for name, crossing in crossings.items())
        self._need = _needed(join, len(self._parts))
        self._join = Join(
            need=self._need,
            is_race=self._need < len(self._parts) and not tolerate,
            merged=frozenset(self._merge),
        )
        around = owner_of([ref for crossing in crossings.values() for ref in (*crossing.reads, *crossing.writes)])
        written = list(dict.fromkeys(name for part in self._parts for name in part.taken))
        self._spec = AgentSpec(
            kind="parallel",
            name="Parallel",
            reads=tuple(dict.fromkeys(ref for crossing in crossings.values() for ref in crossing.reads)),
            writes=tuple(FieldRef(around, name) for name in written),
            may_omit=tuple(FieldRef(around, name) for name in written if self._may_omit(name)),
            parts=self._parts,
            join=self._join,
            asks=len(self._parts),
            must_ask=True,
            canonical=self._canonical(crossings),
            where=where_called(),
        )

    def _may_omit(self, field: str) -> bool:
        """Return whether so many branches can end well that none of them writes a field."""
        without = sum(field not in part.taken for part in self._parts)
        return without >= self._need

    def _canonical(self, crossings: Mapping[str, Crossing]) -> dict[str, Any] | None:
        merge = {name: qualified_name(function) for name, function in self._merge.items()}
        if None in merge.values():
            return None
        crossed = {name: crossing.canonical for name, crossing in crossings.items()}
        return said(
            join="all" if self._need == len(self._parts) else self._need,
            tolerate=self._tolerate,
            merge=merge,
            give={name: crossing["give"] for name, crossing in crossed.items() if crossing["give"]},
            take={name: crossing["take"] for name, crossing in crossed.items() if crossing["take"]},
        )

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    def begin(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Ask for a run of each branch, or reply with what those that ended well came to.

        Raises PartFailed: if fewer than `join` ended well.
        """
        if not visit.asks:
            held = given_from(visit, self._spec.reads)
            requests = tuple(request(part, held) for part in self._parts)
            return Round(requests, need=0 if self._tolerate else self._need, is_race=self._join.is_race)
        ended = list(zip(self._parts, visit.asks.values(), strict=True))
        well = [(part, ask) for part, ask in ended if ask.ok]
        if len(well) < self._need:
            raise _too_few(ended, self._need)
        return Reply(changes=self._joined(well))

    def _joined(self, well: Sequence[tuple[Part, Ask]]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for part, ask in well:  # of branches that race for one field, no more than one has ended well
            changes |= taken_from(part, ask)
        for name in self._merge.keys() & changes.keys():
            values = tuple(read_from(part, ask, part.taken[name]) for part, ask in well if name in part.taken)
            changes[name] = self._merge[name](values)
        return changes


def _by_names(branches: Sequence[tuple[str | None, Branch]]) -> dict[str, Crossing]:
    """Return the branches by their names; those that would have the same one are numbered."""
    names = [name or _name(branch) for name, branch in branches]
    numbers = dict.fromkeys(names, 0)
    found: dict[str, Crossing] = {}
    for (own, branch), name in zip(branches, names, strict=True):
        numbers[name] += 1
        unique = own or (name if names.count(name) == 1 else f"{name}_{numbers[name]}")
        if unique in found:
            raise ValueError(f"two branches are named {unique!r}: give one of them another name, {unique}_too=...")
        found[unique] = branch.crossing if isinstance(branch, Nested) else of_work(branch, unique)
        if found[unique].ends:
            raise ValueError(f"branch {unique!r} has ends=, and goes nowhere by itself: leave it out")
    return found


def _name(branch: Branch) -> str:
    """Return what a branch is called if nobody says."""
    return branch.crossing.name if isinstance(branch, Nested) else called(branch)


def _needed(join: object, branches: int) -> int:
    """Return how many branches must end well.

    Raises TypeError: if it is no such number.
    """
    if join == "all":
        return branches
    if join == "first":
        return 1
    if type(join) is int:
        return join
    raise TypeError(f"join= takes 'all', 'first' or a number of branches, not {join!r}")


def _merges(merge: Mapping[Any, Any]) -> dict[str, Callable[[tuple[Any, ...]], object]]:
    for function in merge.values():
        if not callable(function):
            raise TypeError(f"merge= takes functions, not {kind_of(function)}: merge={{Report.notes: joined}}")
    return dict(zip((ref.name for ref in field_refs(merge)), merge.values(), strict=True))


def _too_few(ended: Sequence[tuple[Part, Ask]], need: int) -> PartFailed:
    # those that were ended for it say nothing of why
    why = "; ".join(str(failed(part, ask)) for part, ask in ended if not ask.ok and ask.end != "unneeded")
    well = sum(ask.ok for _, ask in ended)
    return PartFailed(f"{well} of {len(ended)} branches ended well, and {need} must: {why}")


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

    Raises TypeError: if it is given something else than these.
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
        given = dict(zip((r.name for r in field_refs(give or {})), field_refs((give or {}).values()), strict=True))
        crossing = _each(work, around)
        crossed = {name: FieldRef(around, name) for name in crossing.give if name not in given and name != own.name}
        self._part = Part(
            name=crossing.name,
            definition=crossing.definition,
            most=most,
            given={**crossed, **given, own.name: self._over},
            taken={self._into.name: came.name},
        )
        self._own, self._came, self._most = own.name, came.name, most
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
        if len(items) > self._most:
            raise VisitError(
                f"{visit.state.name!r} maps over {len(items):,} items, and {self._most:,} is the most: raise most=, or "
                "hand it fewer"
            )
        requests = tuple(request(self._part, {**held, self._over.name: item}) for item in items)
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
