"""Counterexamples: as a table, a diagram and a test, and the smallest change that removes them."""

from __future__ import annotations

import enum
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit, at_most, eventually, guard, never
from fsm_orch.define.guards import Guard
from fsm_orch.define.policies import Policy
from fsm_orch.define.rules.check import check
from fsm_orch.export.as_test import pytest_source
from fsm_orch.export.drawing import drawn
from fsm_orch.export.mermaid import mermaid
from fsm_orch.export.table import rows, table
from fsm_orch.kernel import inputs
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.repair.change import to_keep, to_slacken
from fsm_orch.proof.repair.edits import Edit, drop, fewer_hops, fewer_visits, guard_with
from machines import helpdesk


class Money(Context):
    amount: int
    paid: bool


@guard
def has_paid(money: Money) -> bool:
    return money.paid


@guard
def is_small(money: Money) -> bool:
    return money.amount < 10


class Kind(enum.Enum):
    NEW = "new"
    USED = "used"


class Order(Context):
    amount: int
    kind: Kind = Kind.NEW
    paid: bool = False
    answer: str = ""


@guard
def is_paid(order: Order) -> bool:
    return order.paid


@guard
def is_big(order: Order) -> bool:
    return order.amount > 1_000


@guard
def is_lucky(order: Order) -> bool:
    return zlib.crc32(str(order.amount).encode()) % 1_001 == 7


@guard
def is_absurd(order: Order) -> bool:
    return order.amount != order.amount


class Paid(Context):
    paid: bool


class Start(Machine[Money]):
    """A machine whose policies are broken before it has done anything."""

    look = State(print, initial=True)
    yes, human = Final(), Final(fallback=True)
    ok = look.to(yes)
    policies = (never(has_paid), never(is_small))


def model(instructions: str, *writes: object) -> LLMAgent:
    return LLMAgent(instructions, writes=writes, max_input_tokens=900, max_output_tokens=100)


def work(visit: Visit[Order]) -> None:
    return None


class Desk(Machine[Order]):
    """Sell, search as often as wanted, and send."""

    sort = State(model("Sort."), initial=True)
    search = State(model("Search.", Order.answer), max_visits=5)
    pay = State(work, writes=(Order.paid,))
    send = State(work)
    sent, human = Final(), Final(fallback=True)
    to_search = sort.to(search, "search")
    to_pay = sort.to(pay, "pay")
    again = search.to(search, "search again")
    found = search.to(pay, "found")
    rush = search.to(send, "no time")
    big = sort.to(send, "big", guard=is_big)
    absurd = sort.to(send, "absurd", guard=is_absurd)
    lucky = sort.to(send, "lucky", guard=is_lucky)
    to_send = pay.to(send, guard=is_paid)
    lost = search.on_failure(send)
    done = send.to(sent)
    limits = Limits(hops=6, tokens=9_000)
    policies = (
        at_most(3, search),
        never(rush),
        never(big),
        never(absurd),
        eventually(send),
        never(lost),
        never(lucky),
    )


def judged(number: int):
    return explore(Desk.definition).policies[number]


def test_a_table_has_a_row_for_each_turn() -> None:
    """Hop, state, handoff, target, what was held and what was charged; the start comes first."""
    trace = explore(Desk.definition).measures.tokens.trace
    turns = rows(trace)[1:]

    assert [(row.hop, row.state) for row in turns] == [(n + 1, turn.state) for n, turn in enumerate(trace.legs)]
    assert [row.total for row in turns] == [turn.settled for turn in trace.legs]
    lines = table(trace).splitlines()
    assert lines[0].split() == ["hop", "state", "handoff", "to", "reserved", "total"]
    assert len(lines) == len(rows(trace)) + 1
    starts = [(line.index(f" {row.handoff} "), line.split()) for line, row in zip(lines[1:], rows(trace), strict=True)]
    assert len({start for start, _ in starts}) == 1
    assert f"{trace.settled:,}" in starts[-1][1]


