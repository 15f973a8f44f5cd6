"""Rules about paths: on small machines, and against brute force on random ones."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.declared import case, shows

from fsm_orch import Context, DefinitionError, Final, Handoff, Machine, State
from fsm_orch.define.context import FieldRef
from fsm_orch.define.definition import Definition
from fsm_orch.define.rules.check import check
from fsm_orch.define.rules.paths import unwritten_reads


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a path leads to each state, and to each final state but the fallback",
            "no path leads to 'b'",
            """
            b = State(work)  # FSM103
            never = Final()  # FSM103
            b_end = b.to(done)
            """,
        ),
        case(
            "a path leads on from each state to an end that is not the fallback",
            "from 'b' only the fallback can be reached",
            """
            b = State(  # FSM104
                work,
                max_visits=1,
            )
            to_b = a.to(b)
            give_up = b.to(human)
            loop = b.to(b, guard=is_high)
            """,
        ),
        case(
            "a state has a handoff to take",
            "'b' has failure edges and no handoff",
            """
            b = State(work)  # FSM104
            to_b = a.to(b)
            lost = b.on_failure(done)
            """,
        ),
        case(
            "a self-loop has a bound",
            "the self-loop a -> a has no bound of its own",
            "again = a.to(a, guard=is_high)",
            a="State(work, initial=True)  # FSM105",
        ),
        case(
            "a cycle has a bound, failure edges counted",
            "the cycle a -> b -> a has no bound of its own",
            """
            b = State(work)
            to_b = a.to(b)
            back = b.on_timeout(a)
            b_end = b.to(done)
            """,
            a="State(work, initial=True)  # FSM105",
        ),
        case(
            "what is read was written on every path, or given",
            "'b' reads 'answer', which this path did not write: a -> b",
            """
            c = State(work, writes=(Ticket.answer,))
            b = State(work, reads=(Ticket.answer, Ticket.query, Ticket.locale))  # FSM110
            to_c = a.to(c)
            to_b = (a | c).to(b)
            b_end = b.to(done)
            """,
        ),
        case(
            "a failure edge keeps nothing that its visit wrote",
            "which this path did not write (nothing that 'a' writes is kept when its visit fails): a -> b",
            """
            b = State(work, reads=(Ticket.answer,))  # FSM110
            to_b = a.to(b)
            lost = a.on_failure(b)
            b_end = b.to(done)
            """,
            a="State(work, initial=True, writes=(Ticket.answer,))",
        ),
        case(
            "what enough of the branches leave out is said to be left out",
            "which this path did not write ('a' may leave it out, and join=1 of its branches is enough): a -> b",
            """
            b = State(work, reads=(Ticket.answer,))  # FSM110
            to_b = a.to(b)
            b_end = b.to(done)
            """,
            a="State(Parallel(x=State(work, writes=Ticket.answer), y=State(work, writes=Ticket.level), "
            "join='first', tolerate=True), initial=True)",
        ),
        case(
            "the first visit does not read what later ones write",
            "'a' reads 'answer', which this path did not write: a",
            "again = a.to(a, guard=is_high)",
            a="State(work, initial=True, reads=(Ticket.answer,), writes=(Ticket.answer,), max_visits=2)  # FSM110",
        ),
    ],
)
def test_paths_that_lead_nowhere(problem: str, source: str, path: Path) -> None:
    """States between which runs go astray are found at the line that declares them."""
    shows(path, source, problem)


class Fields(Context):
    given: str
    f: int = 0
    g: int = 0
    h: int = 0


REFS = {name: FieldRef(Fields, name) for name in Fields.model_fields}


def work(visit: Any) -> None:
    """Do nothing."""


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Draw definitions of up to six states with any edges; they need not be well-formed."""
    fields = st.lists(st.sampled_from(sorted(REFS)), unique=True, max_size=3)
    count = draw(st.integers(1, 6))
    states = {}
    for index in range(count):
        state = State(
            work,
            initial=index == 0,
            reads=[REFS[name] for name in draw(fields)],
            writes=[REFS[name] for name in draw(fields)],
            max_visits=draw(st.sampled_from([None, None, 1, 3])),
        )
        states[f"s{index}"] = state
    finals = {"done": Final(), "human": Final(fallback=True)}
    parts = {**states, **finals}
    for name, part in parts.items():
        part.__set_name__(Fields, name)
    handoffs: list[Handoff] = []
    for index in range(draw(st.integers(0, 12))):
        sources = draw(st.lists(st.sampled_from(sorted(states)), unique=True, min_size=1, max_size=2))
        target = parts[draw(st.sampled_from(sorted(parts)))]
        source: Any = states[sources[0]] if len(sources) == 1 else states[sources[0]] | states[sources[1]]
        kind = draw(st.sampled_from(["to", "to", "to", "on_failure", "on_timeout", "on_refusal"]))
        handoff = getattr(source, kind)(target)
        handoff.__set_name__(Fields, f"h{index}")
        handoffs.append(handoff)
    return Definition(
        name="Random",
        doc="",
        where="here:1",
        context=Fields,
        states=states,
        finals=finals,
        handoffs=tuple(handoffs),
    )


