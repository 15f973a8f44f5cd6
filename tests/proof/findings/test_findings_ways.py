"""Findings about the ways out of a state."""

import enum
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    State,
    all_of,
    any_of,
    at_most,
    guard,
    never,
    not_,
)
from fsm_orch.proof.explore.domain import Domain
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.findings.never import never_open
from fsm_orch.proof.findings.ways import cases, dead_ends, forced, overlapping, untaken


class Order(Context):
    amount: int
    vip: bool = False
    kind: Literal["new", "used"] = "new"
    answer: Given[str] = ""


@guard
def is_vip(order: Order) -> bool:
    return order.vip


@guard
def is_used(order: Order) -> bool:
    return order.kind == "used"


@guard
def is_small(order: Order) -> bool:
    return order.amount < 100


def act(visit):
    return None


def desk(*exits, agent=act, writes=(), before=None):
    """Build a machine of a state with these guards on its exits, each to a final state of its own."""

    class Desk(Machine[Order]):
        start = State(act, initial=True)
        look = State(agent, writes=writes) if callable(agent) else State(agent)
        a, b, c = Final(), Final(), Final()
        human = Final(fallback=True)
        enter = start.to(look, guard=before)
        to_a, to_b, to_c = start.to(a), start.to(b), start.to(c)
        for number, one in enumerate(exits):
            vars()[f"h{number}"] = look.to((a, b, c)[number], "when", guard=one)

    return Desk.definition


def test_guards_that_can_hold_at_once_are_found():
    """Over finite fields it is certain, with the values that show it."""
    (finding,) = overlapping(desk(is_vip, is_used))

    assert (finding.code, finding.level) == ("FSM201", "warning")
    assert finding.problem.startswith("the guards of 'h0' and 'h1' can hold at once (vip=True, kind='used')")
    assert finding.fix == "write guard=is_used & ~is_vip"


def test_guards_over_numbers_may_overlap():
    """What cannot be listed is said to be possible only."""
    (finding,) = overlapping(desk(is_small, is_vip))

    assert "may hold at once (vip=True, is_small)" in finding.problem


def test_the_advice_mends_an_overlap():
    """What the finding says to write leaves nothing to find, opaque guards included."""
    assert list(overlapping(desk(is_small, is_vip & ~is_small))) == []
    assert list(overlapping(desk(is_vip, is_used & ~is_vip, None))) == []


def test_a_last_exit_without_a_guard_is_no_overlap():
    """It is the `else`; one before a guarded exit hides it."""
    assert list(overlapping(desk(is_vip, None))) == []
    (finding,) = overlapping(desk(None, is_vip))
    assert finding.problem == "'h0' has no guard, so 'h1' is taken only if the agent proposes it"


def test_two_ways_to_one_place_are_no_overlap():
    """Whichever is taken, the run goes to the same state."""

    class Desk(Machine[Order]):
        look = State(act, initial=True)
        sent, human = Final(), Final(fallback=True)
        one = look.to(sent, guard=is_vip)
        two = look.to(sent, guard=is_used)
        other = look.to(human)

    assert list(overlapping(Desk.definition)) == []


def test_agents_that_always_say_where_to_go_have_no_order():
    """A keyword agent proposes one of its routes."""

    class Desk(Machine[Order]):
        sent, kept, human = Final(), Final(), Final(fallback=True)
        look = State(KeywordAgent(Order.answer, {sent: ("send",)}, otherwise=kept), initial=True)
        one = look.to(sent, guard=is_vip)
        two = look.to(kept, guard=is_used)

    assert list(overlapping(Desk.definition)) == []


def test_models_choose_by_themselves():
    """A model proposes, so the order of its exits decides nothing."""
    assert list(overlapping(desk(is_vip, is_used, agent=LLMAgent("Choose.")))) == []


