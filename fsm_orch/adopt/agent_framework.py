"""agent-framework: a workflow tells its graph as data, by `to_dict`; what its executors send is their code's to say."""

from collections.abc import Iterator, Mapping, Sequence

from .agent_framework_nodes import AGENT_FRAMEWORK, asks_more, beside, client, functions, is_agent, node
from .beside import Beside, clients, overriding, told
from .graph import END, Cap, Edge, Graph, by_source
from .messages import sends_many

_SINGLE, _FAN_OUT = "edge", "fan-out"


def reads(thing: object) -> bool:
    """Return whether it is a workflow of agent-framework."""
    return AGENT_FRAMEWORK.made(thing, "Workflow") and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what a workflow tells of itself.

    Raises:
        Unreadable: if something that is read is not there.
    """
    data = AGENT_FRAMEWORK.call(thing, "to_dict")
    executors = AGENT_FRAMEWORK.table(thing, "executors")
    groups = [group for group in AGENT_FRAMEWORK.many(data, "edge_groups") if _kind(group) != "internal"]
    edges = [edge for number, group in enumerate(groups) for edge in _edges(group, number)]
    coded = [key for key, each in executors.items() if not is_agent(each) or not AGENT_FRAMEWORK.wrote(type(each))]
    many = {key for key in coded if _sends_many(executors[key])}
    leaving = by_source(edges)
    ends = [edge for key, each in executors.items() if (edge := _end(key, each, leaving.get(key, ()))) is not None]
    forks = frozenset(key for key, found in leaving.items() if _is_fork(found))
    said = told(AGENT_FRAMEWORK, _beside(thing, name, executors))
    return Graph(
        framework=AGENT_FRAMEWORK.name,
        name=name,
        entry=AGENT_FRAMEWORK.text(data, "start_executor_id"),
        nodes={key: node(key, executor) for key, executor in executors.items()},
        edges=(*edges, *ends),
        cap=Cap(
            name="max_iterations",
            value=AGENT_FRAMEWORK.number(data, "max_iterations"),
            unit="steps, each of all messages that wait",
            counts="messages",
            then="WorkflowConvergenceException is raised",
        ),
        joins=dict(_joins(groups)),
        forks=forks,
        may_fork=frozenset(key for key, found in leaving.items() if _may_fork(found)) - forks,
        sends=frozenset(many),
        uncounted=(*said.uncounted, *(clause for key, each in executors.items() for clause in asks_more(key, each))),
        assumed=(
            *_assumed(set(coded) - many),
            *said.assumed,
            *clients(AGENT_FRAMEWORK, {key: client(each) for key, each in executors.items()}),
        ),
        lost=("which messages an executor sends, and to whom, is its code's to say", *_lost(leaving, executors)),
        on_unknown="refuses it when the workflow is built",
    )


def _beside(thing: object, name: str, executors: Mapping[str, object]) -> Iterator[Beside]:
    """Yield what a workflow runs beside its executors, and beside the requests of its agents."""
    yield overriding(AGENT_FRAMEWORK, name, thing)
    for key, executor in executors.items():
        yield from beside(key, executor)
    for group in AGENT_FRAMEWORK.many(thing, "edge_groups"):
        edges = AGENT_FRAMEWORK.many(group, "edges")
        source = next((AGENT_FRAMEWORK.text(edge, "source_id") for edge in edges), name)
        yield Beside(source, "condition", [AGENT_FRAMEWORK.find(edge, "_condition") for edge in edges])
        yield Beside(source, "condition", [AGENT_FRAMEWORK.find(case, "_condition") for case in _cases(group)])
        yield Beside(source, "selection function", AGENT_FRAMEWORK.find(group, "_selection_func"))


def _cases(group: object) -> list[object]:
    return AGENT_FRAMEWORK.listed(AGENT_FRAMEWORK.find(group, "cases"), group, "cases")


def _kind(group: object) -> str:
    """Return the kind of a group of edges: single, fanout, fanin, switchcase, or internal, which asks the caller."""
    return AGENT_FRAMEWORK.text(group, "type").removesuffix("EdgeGroup").lower()


def _edges(group: object, number: int) -> Iterator[Edge]:
    """Yield the edges of a group; of a switch one is taken, and of a fan-in the first stands for all."""
    kind = _kind(group)
    cases = {
        AGENT_FRAMEWORK.text(case, "target_id"): case
        for case in (AGENT_FRAMEWORK.many(group, "cases") if kind == "switchcase" else ())
    }
    chosen = AGENT_FRAMEWORK.find(group, "selection_func_name") if kind == "fanout" else None
    for at, edge in enumerate(AGENT_FRAMEWORK.many(group, "edges")):
        target = AGENT_FRAMEWORK.text(edge, "target_id")
        asked = AGENT_FRAMEWORK.find(cases.get(target, edge), "condition_name")
        condition = asked if isinstance(asked, str) else chosen if isinstance(chosen, str) else None
        yield Edge(
            source=AGENT_FRAMEWORK.text(edge, "source_id"),
            target=target,
            via=_via(kind, is_default=kind == "switchcase" and condition is None),
            chooses="code" if condition or kind == "switchcase" else "always",
            condition=condition,
            choice=number if kind == "switchcase" else None,
            is_waited=kind == "fanin" and at > 0,
        )


def _via(kind: str, *, is_default: bool) -> str:
    words = {"single": _SINGLE, "fanout": _FAN_OUT, "fanin": "fan-in", "switchcase": "case"}
    return "default" if is_default else words.get(kind, kind)


def _end(key: str, executor: object, leaving: Sequence[Edge]) -> Edge | None:
    """Return how a run can end at an executor; one of an agent sends its reply along every edge without a condition."""
    if not leaving:
        return Edge(source=key, target=END, via="no edge leaves it", chooses="always")
    if all(edge.condition for edge in leaving):
        return Edge(source=key, target=END, via="no condition holds", chooses="code", trust="assumed")
    if not is_agent(executor):
        return Edge(source=key, target=END, via="sends nothing", chooses="code", trust="assumed")
    return None


def _joins(groups: list[object]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for group in groups:
        edges = AGENT_FRAMEWORK.many(group, "edges")
        if _kind(group) == "fanin":
            yield (
                AGENT_FRAMEWORK.text(edges[0], "target_id"),
                tuple(AGENT_FRAMEWORK.text(edge, "source_id") for edge in edges),
            )


def _is_fork(leaving: Sequence[Edge]) -> bool:
    """Return whether a message of an executor goes several ways at once, whatever conditions hold."""
    asked = [edge.condition for edge in leaving]
    twice = len(asked) > len(set(asked)) and "<lambda>" not in asked
    is_sure = None in asked or twice
    return (_may_fork(leaving) and is_sure) or any(edge.via == _FAN_OUT for edge in leaving)


def _may_fork(leaving: Sequence[Edge]) -> bool:
    """Return whether several ways may be taken at once from an executor: those of one switch shut each other out."""
    switches = {edge.choice for edge in leaving} - {None}
    return sum(edge.choice is None for edge in leaving) + len(switches) > 1


def _sends_many(executor: object) -> bool:
    """Return whether what an executor does may send several messages; a workflow inside sends all of its outputs."""
    return AGENT_FRAMEWORK.made(executor, "WorkflowExecutor") or sends_many(functions(executor))


def _assumed(coded: set[str]) -> Iterator[str]:
    if coded:
        yield f"one message a visit of {', '.join(sorted(coded))}: no more were seen in the code"


def _lost(leaving: Mapping[str, Sequence[Edge]], executors: dict[str, object]) -> Iterator[str]:
    for key, executor in executors.items():
        if sum(edge.via == _SINGLE and bool(edge.condition) for edge in leaving.get(key, ())) > 1:
            yield f"{key}: every way whose condition holds is taken there, one of them in a machine"
        if AGENT_FRAMEWORK.made(executor, "WorkflowExecutor"):
            yield f"{key}: runs a workflow of its own, which is read apart"
        if not is_agent(executor) and AGENT_FRAMEWORK.many(executor, "_response_handlers"):
            yield f"{key}: asks the caller, and goes on when that answers"