def test_a_table_notes_failures_and_assumptions() -> None:
    """The answer of an opaque guard is on the row that depends on it, or values for it; so is how a visit failed."""
    big, lost, lucky = judged(2).trace, judged(5).trace, judged(6).trace

    assert "if is_lucky" in rows(lucky)[-1].note
    assert "amount=1001" in rows(big)[0].note
    assert "if " not in rows(big)[-1].note
    assert rows(lost)[-1].note.startswith("on failure")
    assert "paid=True" in rows(explore(Desk.definition, policies=(never(Desk.to_send),)).policies[0].trace)[-1].note


def test_a_table_shows_what_a_run_begins_with() -> None:
    """Where a path depends on the values of the start, they are on its own row; without any there is no such row."""
    (always, small) = explore(Start.definition).policies

    assert [(row.hop, row.target, row.note) for row in rows(always.trace)] == [(0, "look", "paid=True")]
    assert table(always.trace).splitlines()[1].split() == ["0", "start", "look", "0", "0", "paid=True"]
    assert [(row.hop, row.target, row.note) for row in rows(small.trace)] == [(0, "look", "amount=9")]
    assert [row.hop for row in rows(explore(Start.definition, policies=(never(Start.ok),)).policies[0].trace)] == [0, 1]
    assert rows(replace(small.trace, opaque=("amount", "paid"))) == ()


def test_the_path_is_thick_on_the_diagram() -> None:
    """The drawing of the machine, and one line that marks the edges of the path and the start."""
    trace = judged(1).trace
    text = drawn(Desk.definition, trace)

    (marks,) = set(text.splitlines()) - set(mermaid(Desk.definition).splitlines())
    edges = [line for line in text.splitlines() if "-->" in line or "-.->" in line]
    marked = [edges[int(number)].replace("#95;", "_") for number in marks.split()[1].split(",")]
    assert marks.endswith("stroke-width:5px")
    for edge, name in zip(marked, ("start", "to_search", "rush"), strict=True):
        assert name in edge


def run(source: str, tmp_path, monkeypatch, *, expected: str) -> str:
    """Run a generated test in this process, as pytest would; returns what it said."""
    namespace: dict[str, object] = {"__name__": "generated"}
    exec(compile(source, "generated.py", "exec"), namespace)
    (test,) = (value for name, value in namespace.items() if name.startswith("test_"))
    outcomes = {"fails": (AssertionError, pytest.fail.Exception), "skips": (pytest.skip.Exception,)}
    if expected == "passes":
        test()
        return ""
    with pytest.raises(outcomes[expected]) as caught:
        test()
    return str(caught.value)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_sure_path_is_a_test_that_fails(number, tmp_path, monkeypatch) -> None:
    """It plays the path with scripted replies and asserts the policy."""
    found = judged(number)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=__name__)

    assert found.verdict == "violated"
    said = run(source, tmp_path, monkeypatch, expected="fails")
    assert f"{found.policy} is broken: sort -to_search-> search" in said
    assert all(len(line) <= 120 for line in source.splitlines())


def test_a_possible_path_is_searched_for_values(tmp_path, monkeypatch) -> None:
    """Hypothesis finds values that make it real, and the test fails with the simplest."""
    found = judged(6)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=__name__)

    assert found.verdict == "possible"
    assert "which is real if is_lucky" in source
    assert "'amount': " in run(source, tmp_path, monkeypatch, expected="fails")


def test_values_that_were_found_are_played(tmp_path, monkeypatch) -> None:
    """Where values are known with which the path is real, the test plays it with them and searches for nothing."""
    found = judged(2)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=__name__)

    assert found.verdict == "violated"
    assert "Order(amount=1001)" in source
    assert "never(big) is broken" in run(source, tmp_path, monkeypatch, expected="fails")


def test_a_possible_path_that_is_none_is_skipped(tmp_path, monkeypatch) -> None:
    """Where no values are found it says so."""
    found = judged(3)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=__name__)

    assert "no values made this path real" in run(source, tmp_path, monkeypatch, expected="skips")