def test_handoffs_that_no_run_takes_are_found():
    """Its guard holds on some context, and no run gets there with one; states behind it are another matter."""
    closed = desk(is_vip, before=is_vip)

    (finding,) = untaken(closed, explore(closed))

    assert (finding.code, finding.level) == ("FSM205", "warning")
    assert finding.problem == (
        "no run takes 'enter', though runs enter 'start': its guard reads 'vip', which no agent writes and no caller "
        "gives"
    )
    assert finding.fix == "have an agent write 'vip', or mend the guard, or remove the handoff"


def test_what_a_handoff_was_closed_by_is_told_as_far_as_it_is_known():
    """A guard over what is written somewhere may be closed too early; an exit without one is passed over."""
    late = desk(is_vip, before=is_vip, writes=(Order.vip,))

    class Passed(Machine[Order]):
        look = State(act, writes=Order.vip, initial=True)
        wait = State(HumanAgent("Send it?", writes=Order.vip))
        sent, human = Final(), Final(fallback=True)
        first = look.to(wait)
        yes = wait.to(sent, "send")
        no = wait.to(human, "keep")
        nobody = wait.on_timeout(human)

    (early,) = untaken(late, explore(late))
    (endless,) = untaken(Passed.definition, explore(Passed.definition))

    assert "by then its guard is closed, an exit before it is taken, or no visit" in early.problem
    assert endless.problem.endswith("a human is waited for without an end there, since the state declares no expires_s")
    assert endless.fix == "say how long, wait = State(..., expires_s=86_400) is a day; or remove it"


def test_what_some_run_takes_or_was_not_explored_is_no_finding():
    """A handoff that is taken by any run, and every handoff of a machine that was not explored whole."""
    free = desk(is_vip, ~is_vip, writes=(Order.vip,))
    closed = desk(is_vip, before=is_vip)

    assert [] == list(untaken(free, explore(free)))
    assert [] == list(untaken(closed, explore(closed, max_configurations=2)))


def test_exits_that_may_all_be_closed_are_a_dead_end():
    """A state that writes nothing its guards read is closed from the start."""
    (finding,) = dead_ends(desk(is_vip, is_used))

    assert (finding.code, finding.level) == ("FSM202", "warning")
    assert "'look' can be entered when all its exits, 'h0', 'h1', are closed (vip=False, kind='new')" in finding.problem


def test_an_agent_that_can_close_its_own_exit_is_found():
    """What it writes decides whether it can leave."""
    (finding,) = dead_ends(desk(is_vip, writes=(Order.vip,)))

    assert finding.code == "FSM203"
    assert "the agent of 'look' writes vip, and can close its only exit, 'h0', by it (vip=False)" in finding.problem


def test_what_let_a_run_in_lets_it_out():
    """A guard that held on entry still holds, unless this agent writes what it reads."""
    assert list(dead_ends(desk(is_vip, before=is_vip))) == []
    assert list(dead_ends(desk(is_small, before=is_small & is_vip))) == []
    assert [f.code for f in dead_ends(desk(is_vip, before=is_vip, writes=(Order.vip,)))] == ["FSM203"]
    assert [f.code for f in dead_ends(desk(is_vip, before=is_used))] == ["FSM202"]


def test_a_way_out_in_every_case_is_no_dead_end():
    """An unguarded exit, or guards of which one always holds."""
    assert list(dead_ends(desk(is_vip, None))) == []
    assert list(dead_ends(desk(is_small, ~is_small))) == []
    assert list(dead_ends(desk(is_vip & is_small, ~is_small, not_(is_vip)))) == []


def test_a_guard_that_never_holds_is_an_error():
    """No context opens it."""
    (finding,) = never_open(desk(is_small & ~is_small, None))

    assert (finding.code, finding.level) == ("FSM204", "error")
    assert list(never_open(desk(is_small, ~is_vip))) == []


@guard
def is_misspelt(order: Order) -> bool:
    return order.vipp


@guard
def is_kind(order: Order) -> bool:
    return order.kind


@guard
def is_odd(order: Order) -> bool:
    return order.vip and order.vipp


@guard
def is_careless(order: Order) -> bool:
    return order.answer and order.vipp


