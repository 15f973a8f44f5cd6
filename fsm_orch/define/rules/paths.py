"""Rules about paths: where the runs of a definition can go, and whether its limits let them end.

The rules of `fsm_orch.define.rules.check` that look at more than one edge. They ask nothing of guards: what a guard may
forbid counts as possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import Finding
from .. import codes
from ..context import first_readable
from ..definition import Definition
from ..graph import reachable, reversed_graph, shortest_cycle, shortest_path, without
from ..preset import as_preset
from ..states import Final
from ..wording import quoted


def unreachable(definition: Definition) -> Iterator[Finding]:
    """Find states that no path leads to."""
    reached = reachable(definition.successors, definition.starts)
    for name, part in (*definition.states.items(), *definition.finals.items()):
        if name not in reached and not (isinstance(part, Final) and part.fallback):
            yield codes.finding(
                "FSM103",
                where=part.where,
                problem=f"no path leads to {name!r}",
                expected=f"states that can be reached from {quoted(definition.starts)}",
            )


def traps(definition: Definition) -> Iterator[Finding]:
    """Find states from which only the fallback can be reached, or whose agent would never be asked."""
    for name, state in definition.states.items():
        if state.handoffs and not state.exits:
            yield codes.finding(
                "FSM104",
                where=state.where,
                problem=f"{name!r} has failure edges and no handoff, so its agent would never be asked",
                expected="states with a handoff to take",
                fix="declare one",
            )
    goals = [name for name, final in definition.finals.items() if not final.fallback]
    can_finish = reachable(reversed_graph(definition.successors), goals)
    for name, state in definition.states.items():
        if name not in can_finish:
            stays = f"no handoff leaves {name!r}, so a run that enters it can only be landed"
            gives_up = f"from {name!r} only the fallback can be reached"
            yield codes.finding("FSM104", where=state.where, problem=gives_up if state.handoffs else stays)


def cycles(definition: Definition) -> Iterator[Finding]:
    """Find cycles without a bound of their own, each once."""
    bounded = [name for name, state in definition.states.items() if state.max_visits is not None]
    graph = without(definition.successors, bounded)
    while (cycle := shortest_cycle(graph)) is not None:
        kind = "self-loop" if len(cycle) == 2 else "cycle"
        yield codes.finding(
            "FSM105",
            where=definition.states[cycle[0]].where,
            problem=f"the {kind} {' -> '.join(cycle)} has no bound of its own",
            fix=f"declare it: {cycle[0]} = State(..., max_visits=2)",
        )
        graph = without(graph, cycle[:1])  # as if it were bounded as advised


def unwritten_reads(definition: Definition) -> Iterator[Finding]:
    """Find every field that an agent reads though some path to it did not write it (T6).

    A path writes a field where a handoff leaves a state whose agent writes it; failure edges keep the context
    of entry and write nothing. The path shown is a shortest one.
    """
    first = first_readable(definition.context)
    for state in definition.states.values():
        for field in sorted((state.spec.read_names & definition.context.__pydantic_fields__.keys()) - first):
            path = shortest_path(
                edges_that_do_not_write(definition, field),
                definition.starts,
                lambda name, goal=state.name: name == goal,  # type: ignore[misc]
            )
            if path == (state.name,) and not state.initial:
                yield codes.finding(
                    "FSM110",
                    where=state.where,
                    problem=f"{state.name!r} reads {field!r}, and a run may start there (entry=True), before anything "
                    "writes it",
                    fix=_mend(definition, field),
                )
            elif path is not None:
                lost = _lost(definition, field, path)
                why = f" ({lost})" if lost else ""
                yield codes.finding(
                    "FSM110",
                    where=state.where,
                    problem=f"{state.name!r} reads {field!r}, which this path did not write{why}: {' -> '.join(path)}",
                    fix=_mend(definition, field),
                )


def _mend(definition: Definition, field: str) -> str:
    preset = as_preset(definition.context, field)
    return (
        f"write {field!r} on that path, remove its default, or do not read it; if its default means something from the "
        f"start, mark it: {preset}"
    )


def _lost(definition: Definition, field: str, path: Sequence[str]) -> str | None:
    """Return why the last state on a path that may write a field has not; None if there is none."""
    writers = [name for name in path[:-1] if field in definition.states[name].spec.written_names]
    if not writers:
        return None
    spec = definition.states[writers[-1]].spec
    if field in spec.sure_names:
        return f"nothing that {writers[-1]!r} writes is kept when its visit fails"
    enough = f", and join={spec.join.need} of its branches is enough" if spec.join else ""
    return f"{writers[-1]!r} may leave it out{enough}"


def edges_that_do_not_write(definition: Definition, field: str) -> dict[str, list[str]]:
    """Return the edges of a definition over which a field is not written, as a graph."""
    graph: dict[str, list[str]] = {name: [] for name in definition.successors}
    for source, handoff in definition.edges:
        if handoff.kind != "handoff" or field not in definition.states[source].spec.sure_names:
            graph[source].append(handoff.target.name)
    return graph