def test_the_smallest_change_bounds_visits() -> None:
    """Where something happens too often, it is visited as often as it may be, and no less."""
    found = judged(0)
    change = to_keep(Desk.definition, found.policy, found.trace, explore(Desk.definition))

    assert str(change) == "set `max_visits=3` on `search`: at_most(3, search) holds"


def test_no_change_leaves_less_of_a_machine() -> None:
    """A change after which a state is no longer reached is none; one that only closes the path is."""
    found = judged(1)
    change = to_keep(Desk.definition, found.policy, found.trace, explore(Desk.definition))

    assert str(change) == "remove the handoff `rush`: never(rush) holds" or "guard" in str(change)
    changed = change.edit.apply(Desk.definition)
    assert explore(changed).reached.keys() == explore(Desk.definition).reached.keys()


def test_no_change_closes_a_handoff_in_disguise() -> None:
    """A guard that is never open on that path would be a removal; then the removal is what is said."""

    class Detour(Machine[Order]):
        """Send, by a detour or not."""

        sort, look, send = State(work, initial=True), State(work), State(work)
        sent, human = Final(), Final(fallback=True)
        at_once, to_look, to_send = sort.to(sent, guard=is_paid), sort.to(look), sort.to(send)
        late, never_mind, done = look.to(send), look.to(sent), send.to(sent)
        policies = (never(send).after(look),)

    found = explore(Detour.definition)
    change = to_keep(Detour.definition, Detour.policies[0], found.policies[0].trace, found)

    assert str(change) == "remove the handoff `late`: never(send).after(look) holds"


def test_no_change_is_told_of_what_was_not_explored_whole() -> None:
    """What a change leaves as it is, is known only where all runs were seen."""
    found = judged(1)
    part = explore(Desk.definition, max_configurations=5)

    assert to_keep(Desk.definition, found.policy, found.trace, explore(Desk.definition)) is not None
    assert to_keep(Desk.definition, found.policy, found.trace, part) is None


def test_a_worst_case_is_made_to_fit() -> None:
    """Fewer visits, as many as fit, or a higher limit; both are proved."""
    certificate = certify(Desk.definition)
    fewer, higher = to_slacken(Desk.definition, certificate)

    assert certificate.bounds["tokens"].bound == 12_000
    assert str(fewer) == "set `max_visits=3` on `search`: worst case 8,000 tokens"
    assert str(higher) == "raise the limit, `Limits(hops=6, tokens=12_000)`: the worst case, 12,000 tokens, fits"
    for change in (fewer, higher):
        assert certify(change.edit.apply(Desk.definition)).verdict("tokens") == "slack"
    assert to_slacken(replace(Desk.definition, limits=Limits(hops=6, tokens=12_000)), certificate) == ()


@pytest.mark.parametrize(
    "edit",
    [
        Edit(words="nothing"),
        next(fewer_visits(Desk.definition, "search")),
        guard_with(Desk.rush, is_paid),
        drop(Desk.rush),
    ],
    ids=lambda edit: edit.words,
)
def test_an_edit_is_a_machine_of_its_own(edit) -> None:
    """It builds, shares no state with the first, and the first stays as it was."""
    before = Desk.definition.canonical
    changed = edit.apply(Desk.definition)

    assert not check(changed) or edit.dropped
    assert not set(changed.states.values()) & set(Desk.definition.states.values())
    assert all(set(h.sources) <= set(changed.states.values()) for h in changed.handoffs)
    assert Desk.definition.canonical == before
    assert (replace(changed).canonical == before) == (edit.words == "nothing")
    assert Counter(h.name for h in changed.handoffs) == Counter(
        h.name for h in Desk.definition.handoffs if h.name != edit.dropped
    )


class Item(Context):
    kind: Literal["a", "b"]
    mark: Kind
    code: bytes
    count: int = 3