def told_never(*policies, guard=None):
    """Tell what never holds in a machine with these policies, and this guard on an exit."""

    class Desk(Machine[Order]):
        look = State(act, initial=True)
        sent, human = Final(), Final(fallback=True)
        done = look.to(sent, guard=guard)

    Desk.definition = replace(Desk.definition, policies=policies)
    return [(finding.problem, finding.level) for finding in never_open(Desk.definition)]


def test_why_a_guard_never_holds_is_told():
    """What it raises is named, and so is an answer that is no bool; what depends on text is not seen."""
    misspelt = "the guard is_misspelt never holds (AttributeError in is_misspelt: no 'vipp'); on it stands 'done'"
    no_bool = "the guard is_kind never holds (is_kind returns something other than a bool); on it stands 'done'"
    odd = "the guard is_odd never holds (AttributeError in is_odd: no 'vipp'); on it stands 'done'"
    for one, said in (
        (is_misspelt, [misspelt]),
        (~is_misspelt, [misspelt]),
        (is_odd, [odd]),
        (is_kind, [no_bool]),
        (is_small & is_misspelt & is_kind, [misspelt, no_bool]),
    ):
        assert told_never(guard=one) == [(each, "error") for each in said]
    assert told_never(guard=is_careless) == []


@guard
def is_broken(order: Order) -> bool:
    return order.kind == "broken"


def test_a_guard_that_looks_for_a_value_that_there_is_not_is_told_those_that_there_are():
    """The finding names the values of the fields that it reads."""
    said = "the guard is_broken never holds, whether kind is 'new' or 'used'; on it stands 'done'"

    assert told_never(guard=is_broken) == [(said, "error")]
    assert told_never(guard=is_small & is_broken) == [(said, "error")]


def test_a_guard_is_found_once_and_where_it_is_written():
    """However many handoffs and policies stand on it: they are named, and its own line is shown."""
    found = list(never_open(replace(desk(is_misspelt, is_vip & is_misspelt), policies=(never(is_misspelt),))))

    assert [finding.where for finding in found] == [is_misspelt.where]
    assert found[0].problem.endswith("; on it stand 'h0', 'h1' and never(is_misspelt)")
    assert found[0].about == "h0, h1"


def test_a_part_of_a_guard_that_is_a_mistake_is_found():
    """A guard that holds by its other part hides it; a part that just never holds may be meant."""
    why = "the guard is_misspelt never holds (AttributeError in is_misspelt: no 'vipp'); on it stands 'done'"

    assert told_never(guard=is_vip | is_misspelt) == [(why, "error")]
    assert told_never(guard=is_vip | (is_used & ~is_used)) == []
    assert told_never(guard=is_vip | is_broken) == []


def test_a_policy_whose_guard_never_holds_is_found():
    """It would hold by saying nothing: an error if the guard is a mistake, else a warning."""
    broken, idle, empty = never(is_misspelt), at_most(1, is_vip & ~is_vip), never(is_broken)

    assert told_never(broken, idle, never(is_vip | is_used), empty) == [
        (
            "the guard is_misspelt never holds (AttributeError in is_misspelt: no 'vipp'); on it stands "
            "never(is_misspelt)",
            "error",
        ),
        ("the guard of at_most(1, is_vip & ~is_vip) never holds: (is_vip & ~is_vip)", "warning"),
        ("the guard is_broken never holds, whether kind is 'new' or 'used'; on it stands never(is_broken)", "warning"),
    ]
    (finding,) = never_open(replace(desk(is_vip, None), policies=(idle,)))
    assert (finding.where, finding.fix) == (idle.where, "mend the guard, or remove the policy")


def test_what_was_not_looked_for_everywhere_is_not_said_to_be_never():
    """A guard over more cases than are looked at, which holds in the very last one alone, is no error."""
    size = enum.Enum("size", [f"x{number}" for number in range(16)])

    class Box(Context):
        a: size
        b: size
        c: size

    @guard
    def is_last(box: Box) -> bool:
        return box.a is box.b is box.c is size.x15

    class Packing(Machine[Box]):
        look = State(act, initial=True)
        sent, human = Final(), Final(fallback=True)
        send = look.to(sent, guard=is_last)
        other = look.to(human)

    assert list(never_open(Packing.definition)) == []


