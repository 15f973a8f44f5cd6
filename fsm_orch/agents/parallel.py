"""Parallel agents: branches that run at once, each as a machine inside a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..define.agent_spec import AgentSpec
from ..define.callables import is_awaited, short_name, takes_one
from ..define.context import FieldRef, field_refs
from ..define.defaults import said
from ..define.parts import Join, Part
from ..define.source import qualified_name, where_called
from ..define.wording import kind_of
from ..define.wrapped import Work, owner_of
from ..errors import PartFailed
from ..kernel.configuration import Ask
from .base import PlainAgent, Reply, Round, Visit
from .crossing import Crossing, called, failed, given_from, mapping, of_work, read_from, request, taken_from
from .nested import Nested

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
    Raises TypeError: if a branch is none, or `join`, `tolerate` or `merge` is something else, such as async functions.
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
        if not isinstance(tolerate, bool):  # a text such as "no" would be a yes
            raise TypeError(f"tolerate= takes True or False, not {kind_of(tolerate)}")
        self._merge = _merges({} if merge is None else merge)
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


def _merges(merge: object) -> dict[str, Callable[[tuple[Any, ...]], object]]:
    pairs = mapping(merge, "merge")
    for function in pairs.values():
        if not callable(function):
            raise TypeError(f"merge= takes functions, not {kind_of(function)}: merge={{Report.notes: joined}}")
        name = short_name(function)
        if is_awaited(function):
            raise TypeError(f"merge= takes plain functions, and {name} is async: write def {name}(values)")
        if not takes_one(function):
            raise TypeError(f"{name} is called with the values of the branches, as one tuple: write def {name}(values)")
    return dict(zip((ref.name for ref in field_refs(pairs)), pairs.values(), strict=True))


def _too_few(ended: Sequence[tuple[Part, Ask]], need: int) -> PartFailed:
    # those that were ended for it say nothing of why
    why = "; ".join(str(failed(part, ask)) for part, ask in ended if not ask.ok and ask.end != "unneeded")
    well = sum(ask.ok for _, ask in ended)
    return PartFailed(f"{well} of {len(ended)} branches ended well, and {need} must: {why}")
