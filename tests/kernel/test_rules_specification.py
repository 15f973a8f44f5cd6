"""What is legal, on random machines, against a specification written apart."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.legal import Flags, breaks, configuration, is_a, is_b, work

from fsm_orch import Final, Limits, LLMAgent, State, guard
from fsm_orch.amounts import Allowance, Amount, Price
from fsm_orch.define import Guard
from fsm_orch.define.context import FieldRef
from fsm_orch.define.definition import Definition
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.legal import legal, menu, objection

FIELDS = ("a", "b", "c")
trees = st.recursive(
    st.sampled_from([*FIELDS, "raises"]),
    lambda inner: st.tuples(st.sampled_from(["&", "|"]), inner, inner) | st.tuples(st.just("~"), inner),
    max_leaves=4,
)


@guard
def is_c(f: Flags) -> bool:
    return f.c


ATOMS: dict[str, Guard[Flags]] = {"a": is_a, "b": is_b, "c": is_c, "raises": breaks}


def build(tree: Any) -> Guard[Flags] | None:
    match tree:
        case None:
            return None
        case str():
            return ATOMS[tree]
        case (_, inner):
            return ~build(inner)  # type: ignore[operator]
        case ("&", one, other):
            return build(one) & build(other)  # type: ignore[operator]
        case (_, one, other):
            return build(one) | build(other)  # type: ignore[operator]


class Raised(Exception):
    pass


def look(tree: Any, values: dict[str, bool], seen: set[str]) -> bool:
    """Evaluate a formula from left to right, noting what it looks at."""
    match tree:
        case None:
            return True
        case "raises":
            raise Raised
        case str():
            seen.add(tree)
            return values[tree]
        case (_, inner):
            return not look(inner, values, seen)
        case ("&", one, other):
            return look(one, values, seen) and look(other, values, seen)
        case (_, one, other):
            return look(one, values, seen) or look(other, values, seen)


def holds(tree: Any, values: dict[str, bool]) -> tuple[bool, set[str]]:
    seen: set[str] = set()
    try:
        return look(tree, values, seen), seen
    except Raised:
        return False, seen


@dataclass
class Case:
    """A random machine, a configuration in its first state, and what it is made of in plain numbers."""

    machine: CompiledMachine
    now: Configuration
    handoffs: list[tuple[Handoff, Any, dict[str, Any] | None]]
    """Each with its formula and its target in plain numbers; None for a final one."""
    written: set[str]
    values: dict[str, bool]
    limits: dict[str, Any]
    taken: tuple[int, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    written = draw(st.sets(st.sampled_from(FIELDS)))
    start = State(work, initial=True, writes=[FieldRef(Flags, name) for name in sorted(written)])
    states, targets = {"start": start}, {}
    for index in range(draw(st.integers(1, 3))):
        caps = draw(st.sampled_from([None, (0, 1), (5, 5), (30, 20)]))
        bound = draw(st.sampled_from([None, 1, 2]))
        agent: Any = work if caps is None else LLMAgent("x", max_input_tokens=caps[0], max_output_tokens=caps[1])
        states[f"s{index}"] = State(agent, max_visits=bound)
        targets[f"s{index}"] = {"caps": caps or (0, 0), "bound": bound, "name": f"s{index}"}
    finals = {"done": Final(), "human": Final(fallback=True)}
    parts: dict[str, Any] = {**states, **finals}
    handoffs = []
    for index in range(draw(st.integers(1, 4))):
        tree = draw(st.none() | trees)
        target = draw(st.sampled_from([*targets, "done"]))
        handoff = start.to(parts[target], "x", guard=build(tree))
        handoff.__set_name__(Flags, f"h{index}")
        handoffs.append((handoff, tree, targets.get(target)))
    for name, part in parts.items():
        part.__set_name__(Flags, name)
    limits = {
        "hops": draw(st.integers(1, 5)),
        "tokens": draw(st.integers(0, 60)),
        "cost": draw(st.none() | st.integers(0, 120)),
        "deadline": draw(st.sampled_from([1.0, 2.0])),
    }
    prices = {name: draw(st.sampled_from([(0, 0), (1, 2), (3, 1)])) for name in targets}
    for target in targets.values():
        target["price"] = prices[target["name"]]
    cost_usd = None if limits["cost"] is None else f"{limits['cost'] / 10**6:.6f}"
    definition = Definition(
        name="Random",
        doc="",
        where="here:1",
        context=Flags,
        states=states,
        finals=finals,
        handoffs=tuple(h for h, _, _ in handoffs),
        limits=Limits(hops=limits["hops"], tokens=limits["tokens"], cost_usd=cost_usd, deadline_s=limits["deadline"]),
    )
    compiled = CompiledMachine(
        definition, prices={name: Price(Fraction(i), Fraction(o)) for name, (i, o) in prices.items()}
    )
    values = {name: draw(st.booleans()) for name in FIELDS}
    settled, reserved = (draw(st.tuples(st.integers(0, 30), st.integers(0, 60))) for _ in range(2))
    now = configuration(
        context=Flags(**values),
        hops=draw(st.integers(0, 4)),
        visits={name: draw(st.integers(0, 3)) for name in targets},
        settled=Amount(*settled),
        reserved=Amount(*reserved),
        limit=Allowance(limits["tokens"], limits["cost"]),
        at=draw(st.sampled_from([0.0, 0.999, 1.0, 1.5, 2.0])),
    )
    taken = (settled[0] + reserved[0], settled[1] + reserved[1])
    return Case(compiled, now, handoffs, written, values, limits, taken)


def may_enter(case: Case, target: dict[str, Any] | None, held: tuple[int, int]) -> bool:
    """Rules 3 and 4 of the design, in plain numbers."""
    if target is None:
        return True
    bound = case.limits["hops"] if target["bound"] is None else target["bound"]
    inputs, outputs = target["caps"]
    tokens = case.taken[0] + held[0] + inputs + outputs
    cost = case.taken[1] + held[1] + inputs * target["price"][0] + outputs * target["price"][1]
    return (
        (target["bound"] is None or case.now.visits[target["name"]] < bound)
        and case.now.hops + 2 <= case.limits["hops"]
        and tokens <= case.limits["tokens"]
        and (case.limits["cost"] is None or cost <= case.limits["cost"])
        and case.now.at < case.limits["deadline"]
    )


@given(cases(), st.integers(0, 20), st.integers(0, 40))
def test_legal_is_what_the_design_says(case: Case, held_tokens: int, held_cost: int) -> None:
    """What is legal is what is declared, whose guard holds or is open, with a visit left, and affordable."""

    expected = []
    for handoff, tree, target in case.handoffs:
        answer, seen = holds(tree, case.values)
        if (answer or seen & case.written) and may_enter(case, target, (held_tokens, held_cost)):
            expected.append(handoff.name)

    found = legal(case.machine, case.now, holding=Amount(held_tokens, held_cost))

    assert expected == [handoff.name for handoff in found]


@given(cases())
def test_no_door_is_closed_that_the_agent_may_open(case: Case) -> None:
    """A handoff that some reply of the agent makes legal is on the menu drawn before it."""

    before = legal(case.machine, case.now)

    for answers in itertools.product([False, True], repeat=len(case.written)):
        written = Flags(**{**case.values, **dict(zip(sorted(case.written), answers, strict=True))})
        for handoff, _, _ in case.handoffs:
            if objection(case.machine, case.now, handoff, written=written) is None:
                assert handoff in before


@given(cases(), st.tuples(*[st.booleans()] * 3))
def test_after_writing_legal_is_declared_guarded_and_affordable(case: Case, answers: tuple[bool, ...]) -> None:
    """Once a reply is written, a handoff is legal exactly if its guard holds on it and its target may be entered."""

    values = dict(zip(FIELDS, answers, strict=True))
    for handoff, tree, target in case.handoffs:
        expected = holds(tree, values)[0] and may_enter(case, target, (0, 0))

        assert expected == (objection(case.machine, case.now, handoff, written=Flags(**values)) is None)


@given(cases())
def test_judging_is_pure(case: Case) -> None:
    """Asking what is legal changes nothing and answers the same again."""

    context = dict(vars(case.now.context))

    assert list(menu(case.machine, case.now)) == list(menu(case.machine, case.now))
    assert context == vars(case.now.context)
