"""What an exploration says of policies, with the shortest path that breaks each, and where runs can go."""

from __future__ import annotations

from support.brute import Flags
from support.desk import Support, is_verified
from support.explored import Careless, act, verdicts

from fsm_orch import Final, Limits, Machine, State, after, eventually, never
from fsm_orch.proof.explore.exploration import explore


def test_a_refund_without_verification_is_found() -> None:
    """The shortest path that breaks a policy is shown, and the definition's own policies are checked."""
    found = explore(Careless.definition)

    assert ["violated", "violated", "holds"] == verdicts(found)
    trace = found.policies[0].trace
    assert trace is not None
    assert "triage -hurry-> refund" == str(trace)
    assert ("triage", "refund") == trace.path
    assert trace.is_sure
    assert ("query", "invoice", "answer") == trace.opaque
    assert Careless.policies[0] is found.policies[0].policy


def test_the_machine_that_does_verify_holds() -> None:
    """The same policies hold where the only way to a refund is through its verification."""
    claims = (never(Support.refund).before(Support.verify), never(Support.refund).before(is_verified))

    assert ["holds", "holds"] == verdicts(explore(Support.definition, policies=claims))


def test_a_landing_excuses_what_was_to_come_and_nothing_else() -> None:
    """Unless strict, a landed run owes nothing, and its landing is no moment; what it did stays done."""
    claims = (
        eventually(Careless.answered),
        eventually(Careless.answered, strict=True),
        never(Careless.human),
        never(Careless.human, strict=True),
        after(Careless.to_verify).eventually(Careless.answered),
        after(Careless.to_verify).eventually(Careless.answered, strict=True),
        never(Careless.refund),
    )

    found = explore(Careless.definition, policies=claims, limits=Limits(hops=2, tokens=10_000))

    assert ["holds", "violated", "holds", "violated", "holds", "violated", "violated"] == verdicts(found)


def test_limits_decide_too() -> None:
    """A state that no run can afford or has hops for is not reached, and policies see that."""
    claim = (never(Careless.refund),)

    assert ["holds"] == verdicts(explore(Careless.definition, policies=claim, limits=Limits(hops=1)))
    assert ["violated"] == verdicts(explore(Careless.definition, policies=claim, limits=Limits(hops=2)))


def test_every_failure_edge_is_taken() -> None:
    """An agent may raise, take too long, and be refused for good, though every reply of its own would be legal."""

    class Failing(Machine[Flags]):
        """Fail."""

        start = State(act, initial=True)
        failed, late, refused = State(act), State(act), State(act)
        done, human = Final(), Final(fallback=True)
        end = (start | failed | late | refused).to(done)
        lost, waited, doubted = start.on_failure(failed), start.on_timeout(late), start.on_refusal(refused)

    found = explore(Failing.definition)

    kinds = {name: found.reached[name].legs[0].kind for name in ("failed", "late", "refused")}
    assert {"failed": "failure", "late": "timeout", "refused": "refusal"} == kinds