class Bill(Context):
    amount: int | None = None


@guard
def is_big(bill: Bill) -> bool:
    return bill.amount > 100


@guard
def is_known_and_big(bill: Bill) -> bool:
    return bill.amount is not None and bill.amount > 100


def bills(one, other, *, agent=act):
    class Bills(Machine[Bill]):
        look = State(agent, initial=True)
        sent, human = Final(), Final(fallback=True)
        big = look.to(sent, "big", guard=one)
        rest = look.to(human, "rest", guard=other)

    return Bills.definition


def test_a_guard_that_raises_on_none_closes_its_negation_too():
    """`g` and `~g` are a way out in every case, unless g raises: then both are closed, and a last exit is open."""
    (finding,) = dead_ends(bills(is_big, ~is_big))

    assert finding.code == "FSM202"
    assert "'look' may be entered when all its exits, 'big', 'rest', are closed (is_big raises)" in finding.problem
    assert "where is_big raises, neither it nor its negation holds" in finding.fix
    assert list(dead_ends(bills(is_big, None))) == []
    assert list(dead_ends(bills(is_known_and_big, ~is_known_and_big))) == []


GUARDS = st.recursive(
    st.sampled_from([is_vip, is_used, is_small]),
    lambda inner: st.one_of(inner.map(not_), st.builds(all_of, inner, inner), st.builds(any_of, inner, inner)),
    max_leaves=5,
)


@given(st.lists(GUARDS, min_size=1, max_size=3))
def test_the_cases_are_what_contexts_do(guards):
    """Guards answer together as some case says, and each case is what some context does."""
    real = {
        tuple(one(Order(amount=amount, vip=vip, kind=kind)) for one in guards)
        for amount in (1, 1_000)
        for vip in (False, True)
        for kind in ("new", "used")
    }

    assert real == {case.holds for case in cases(Domain(Order), guards)}


class Draft(Context):
    text: str
    draft: str | None = None


def review(*, rounds=2, refused=False, exits=1, is_human=False):
    """Build a desk whose critic sends back at most so often; return its definition."""

    class Desk(Machine[Draft]):
        """Write, and review."""

        write = State(LLMAgent("Write.", writes=Draft.draft), max_visits=rounds, initial=True)
        critic = State(HumanAgent("Good?") if is_human else LLMAgent("Review.", reads=Draft.draft))
        answered, human = Final(), Final(fallback=True)
        written = write.to(critic, "written")
        again = critic.to(write, "not good")
        good = critic.to(answered, "good")
        if exits > 1:
            hopeless = critic.to(human, "hopeless")
        if refused:
            no = critic.on_refusal(human)
        limits = Limits(hops=20, tokens=100_000)

    return Desk.definition


def test_an_exit_that_exhaustion_forces_is_found():
    """The critic is left with approving what it has sent back so often; the note says after which path, and why."""
    definition = review()
    (finding,) = forced(definition, explore(definition))

    assert (finding.code, finding.level, finding.about) == ("FSM206", "note", "critic")
    assert finding.problem == (
        "the model of 'critic' is left with 'good' alone after write -written-> critic -again-> write -written-> "
        "critic: 'again' (no visit left) cannot be taken"
    )


def test_a_human_is_left_with_an_exit_too():
    """Where a human chooses, the note says that it is a human."""
    definition = review(is_human=True)
    (finding,) = forced(definition, explore(definition))

    assert finding.problem.startswith("the human of 'critic' is left with 'good' alone after ")


@pytest.mark.parametrize("options", [{"refused": True}, {"exits": 2}])
def test_an_exit_is_not_forced_where_there_is_another(options):
    """With an edge for refusals, or a second exit, the model has somewhere to go."""
    definition = review(**options)

    assert list(forced(definition, explore(definition))) == []
