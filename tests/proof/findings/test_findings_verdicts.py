"""Findings about policies."""

import zlib
from dataclasses import replace

from pydantic import field_validator

from fsm_orch import Context, Final, Machine, State, eventually, guard, never
from fsm_orch.kernel.inputs import Cancelled
from fsm_orch.proof.explore.breach import Breach
from fsm_orch.proof.explore.exploration import BrokenTheorem, explore
from fsm_orch.proof.findings.verdicts import broken, too_late
from fsm_orch.proof.report import prove


class Ticket(Context):
    amount: int
    paid: bool = False


class Careful(Context):
    amount: int

    @field_validator("amount")
    @classmethod
    def _positive(cls, amount: int) -> int:
        assert amount > 0
        return amount


@guard
def is_lucky(ticket: Ticket) -> bool:
    return zlib.crc32(str(ticket.amount).encode()) == 7


@guard
def is_huge(ticket: Ticket) -> bool:
    return ticket.amount > 100


@guard
def is_sent(ticket: Ticket) -> bool:
    return ticket.paid


def act(visit):
    return None


class Desk(Machine[Ticket]):
    """Send, or ask the boss."""

    look = State(act, initial=True)
    boss = State(act)
    sent, human = Final(), Final(fallback=True)
    big = look.to(boss, guard=is_lucky & ~is_huge)
    done = (look | boss).to(sent)
    policies = (never(big), never(done), eventually(sent))


def test_each_verdict_that_is_not_kept_is_a_finding():
    """Violated is an error with its path, possible a warning with what it hangs on; what holds says nothing."""
    possible, violated = broken(explore(Desk.definition))

    assert (possible.code, possible.level) == ("FSM412", "warning")
    assert possible.problem == "never(big) may be violated: look -big-> boss, if is_lucky and not is_huge"
    assert (violated.code, violated.level) == ("FSM411", "error")
    assert violated.problem == "never(done) is violated: look -done-> sent"
    assert possible.where == Desk.policies[0].where
    assert possible.fix.startswith("have a guard read a bool, an Enum or a Literal")


def test_a_path_that_a_proposal_opens_is_closed_by_a_guard():
    """Where code may propose a later exit though an earlier one is open, the fix names that exit, and it helps."""

    class Lax(Machine[Ticket]):
        """Ask the boss of what is large."""

        look = State(act, writes=Ticket.paid, initial=True)
        boss = State(act)
        sent, human = Final(), Final(fallback=True)
        big = look.to(boss, guard=is_lucky & is_sent)
        small = look.to(sent, guard=is_lucky)
        rest = look.to(human)
        done = boss.to(sent)
        policies = (never(small).when(is_sent),)

    class Strict(Machine[Ticket]):
        """The same, with the guard."""

        look = State(act, writes=Ticket.paid, initial=True)
        boss = State(act)
        sent, human = Final(), Final(fallback=True)
        big = look.to(boss, guard=is_lucky & is_sent)
        small = look.to(sent, guard=is_lucky & ~is_sent)
        rest = look.to(human)
        done = boss.to(sent)
        policies = (never(small).when(is_sent),)

    (finding,) = broken(explore(Lax.definition))
    assert (finding.code, finding.problem) == (
        "FSM412",
        "never(small).when(is_sent) may be violated: look -small-> sent, if is_lucky and `act` proposes `small`",
    )
    assert finding.fix == (
        "give `small` a guard that is closed where an exit before it is open: code may propose any exit whose guard "
        "holds, and their order decides only where it proposes none; or close that path"
    )
    assert list(broken(explore(Strict.definition))) == []


def test_a_strict_policy_is_kept_by_landed_runs_too():
    """What is allowed is said as the policy has it: a landing excuses nothing of one that is strict."""
    lax, strict = never(Desk.done), eventually(Desk.sent, strict=True)
    first, second = broken(explore(Desk.definition, policies=(lax, strict)))

    assert first.expected == "policies that every run keeps; a landing excuses what was still to come"
    assert second.expected == "policies that every run keeps, landed ones too"


def test_what_was_not_decided_is_a_warning():
    """Unless it was broken already: a path that was seen stays seen."""
    found = list(broken(explore(Desk.definition, max_configurations=1)))

    assert [f.code for f in found] == ["FSM413", "FSM413"]  # the bare graph decides the third
    assert found[0].level == "warning"
    assert "ended at 1 configurations" in found[0].problem


def test_validators_may_close_a_path():
    """They are not asked, so a path through them is possible only."""

    class Shop(Machine[Careful]):
        look = State(act, initial=True)
        sent, human = Final(), Final(fallback=True)
        done = look.to(sent)
        policies = (never(done),)

    (finding,) = broken(explore(Shop.definition))
    assert finding.problem == "never(done) may be violated: look -done-> sent, if the context's validators allow it"
    assert finding.fix == (
        "run the test that --counterexample writes: it searches for values that the context's validators let pass; "
        "or close that path"
    )


def test_a_theorem_that_is_broken_fails_a_check():
    """It is our mistake, and no finding of the machine's."""
    found = prove(replace(Desk.definition, policies=()))
    bug = BrokenTheorem(breach=Breach("T1", "?"), trace=found.exploration.measures.hops.trace, event=Cancelled(at=0.0))

    assert found.is_sound(strict=True)
    assert not replace(found, exploration=replace(found.exploration, broken=(bug,))).is_sound()


class Order(Context):
    amount: int | None = None
    flag: bool = False


@guard
def is_costly(order: Order) -> bool:
    return order.amount is not None and order.amount > 10


@guard
def is_flagged(order: Order) -> bool:
    return order.flag


class Payment(Machine[Order]):
    """Read the amount, and pay what is small."""

    read = State(act, writes=Order.amount, initial=True)
    boss = State(act)
    paid, human = Final(), Final(fallback=True)
    small, large = read.to(paid, guard=~is_costly), read.to(boss, guard=is_costly)
    late = boss.to(paid)


def test_a_guard_that_comes_too_late_for_a_handoff_is_found():
    """The visit that takes the handoff writes what the guard reads: it was known only after the handoff."""

    def found(*policies):
        return [finding.problem for finding in too_late(replace(Payment.definition, policies=policies))]

    assert found(never(Payment.small).after(is_costly)) == [
        "never(small).after(is_costly): the visit that takes 'small' writes amount, which is_costly reads"
    ]
    assert (
        found(
            never(Payment.small).when(is_costly),
            never(Payment.small).before(is_costly),
            never(Payment.small).after(is_flagged),
            never(Payment.late).after(is_costly),
            never(Payment.boss).after(is_costly),
        )
        == []
    )


def test_what_was_meant_is_decided():
    """On what the handoff itself left: no costly order is paid as a small one, and one that is not costly is."""
    policies = (never(Payment.small).when(is_costly), never(Payment.small).when(~is_costly))
    kept, broken_one = explore(Payment.definition, policies=policies).policies

    assert (kept.verdict, broken_one.verdict) == ("holds", "violated")
