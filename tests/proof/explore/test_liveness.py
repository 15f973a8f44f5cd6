"""Fields that no longer decide anything, and values that no guard tells apart: leaving them out changes no answer."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from support.finite import drawn

from fsm_orch import Context, Final, Given, Limits, Machine, State, Visit, at_most, guard, never
from fsm_orch.define import Policy
from fsm_orch.proof.explore import play
from fsm_orch.proof.explore.domain import Domain
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.liveness import live


class Letter(Context):
    text: str
    kind: Literal["bill", "ad", "note", "other"] | None = None
    tries: Given[Literal[0, 1, 2, 3]] = 0
    signed: bool = False


@guard
def is_bill(letter: Letter) -> bool:
    return letter.kind == "bill"


@guard
def may_retry(letter: Letter) -> bool:
    return letter.tries < 2


@guard
def is_signed(letter: Letter) -> bool:
    return letter.signed


@guard
def is_odd(letter: Letter) -> bool:
    return len(letter.text) % 2 == 1 and letter.signed


def work(visit: Visit[Letter]) -> None:
    """Stand for an agent; what it does is never asked."""


class Post(Machine[Letter]):
    """Sort, sign, send."""

    sort = State(work, initial=True, writes=(Letter.kind,))
    sign = State(work, writes=(Letter.signed, Letter.tries), max_visits=3)
    look = State(work)
    send = State(work)
    sent, human = Final(), Final(fallback=True)
    to_sign = sort.to(sign, guard=is_bill)
    to_human = sort.to(human)
    again = sign.to(sign, guard=may_retry & ~is_signed)
    to_send = sign.to(send, guard=is_signed)
    lost = sign.to(human)
    late = sort.on_timeout(look)
    to_sign_too = look.to(sign, guard=is_bill)
    to_human_too = look.to(human)
    done = send.to(sent)
    limits = Limits(hops=6)


def lives(*policies: Policy) -> dict[str, tuple[str, ...]]:
    asked = [guard for policy in policies for guard in policy.guards]
    guards = [handoff.guard for handoff in Post.definition.handoffs if handoff.guard is not None]
    return dict(live(Post.definition, Domain(Letter, [*guards, *asked]), asked))


def test_what_is_written_before_it_is_read_is_dead() -> None:
    """A field is live where a guard may read it before it is written; on a failure edge nothing has been written."""
    assert {"sort": ("kind",), "sign": (), "look": ("kind",), "send": ()} == lives()


def test_what_a_policy_asks_is_always_live() -> None:
    """The guard of a policy is asked at every hop."""
    assert {"sort": ("kind", "tries"), "sign": ("tries",), "look": ("kind", "tries"), "send": ("tries",)} == (
        lives(never(may_retry))
    )


def test_what_an_opaque_guard_reads_is_live_on_entry() -> None:
    """The answer of an opaque guard may depend on fields that the agent is still to write."""

    class Odd(Machine[Letter]):
        """Sign."""

        sign = State(work, initial=True, writes=(Letter.signed,))
        sent, human = Final(), Final(fallback=True)
        done = sign.to(sent, guard=is_signed & is_odd)
        lost = sign.to(human)

    guards = [handoff.guard for handoff in Odd.definition.handoffs if handoff.guard is not None]
    assert {"sign": ("signed",)} == live(Odd.definition, Domain(Letter, guards), ())


def test_values_that_no_guard_tells_apart_are_one() -> None:
    """Of the values that are alike to all guards the first stands for the others."""
    domain = Domain(Letter, (is_bill, may_retry))

    assert {"kind": ("bill", "ad"), "tries": (0, 2)} == domain.distinguished((is_bill, may_retry))
    assert {"kind": ("bill",), "tries": (0, 2)} == domain.distinguished((may_retry,))


def answers(found: Exploration) -> Any:
    """Return all that an exploration answers, but for which of several equal paths it shows."""
    mosts = (
        found.measures.hops.amount,
        found.measures.tokens.amount,
        found.measures.cost.amount,
        found.measures.calls.amount,
    )
    reached = {name: (trace.hops, trace.is_sure) for name, trace in found.reached.items()}
    verdicts = [(judged.verdict, judged.trace and judged.trace.hops) for judged in found.policies]
    return found.is_complete, mosts, reached, found.taken, verdicts, found.held


@pytest.mark.parametrize("with_guards", [True, False])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_leaving_them_out_changes_no_answer(seed: int, with_guards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random machines, opaque guards and failure edges among them: reached, bounds and verdicts stay the same."""
    definition = drawn(seed).definition
    claims = tuple(policy for policy in definition.policies if with_guards or not policy.guards)
    short = explore(definition, policies=claims)

    monkeypatch.setattr(Domain, "distinguished", lambda domain, asked: dict(domain.finite))
    monkeypatch.setattr(
        play, "live", lambda definition, domain, always: dict.fromkeys(definition.states, domain.finite)
    )
    whole = explore(definition, policies=claims)

    assert answers(whole) == answers(short)
    assert short.steps <= whole.steps


def test_fields_of_many_values_do_not_multiply_what_is_explored() -> None:
    """What guards do not tell apart is explored once, and what is dead is forgotten."""
    found = explore(Post.definition, policies=(at_most(3, Post.sign),))

    assert found.configurations < 70
    assert "fields tried with every value that guards distinguish: kind (2 of 5), tries (2 of 4), signed (2 of 2)" in (
        found.abstracted
    )
