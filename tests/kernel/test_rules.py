"""What is legal: each rule at its boundary, and all of them against a specification written apart."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard
from fsm_orch.amounts import NOTHING, Allowance, Amount, Price, Usage
from fsm_orch.define import Guard
from fsm_orch.define.context import FieldRef
from fsm_orch.define.definition import Definition
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.configuration import Configuration, VisitLog
from fsm_orch.kernel.engine import CompiledMachine, GuardAnswer
from fsm_orch.kernel.ledger import Ledger
from fsm_orch.kernel.legal import Objection, legal, menu, next_call, objection


class Flags(Context):
    a: bool = False
    b: bool = False
    c: bool = False
    text: str | None = None

    @property
    def is_both(self) -> bool:
        return self.a and self.b

    @cached_property
    def is_cached(self) -> bool:
        return self.b


@guard
def is_a(f: Flags) -> bool:
    return f.a


@guard
def is_b(f: Flags) -> bool:
    return f.b


@guard
def is_both(f: Flags) -> bool:
    return f.is_both


@guard
def is_cached(f: Flags) -> bool:
    return f.is_cached


@guard
def a_then_b(f: Flags) -> bool:
    return f.a and f.b


@guard
def b_then_a(f: Flags) -> bool:
    return f.b and f.a


@guard
def has_x(f: Flags) -> bool:
    return f.text.startswith("x")  # type: ignore[union-attr]


@guard
def breaks(f: Flags) -> bool:
    raise RuntimeError("broken")


@guard
def breaks_after_b(f: Flags) -> bool:
    if f.b:
        raise RuntimeError("broken")
    raise LookupError("broken too")


@guard
def sees_whole(f: Flags) -> bool:
    return f.model_dump()["a"] is True


@guard
def was_set(f: Flags) -> bool:
    return "b" in f.model_fields_set


def work(visit: Any) -> None:
    """Do nothing."""


def llm(**options: Any) -> LLMAgent:
    return LLMAgent("Do it.", max_input_tokens=80, max_output_tokens=20, **options)


class Shop(Machine[Flags]):
    """`start` writes `b` and `text`; `desk` is granted 100 tokens, `code` nothing."""

    start = State(llm(writes=(Flags.b, Flags.text)), initial=True)
    desk = State(llm(), max_visits=2)
    code = State(work, max_visits=2)
    free = State(work)
    done = Final()
    human = Final(fallback=True)

    to_desk = start.to(desk, "x")
    to_code = start.to(code, "x")
    to_free = start.to(free, "x")
    plain_a = start.to(done, "x", guard=is_a)
    written_b = start.to(done, "x", guard=is_b)
    both = start.to(done, "x", guard=is_both)
    cached = start.to(done, "x", guard=is_cached)
    a_first = start.to(done, "x", guard=a_then_b)
    b_first = start.to(done, "x", guard=b_then_a)
    not_a_or_b = start.to(done, "x", guard=~(is_a | is_b))
    text_x = start.to(done, "x", guard=has_x)
    broken = start.to(done, "x", guard=breaks)
    broken_late = start.to(done, "x", guard=breaks_after_b)
    whole = start.to(done, "x", guard=sees_whole)
    was = start.to(done, "x", guard=was_set)
    end = (desk | code | free).to(done, "x")
    again = desk.to(desk, "x")
    lost = start.on_failure(desk)
    limits = Limits(hops=8, tokens=1_000, cost_usd="0.001", deadline_s=60)


PRICES = {"start": Price(Fraction(1), Fraction(1)), "desk": Price(Fraction(2), Fraction(3))}
SHOP = CompiledMachine(Shop.definition, prices=PRICES)


def configuration(
    state: str = "start",
    *,
    context: Context | None = None,
    hops: int = 0,
    visits: dict[str, int] | None = None,
    settled: Amount = NOTHING,
    reserved: Amount = NOTHING,
    limit: Allowance | None = None,
    at: float = 0.0,
    status: Any = "running",
) -> Configuration:
    return Configuration(
        run_id="r",
        thread_id=None,
        trace_id="r",
        status=status,
        state=state,
        context=context or Flags(),
        messages=(),
        visits=visits or {},
        hops=hops,
        ledger=Ledger(limit or Allowance(1_000, 1_000), settled, reserved),
        usage=Usage(),
        ceiling=0,
        at=at,
        visit=None,
    )


def against(handoff: Handoff, now: Configuration, **options: Any) -> str | None:
    found = objection(SHOP, now, handoff, **options)
    return None if found is None else found.reason


# --- each rule at its boundary --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handoff", "now", "expected"),
    [
        # visits
        (Shop.to_desk, configuration(visits={"desk": 1}), None),
        (Shop.to_desk, configuration(visits={"desk": 2}), "visits"),
        (Shop.to_desk, configuration(visits={"desk": 3}), "visits"),
        (Shop.to_desk, configuration(visits={"code": 2}), None),
        (Shop.to_free, configuration(visits={"free": 99}), None),
        (Shop.again, configuration("desk", visits={"desk": 1}), None),
        (Shop.again, configuration("desk", visits={"desk": 2}), "visits"),
        # hops: the last one is kept for landing
        (Shop.to_desk, configuration(hops=6), None),
        (Shop.to_desk, configuration(hops=7), "hops"),
        (Shop.to_free, configuration(hops=7), "hops"),
        # tokens: settled + reserved + grant <= limit
        (Shop.to_desk, configuration(settled=Amount(900)), None),
        (Shop.to_desk, configuration(settled=Amount(901)), "budget"),
        (Shop.to_desk, configuration(reserved=Amount(900)), None),
        (Shop.to_desk, configuration(reserved=Amount(901)), "budget"),
        (Shop.to_desk, configuration(settled=Amount(450), reserved=Amount(450)), None),
        (Shop.to_desk, configuration(settled=Amount(450), reserved=Amount(451)), "budget"),
        (Shop.to_code, configuration(settled=Amount(1_000)), None),
        (Shop.to_code, configuration(settled=Amount(1_001)), "budget"),
        # money: 80 * 2 + 20 * 3 = 220 micro-dollars
        (Shop.to_desk, configuration(settled=Amount(0, 780)), None),
        (Shop.to_desk, configuration(settled=Amount(0, 781)), "budget"),
        (Shop.to_desk, configuration(settled=Amount(0, 10**9), limit=Allowance(1_000, None)), None),
        # deadline
        (Shop.to_desk, configuration(at=59.999_999), None),
        (Shop.to_desk, configuration(at=60.0), "deadline"),
        (Shop.to_desk, configuration(at=61.0), "deadline"),
        # guards
        (Shop.plain_a, configuration(context=Flags(a=True)), None),
        (Shop.plain_a, configuration(context=Flags(a=False)), "guard"),
        # a final state is always affordable
        (Shop.end, configuration("desk", hops=7), None),
        (Shop.end, configuration("desk", settled=Amount(10**6, 10**6)), None),
        (Shop.end, configuration("desk", at=10**6), None),
        (Shop.end, configuration("desk", visits={"done": 10**6}), None),
    ],
)
def test_each_rule_at_its_boundary(handoff: Handoff, now: Configuration, expected: str | None) -> None:
    """A rule lets pass what just fits, and objects with its own reason to what just does not."""

    assert expected == against(handoff, now)


@pytest.mark.parametrize(
    ("held", "expected"),
    [(Amount(900), None), (Amount(901), "budget"), (Amount(0, 780), None), (Amount(0, 781), "budget")],
)
def test_holding_counts_as_reserved(held: Amount, expected: str | None) -> None:
    """A menu drawn for a call about to be made judges as if the call were reserved already."""

    assert expected == against(Shop.to_desk, configuration(), holding=held)
    assert (expected is None) == (Shop.to_desk in legal(SHOP, configuration(), holding=held))


@given(st.integers(0, 1_100), st.integers(0, 1_100))
def test_holding_is_the_same_as_reserving(held: int, taken: int) -> None:
    """The menu with an amount held is the menu after that amount was reserved."""

    before = configuration(settled=Amount(taken))
    after = configuration(settled=Amount(taken), reserved=Amount(held))

    assert legal(SHOP, after) == legal(SHOP, before, holding=Amount(held))


def test_the_order_of_objections_is_fixed() -> None:
    """Where several rules object, the guard speaks first, then visits, hops, budget and deadline."""

    class Closed(Machine[Flags]):
        first = State(work, initial=True)
        second = State(llm(), max_visits=1)
        done = Final()
        human = Final(fallback=True)
        go = first.to(second, guard=is_a)
        end = (first | second).to(done, "x")

    compiled = CompiledMachine(Closed.definition)
    worst: dict[str, Any] = {
        "context": Flags(a=False),
        "visits": {"second": 1},
        "hops": 8,
        "settled": Amount(1_000),
        "at": 60.0,
    }
    seen: list[str] = []
    for mended in (None, *worst):
        if mended:
            del worst[mended]
            worst["context"] = Flags(a=True)
        found = objection(compiled, configuration("first", **worst), Closed.go)
        seen.append(found.reason if found else "none")

    assert ["guard", "visits", "hops", "budget", "deadline", "none"] == seen


@pytest.mark.parametrize(
    ("handoff", "now", "sentence"),
    [
        (Shop.plain_a, configuration(), "the guard of 'plain_a' does not hold"),
        (Shop.to_desk, configuration(visits={"desk": 2}), "'desk' has been visited 2 times, which is its limit"),
        (Shop.to_desk, configuration(hops=7), "7 of 8 hops are taken and the last one is kept for landing"),
        (Shop.to_desk, configuration(settled=Amount(1_000)), "the first call of 'desk' may take 100 tokens"),
        (Shop.to_desk, configuration(at=60), "the deadline of 60 s has passed"),
    ],
)
def test_an_objection_is_a_sentence(handoff: Handoff, now: Configuration, sentence: str) -> None:
    """An objection says what stands against the handoff."""

    found = objection(SHOP, now, handoff)

    assert found is not None
    assert sentence == found.detail
    assert not found.is_raised


GRANT = Amount(100, 100)
"""Of `start`, whose visits make two calls."""


@pytest.mark.parametrize(
    ("state", "visit", "expected"),
    [
        ("start", VisitLog(0, NOTHING), GRANT),
        ("start", VisitLog(0, Amount(60, 70)), Amount(40, 30)),
        ("start", VisitLog(0, GRANT), NOTHING),
        ("start", VisitLog(0, NOTHING, calls=1), GRANT),
        ("start", VisitLog(0, NOTHING, calls=2), NOTHING),
        ("start", VisitLog(0, NOTHING, denied="budget"), NOTHING),
        ("code", VisitLog(0, NOTHING), NOTHING),
        ("done", None, NOTHING),
    ],
)
def test_what_the_next_call_may_reserve(state: str, visit: VisitLog | None, expected: Amount) -> None:
    """The next call may reserve a grant, less what its visit holds for it; nothing if no call is left to make."""

    assert expected == next_call(SHOP, replace(configuration(state), visit=visit))


# --- guards before and after the agent has written ------------------------------------------------------------


@pytest.mark.parametrize(
    ("handoff", "context", "expected"),
    [
        (Shop.plain_a, Flags(), False),
        (Shop.plain_a, Flags(a=True), True),
        (Shop.written_b, Flags(), True),
        (Shop.both, Flags(), False),  # a is False and stays: b is never looked at
        (Shop.both, Flags(a=True), True),
        (Shop.a_first, Flags(), False),
        (Shop.a_first, Flags(a=True), True),
        (Shop.b_first, Flags(), True),  # b is looked at first, so it is open
        (Shop.not_a_or_b, Flags(a=True), False),
        (Shop.not_a_or_b, Flags(b=True), True),
        (Shop.text_x, Flags(), True),  # raises on None now, and may not once it is written
        (Shop.broken, Flags(), False),
        (Shop.broken_late, Flags(), True),
        (Shop.whole, Flags(), True),
        (Shop.cached, Flags(), True),
    ],
)
def test_what_is_still_to_be_written_stays_open(handoff: Handoff, context: Flags, expected: bool) -> None:
    """A guard is open if it reads a field that the agent writes; a short circuit before that decides it."""

    assert expected == (handoff in legal(SHOP, configuration(context=context)))


@pytest.mark.parametrize("handoff", [Shop.cached, Shop.both, Shop.written_b])
def test_asking_twice_changes_nothing(handoff: Handoff) -> None:
    """The menu is a function of the configuration: a property cached by the first look does not close it."""

    now = configuration(context=Flags(a=True))

    assert [True, True, True] == [handoff in legal(SHOP, now) for _ in range(3)]


def test_which_fields_are_set_is_open_too() -> None:
    """A guard over which fields were set is open as long as the agent is to set them."""

    assert Shop.was in legal(SHOP, configuration())


@pytest.mark.parametrize(
    ("handoff", "written", "expected"),
    [
        (Shop.written_b, Flags(b=True), None),
        (Shop.written_b, Flags(b=False), "guard"),
        (Shop.text_x, Flags(text="xyz"), None),
        (Shop.text_x, Flags(text="abc"), "guard"),
        (Shop.a_first, Flags(b=True), "guard"),
    ],
)
def test_after_writing_the_guard_decides(handoff: Handoff, written: Flags, expected: str | None) -> None:
    """Once the agent has written, its guard is judged on what it wrote, and nothing is open."""

    assert expected == against(handoff, configuration(), written=written)


@pytest.mark.parametrize(
    ("handoff", "error"), [(Shop.broken, "RuntimeError in breaks"), (Shop.text_x, "AttributeError in has_x")]
)
def test_a_guard_that_raised_is_told(handoff: Handoff, error: str) -> None:
    """An objection of a guard that raised says so."""

    assert Objection("guard", error, is_raised=True) == objection(SHOP, configuration(), handoff, written=Flags())


def test_agents_that_write_nothing_leave_nothing_open() -> None:
    """Where nothing is written, every guard is judged as it stands."""

    class Plain(Machine[Flags]):
        first = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        on_b = first.to(done, guard=is_b)
        end = first.to(done)

    compiled = CompiledMachine(Plain.definition)

    assert (Plain.end,) == legal(compiled, configuration("first"))


def test_failure_edges_are_not_on_the_menu() -> None:
    """What a failed visit takes is never proposed."""

    assert Shop.lost not in [handoff for handoff, _ in menu(SHOP, configuration())]


def test_the_menu_is_in_declaration_order() -> None:
    """The menu lists every declared exit, in the order of the class."""

    assert Shop.start.exits == tuple(handoff for handoff, _ in menu(SHOP, configuration()))


@pytest.mark.parametrize("status", ["waiting", "finished"])
def test_nothing_is_legal_unless_it_runs(status: str) -> None:
    """A run that waits or has finished has an empty menu."""

    assert () == legal(SHOP, configuration("done" if status == "finished" else "start", status=status))


def test_an_oracle_is_asked_for_what_is_foreseen() -> None:
    """An oracle that reads no field decides alone, before and after writing."""

    closed = CompiledMachine(Shop.definition, prices=PRICES, oracle=lambda h, c: GuardAnswer(h.name == "cached"))

    assert [Shop.cached] == [handoff for handoff in legal(closed, configuration()) if handoff.guard is not None]


# --- against the specification --------------------------------------------------------------------------------

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
