"""T6 along one run: what was written on the way of it, and of each machine that runs inside it, by their records.

A machine is audited as its design says, without the rules of `fsm_orch.define.rules`, which say it of all paths.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..define.agent_spec import AgentSpec
from ..define.context import first_readable
from ..define.definition import Definition
from ..define.parts import Part
from ..kernel import records
from ..kernel.effects import Path
from ..kernel.records import Record


class Written:
    """The fields that were written on the way of a run, at every level.

    Args:
        definition: of the machine that runs.

    Raises AssertionError: if branches in it, or in a machine inside it, do not come together as T6 says; and from
        `follow`, if a run does what T6 forbids.
    """

    def __init__(self, definition: Definition) -> None:
        _check_crossings(definition)
        self._definitions: dict[Path, Definition] = {(): definition}
        self._fields: dict[Path, set[str]] = {}
        self._parts: dict[Path, Part] = {}

    def follow(self, told: Iterable[Record]) -> None:
        """Take the records of a step."""
        for record in told:
            path = record.stamp.path
            match record:
                case records.RunStarted():
                    self._fields[path] = set(first_readable(self._definitions[path].context))
                case records.VisitStarted():
                    self._check_reads(path, record.stamp.state)
                case records.Asked():
                    self._begin(path, record)
                case records.HandedOff():
                    self._commit(path, record)
                case records.Landed():
                    self._enter(path, record.target)
                case records.Answered(ok=True):
                    self._check_taken(path, record)
                case _:
                    pass

    def _check_reads(self, path: Path, state: str) -> None:
        unwritten = sorted(self._definitions[path].states[state].spec.read_names - self._fields[path])
        assert not unwritten, f"T6: {state!r} reads {unwritten}, which no visit has written"

    def _begin(self, path: Path, record: records.Asked) -> None:
        """Keep which machine each ask runs; its records follow."""
        parts = {part.name: part for part in self._definitions[path].states[record.stamp.state].spec.parts}
        for wanted in record.asks:
            inside = (*path, wanted.ask)
            self._parts.pop(inside, None)  # asks are numbered anew in each visit
            if wanted.kind == "part":
                self._parts[inside] = parts[wanted.name]
                self._definitions[inside] = parts[wanted.name].definition

    def _commit(self, path: Path, record: records.HandedOff) -> None:
        """A handoff writes what its agent declares, a failure edge nothing."""
        source = self._definitions[path].states[record.source]
        is_exit = any(handoff.name == record.handoff for handoff in source.exits)
        most, least = (source.spec.written_names, source.spec.sure_names) if is_exit else (frozenset(), frozenset())
        assert least <= set(record.written) <= most, f"T6: {record.handoff!r} wrote {record.written}"
        self._fields[path] |= set(record.written)
        self._enter(path, record.target)

    def _enter(self, path: Path, target: str) -> None:
        final = self._definitions[path].finals.get(target)
        if final is not None:
            self._fields[path] |= {ref.name for ref in final.sets}

    def _check_taken(self, path: Path, record: records.Answered) -> None:
        """What is taken from a part that has ended well was written on the way that it went."""
        inside = (*path, record.ask)
        part = self._parts.get(inside)
        if part is not None:
            lost = sorted(set(part.taken.values()) - self._fields[inside])
            state = record.stamp.state
            assert not lost, f"T6: {state!r} takes {lost} from {part.name!r}, which ended well without writing it"


def _check_crossings(definition: Definition) -> None:
    """Assert of every state in a tree that parts are given what it reads, and that branches come together."""
    for name, state in definition.states.items():
        for part in state.spec.parts:
            unread = sorted({ref.name for ref in part.given.values()} - state.spec.read_names)
            assert not unread, f"T6: {name!r} gives {unread} to {part.name!r}, and does not read it"
            _check_crossings(part.definition)
        if state.spec.join is not None:
            _check_join(name, state.spec)


def _check_join(state: str, spec: AgentSpec) -> None:
    join, parts = spec.join, spec.parts
    assert join is not None
    for field in sorted({name for part in parts for name in part.taken}):
        writers = [part.name for part in parts if field in part.taken]
        is_one = join.is_race and join.need == 1  # of these no more than one is taken
        assert len(writers) == 1 or is_one or field in join.merged, (
            f"T6: the branches {writers} of {state!r} all write {field!r}, and nothing merges it"
        )
        # any `need` branches may be those that end well: as many as that may write something else
        is_sure = len(parts) - len(writers) < join.need
        assert is_sure or field not in spec.sure_names, (
            f"T6: {state!r} is said to write {field!r}, and {join.need} of its branches may end without it"
        )
