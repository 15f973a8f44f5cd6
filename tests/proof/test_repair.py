"""Repairs: the smallest change that removes a counterexample, or makes a worst case fit, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from figures import desks
from support.selling import Desk, Order, Paid, is_paid, judged, work

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, after, guard, never
from fsm_orch.define.guards import Guard
from fsm_orch.define.policies import Policy
from fsm_orch.define.rules.check import check
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.findings import of_definition
from fsm_orch.proof.repair.change import to_keep, to_slacken
from fsm_orch.proof.repair.edits import Edit, drop, fewer_hops, fewer_visits, guard_with
from fsm_orch.proof.report import prove


def test_the_smallest_change_bounds_visits() -> None:
    """Where something happens too often, it is visited as often as it may be, and no less."""
    found = judged(0)
    change = to_keep(Desk.definition, found.policy, found.trace, explore(Desk.definition))

    assert str(change) == "set `max_visits=3` on `search`: at_most(3, search) holds"


def test_no_change_leaves_less_of_a_machine() -> None:
    """A change after which a state is no longer reached is none; one that only closes the path is."""
    found = judged(1)
    change = to_keep(Desk.definition, found.policy, found.trace, explore(Desk.definition))

    assert str(change) == "remove the handoff `rush`: never(rush) holds"
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


class Claim(Context):
    """What an expense desk shares."""

    text: str
    has_receipt: bool = False
    answer: str | None = None


@guard
def is_receipted(claim: Claim) -> bool:
    return claim.has_receipt


class Expenses(Machine[Claim]):
    """Answer from the handbook, which may lead back; or pay, or ask a manager."""

    desk = State(LLMAgent("Decide.", reads=Claim.text), initial=True, max_visits=2)
    handbook = State(print, reads=Claim.text, writes=Claim.answer)
    receipt = State(print, reads=Claim.text, writes=Claim.has_receipt)
    finished, manager = Final(), Final(fallback=True)
    claim_money = desk.to(receipt, "money")
    ask_rule = desk.to(handbook, "a rule")
    again = handbook.to(desk)
    paid = receipt.to(finished, guard=is_receipted)
    too_much = receipt.to(manager)
    policies = (after(handbook).eventually(finished),)


def test_no_change_is_hollow() -> None:
    """An edit after which the policy holds because runs are landed, which excuses them, is none."""
    found = explore(Expenses.definition)
    (judged,) = found.policies
    hollow = drop(Expenses.too_much).apply(Expenses.definition)

    assert judged.verdict == "violated"
    assert explore(hollow).policies[0].verdict == "holds"
    assert any(finding.code == "FSM203" for finding in of_definition(hollow))
    assert to_keep(Expenses.definition, Expenses.policies[0], judged.trace, found) is None


def test_no_change_leaves_a_final_state_to_landings() -> None:
    """The fallback can always be landed in, but what runs entered by a handoff they must still enter by one."""

    class Asked(Machine[Claim]):
        """Ask a manager, or not."""

        look, check = State(print, initial=True), State(print)
        finished, manager = Final(), Final(fallback=True)
        to_check, done = look.to(check), look.to(finished)
        ask, passed = check.to(manager), check.to(finished)
        policies = (never(ask), never(to_check))

    found = explore(Asked.definition)
    of_ask, of_check = found.policies

    assert to_keep(Asked.definition, of_ask.policy, of_ask.trace, found) is None
    assert to_keep(Asked.definition, of_check.policy, of_check.trace, found) is None


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


class Review(Machine[Claim]):
    """Write, and write again until a critic is content."""

    write = State(LLMAgent("Write.", reads=Claim.text, writes=Claim.answer, calls=1), initial=True, max_visits=4)
    review = State(LLMAgent("Review.", reads=Claim.answer, calls=1))
    good_enough, manager = Final(), Final(fallback=True)
    written = write.to(review)
    good = review.to(good_enough, "it is good")
    again = review.to(write, "it is not")
    limits = Limits(tokens=10_000)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (10_000, ["set `max_visits=2` on `write`: worst case 9,216 tokens"]),
        (5_000, []),
    ],
    ids=["once round", "never round"],
)
def test_no_change_that_makes_a_worst_case_fit_closes_a_cycle(tokens: int, said: list[str]) -> None:
    """A cycle is bounded and never closed: where one round is too dear already, only the limit is raised."""
    definition = replace(Review.definition, limits=Limits(tokens=tokens))
    *fewer, higher = to_slacken(definition, certify(definition))

    assert [str(change) for change in fewer] == said
    for change in (*fewer, higher):
        changed = change.edit.apply(definition)
        assert explore(changed).taken == explore(definition).taken == {"written", "good", "again"}
        assert not any(finding.level == "error" for finding in prove(changed).findings)


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


def test_the_only_exit_gets_a_guard_and_an_else() -> None:
    """A guard alone would leave code without a way out; with an exit for all else, nothing new is warned of."""

    @guard
    def is_agreed(paid: Paid) -> bool:
        return paid.paid

    class Stamped(Machine[Paid]):
        """Lend what was stamped."""

        stamp, lend = State(print, writes=Paid.paid, initial=True), State(print)
        lent, human = Final(), Final(fallback=True)
        stamped = stamp.to(lend)
        done = lend.to(lent)
        policies = (never(lend).when(~is_agreed),)

    explored = explore(Stamped.definition)
    (found,) = explored.policies
    change = to_keep(Stamped.definition, found.policy, found.trace, explored)

    assert str(change) == (
        "give `stamped` the guard `guard=is_agreed`, and `stamp` a last exit for all else, "
        "`not_stamped = stamp.to(human)`: never(lend).when(~is_agreed) holds"
    )
    changed = change.edit.apply(Stamped.definition)
    assert ["stamped", "not_stamped"] == [handoff.name for handoff in changed.states["stamp"].exits]
    assert explore(changed).policies[0].verdict == "holds"
    assert not {one.code for one in of_definition(changed)} & {"FSM202", "FSM203"}

    class Named(Machine[Paid]):
        """The same, where that name is taken."""

        stamp, lend = State(print, writes=Paid.paid, initial=True), State(print)
        lent, human = Final(), Final(fallback=True)
        stamped = stamp.to(lend)
        done, not_stamped = lend.to(lent, guard=is_agreed), lend.to(human)
        policies = (never(lend).when(~is_agreed),)

    explored = explore(Named.definition)
    assert to_keep(Named.definition, Named.policies[0], explored.policies[0].trace, explored) is None


class Expense(Context):
    """What guards of an expense desk read."""

    is_small: bool
    has_receipt: bool = False


@guard
def small(expense: Expense) -> bool:
    return expense.is_small


@guard
def receipted(expense: Expense) -> bool:
    return expense.has_receipt


class Paying(Machine[Expense]):
    """Pay what is small, though nobody asks for a receipt."""

    receipt, pay = State(print, initial=True, writes=Expense.has_receipt), State(print)
    finished, manager = Final(), Final(fallback=True)
    ok, too_much = receipt.to(pay, guard=small), receipt.to(manager)
    paid = pay.to(finished)
    policies = (never(pay).when(~receipted | ~small),)


def test_a_guard_is_suggested_as_one_would_write_it() -> None:
    """No negation of negations, nothing asked twice, and no parentheses around the whole."""
    found = explore(Paying.definition)
    change = to_keep(Paying.definition, Paying.policies[0], found.policies[0].trace, found)

    assert str(Paying.policies[0]) == "never(pay).when(~receipted | ~small)"
    assert str(change) == f"give `ok` the guard `guard=small & receipted`: {Paying.policies[0]} holds"
    changed = change.edit.apply(Paying.definition)
    assert explore(changed).policies[0].verdict == "holds"
    assert changed.edges[0][1].guard.leaves == 2


def test_fewer_hops_leave_every_handoff_in_reach() -> None:
    """Where a lower limit would close a handoff, or the way from it to an answer, only more tokens are left."""
    assert [edit.limits.hops for edit in fewer_hops(Desk.definition)] == [5, 4]  # sort, search, pay, send, sent
    certificate = certify(desks.Hybrid.definition)

    assert [change.edit.limits.tokens for change in to_slacken(desks.Hybrid.definition, certificate)] == [8_448]


def test_an_edit_keeps_guards_and_routes() -> None:
    """A guard is added to the one that is there, and what routes to states routes to their copies."""
    guarded = guard_with(Desk.big, is_paid).apply(Desk.definition)
    changed = Edit(words="nothing").apply(desks.Hybrid.definition)

    assert ["(is_big & is_paid)"] == [repr(h.guard) for h in guarded.handoffs if h.name == "big"]
    assert check(changed) == ()