def edges(definition: Definition) -> list[tuple[str, str, frozenset[str]]]:
    """List every edge with the fields it writes."""
    return [
        (source.name, h.target.name, source.spec.written_names if h.kind == "handoff" else frozenset())
        for h in definition.handoffs
        for source in h.sources
    ]


def written_on_all_paths(definition: Definition) -> dict[str, frozenset[str]]:
    """Solve the forward dataflow problem: fields that every path to a state has written; unreachable ones lack."""
    known = {"s0": frozenset({"given"})}
    changed = True
    while changed:
        changed = False
        for source, target, writes in edges(definition):
            if source in known:
                after = known[source] | writes
                met = known[target] & after if target in known else after
                if known.get(target) != met:
                    known[target], changed = met, True
    return known


@given(definitions())
def test_unwritten_reads_agree_with_a_dataflow_analysis(definition: Definition) -> None:
    """A read is reported exactly if the fixpoint of all paths lacks its field (T6)."""

    known = written_on_all_paths(definition)
    expected = {
        (name, ref.name)
        for name, state in definition.states.items()
        for ref in state.spec.reads
        if name in known and ref.name not in known[name]
    }

    found = [tuple(re.findall(r"'(\w+)' reads '(\w+)'", finding.problem)[0]) for finding in unwritten_reads(definition)]

    assert expected == set(found)
    assert len(expected) == len(found)


@given(definitions())
def test_the_witness_of_an_unwritten_read_is_such_a_path(definition: Definition) -> None:
    """The path shown leads from the initial state to the reader over declared edges that do not write the field."""

    for finding in unwritten_reads(definition):
        reader, field = re.findall(r"'(\w+)' reads '(\w+)'", finding.problem)[0]
        path = finding.problem.rpartition(": ")[2].split(" -> ")
        bare = {(source, target) for source, target, writes in edges(definition) if field not in writes}

        assert "s0" == path[0]
        assert reader == path[-1]
        assert set(itertools.pairwise(path)) <= bare
        assert len(set(path)) == len(path)


def closure(pairs: set[tuple[str, str]], nodes: list[str]) -> set[tuple[str, str]]:
    reach = set(pairs)
    for via, a, b in itertools.product(nodes, nodes, nodes):
        if (a, via) in reach and (via, b) in reach:
            reach.add((a, b))
    return reach


@given(definitions())
def test_unbounded_cycles_agree_with_brute_force(definition: Definition) -> None:
    """A cycle is reported exactly if some cycle has no state with max_visits, and the one shown is such a cycle."""

    free = [name for name, state in definition.states.items() if state.max_visits is None]
    pairs = {(a, b) for a, b, _ in edges(definition) if a in free and b in free}
    expected = any(a == b for a, b in closure(pairs, free))

    found = [finding for finding in check(definition) if finding.code == "FSM105"]

    assert expected == bool(found)
    for finding in found:
        cycle = re.findall(r"s\d", finding.problem)
        assert cycle[0] == cycle[-1]
        assert set(itertools.pairwise(cycle)) <= pairs


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a machine of many edges shrinks slowly
@given(definitions())
def test_one_look_shows_every_unbounded_cycle(definition: Definition) -> None:
    """Bounding the first state of each cycle shown, as it advises, leaves no unbounded cycle."""

    shown = [re.findall(r"s\d", finding.problem) for finding in check(definition) if finding.code == "FSM105"]
    advised = {cycle[0] for cycle in shown}
    free = [n for n, s in definition.states.items() if s.max_visits is None and n not in advised]
    pairs = {(a, b) for a, b, _ in edges(definition) if a in free and b in free}

    assert not any(a == b for a, b in closure(pairs, free))


@given(definitions())
def test_unreachable_and_traps_agree_with_brute_force(definition: Definition) -> None:
    """A state is unreachable if no path leads to it, and a trap if no path leads on to a final state of its own."""

    nodes = [*definition.states, *definition.finals]
    reach = closure({(a, b) for a, b, _ in edges(definition)}, nodes)
    unreachable = {n for n in nodes if n not in ("s0", "human") and ("s0", n) not in reach}
    unasked = {n for n in definition.states if definition.states[n].handoffs and not definition.states[n].exits}
    traps = {n for n in definition.states if (n, "done") not in reach} | unasked

    findings = check(definition)

    assert unreachable == {re.findall(r"'(\w+)'", f.problem)[0] for f in findings if f.code == "FSM103"}
    assert traps == {re.findall(r"'(\w+)'", f.problem)[0] for f in findings if f.code == "FSM104"}


class Draft(Context):
    """What is written."""

    text: str
    notes: tuple[str, ...] = ()


def test_a_field_that_was_not_written_is_shown_as_preset() -> None:
    """The fix has the field's own declaration, marked, so that nobody has to look up how a mark is written."""
    with pytest.raises(DefinitionError) as raised:

        class Desk(Machine[Draft]):
            """Read what nobody wrote."""

            a = State(print, reads=Draft.notes, initial=True)
            done, human = Final(), Final(fallback=True)
            end = a.to(done)

    (finding,) = raised.value.findings
    assert finding.code == "FSM110"
    assert finding.fix.endswith(
        "if its default means something from the start, mark it: notes: Preset[tuple[str, ...]] = ()"
    )