def test_values_are_written_as_they_are_read() -> None:
    """Enums by their class, what cannot be guessed drawn by Hypothesis, defaults left out."""

    @guard
    def is_used(item: Item) -> bool:
        return item.mark is Kind.USED and item.kind == "b"

    class Box(Machine[Item]):
        look = State(print, initial=True)
        yes, human = Final(), Final(fallback=True)
        ok = look.to(yes, guard=is_used)
        no = look.to(human)
        policies = (never(ok),)

    (found,) = explore(Box.definition).policies
    source = pytest_source(Box.definition, found.policy, found.trace, module="boxes")
    assert f"from {__name__} import Item, Kind" in source
    assert 'draw(st.builds(Item, kind=st.just("b"), mark=st.just(Kind.USED), code=values(Item, "code")' in source


def test_a_change_that_closes_more_than_the_path_is_none() -> None:
    """A guard that never holds keeps the policy, and a state from being reached: it is no change."""

    @guard
    def is_paid(paid: Paid) -> bool:
        return paid.paid

    class Box(Machine[Paid]):
        look = State(print, initial=True)
        boss = State(print)
        yes, human = Final(), Final(fallback=True)
        ask = look.to(boss, guard=is_paid)
        done = (look | boss).to(yes)
        policies = (never(boss),)

    (found,) = explore(Box.definition).policies
    assert found.verdict == "violated"
    assert to_keep(Box.definition, found.policy, found.trace, explore(Box.definition)) is None


@pytest.mark.parametrize(
    "asked", [lambda refund, ok: never(refund).before(ok), lambda refund, ok: never(refund).when(~ok)]
)
def test_a_guard_of_the_policy_is_a_change(asked: Callable[[State, Guard[Paid]], Policy]) -> None:
    """Where a policy asks that a guard holds, guarding the way there with that guard is the smallest change."""

    @guard
    def is_verified(paid: Paid) -> bool:
        return paid.paid

    class Shop(Machine[Paid]):
        ver = State(print, writes=(Paid.paid,), initial=True)
        refund = State(print)
        yes, human = Final(), Final(fallback=True)
        big = ver.to(refund)
        nope = ver.to(yes)
        done = refund.to(yes)
        policies = (asked(refund, is_verified),)

    (found,) = explore(Shop.definition).policies
    change = to_keep(Shop.definition, found.policy, found.trace, explore(Shop.definition))

    assert found.verdict == "violated"
    assert str(change) == f"give `big` the guard `guard=is_verified`: {found.policy} holds"


def test_fewer_hops_leave_every_handoff_in_reach() -> None:
    """Where a lower limit would close a handoff for good, only the higher limit of tokens is left."""
    assert [edit.limits.hops for edit in fewer_hops(Desk.definition)] == [5, 4, 3]
    certificate = certify(helpdesk.Hybrid.definition)

    assert [change.edit.limits.tokens for change in to_slacken(helpdesk.Hybrid.definition, certificate)] == [8_448]


def test_an_edit_keeps_guards_and_routes() -> None:
    """A guard is added to the one that is there, and what routes to states routes to their copies."""
    guarded = guard_with(Desk.big, is_paid).apply(Desk.definition)
    changed = Edit(words="nothing").apply(helpdesk.Hybrid.definition)

    assert ["(is_big & is_paid)"] == [repr(h.guard) for h in guarded.handoffs if h.name == "big"]
    assert check(changed) == ()


def test_a_cancelled_run_is_played_by_its_deadline() -> None:
    """Nothing cancels a played run, and a deadline lands it just the same; a visit that nobody acted in is no turn."""
    policy = never(Desk.human, strict=True)
    definition = replace(Desk.definition, policies=(policy,))
    trace = explore(definition).policies[0].trace
    end = trace.legs[-1]
    cancelled = replace(trace, legs=(*trace.legs[:-1], replace(end, inputs=(inputs.Cancelled(at=0.0),))))
    late = replace(trace, legs=(*trace.legs[:-1], replace(end, inputs=(inputs.Failed(reason="timeout", at=60.0),))))
    unasked = replace(trace, legs=(*trace.legs, replace(end, inputs=())))

    def written(path):
        return pytest_source(definition, policy, path, module=__name__)

    assert written(cancelled) == written(late)
    assert f"Turn(Desk.{end.state}, seconds=60)" in written(cancelled)
    assert written(unasked) == written(trace)
