"""Policies: one way to write each, what they say of themselves, and what they do not take."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from fsm_orch import Context, Final, Machine, State, after, at_most, eventually, guard, never
from fsm_orch.define import Policy
from fsm_orch.define.policies import Cause, Never


class Ticket(Context):
    query: str
    verified: bool = False


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


def act(visit: Any) -> None:
    """Do nothing."""


class Desk(Machine[Ticket]):
    """Refund, once verified."""

    verify = State(act, initial=True, writes=(Ticket.verified,))
    refund = State(act)
    answered, human = Final(), Final(fallback=True)
    approved = verify.to(refund, guard=is_verified)
    done = (verify | refund).to(answered)

    policies = (
        never(refund).before(verify),
        never(human, strict=True),
        never(verify).after(refund | approved),
        at_most(2, verify | is_verified),
        eventually(answered | human),
        after(approved).eventually(answered | done, strict=True),
        never((is_verified & ~is_verified) | answered).before(done),
        never(refund | done, strict=True).when(~is_verified),
    )


SHOWN = (
    "never(refund).before(verify)",
    "never(human, strict=True)",
    "never(verify).after(refund | approved)",
    "at_most(2, verify | is_verified)",
    "eventually(answered | human)",
    "after(approved).eventually(answered | done, strict=True)",
    "never((is_verified & ~is_verified) | answered).before(done)",
    "never(refund | done, strict=True).when(~is_verified)",
)


def test_a_policy_reads_like_the_code() -> None:
    """What a policy shows is what was written."""
    assert SHOWN == tuple(map(str, Desk.policies))


def test_a_definition_keeps_its_policies() -> None:
    """Policies are part of the definition, of its JSON and so of its digest."""
    canonical = Desk.definition.canonical["policies"]

    assert Desk.definition.policies == Desk.policies
    assert json.loads(json.dumps(canonical)) == canonical
    assert canonical[3] == {
        "pattern": "bounded_existence",
        "subject": ["verify", {"guard": f"{__name__}:is_verified"}],
        "times": 2,
    }
    assert len({json.dumps(policy) for policy in canonical}) == len(SHOWN)


def test_what_joins_states_is_still_a_source() -> None:
    """States joined by `|` can be handed off from and spoken of; a join with anything else can only be spoken of."""
    joined = Desk.verify | Desk.refund

    assert (Desk.verify, Desk.refund) == joined.alternatives
    assert hasattr(joined, "to")
    for mixed in (joined | Desk.human, Desk.human | joined, Desk.done | Desk.verify, is_verified | Desk.verify):
        assert not hasattr(mixed, "to")
    assert (Desk.verify, Desk.refund, Desk.human) == (joined | Desk.human).alternatives
    assert (is_verified, Desk.verify) == (is_verified | Desk.verify).alternatives
    assert "verify | refund | human" == repr(joined | Desk.human)


def test_guards_joined_are_one_guard() -> None:
    """Two guards joined by `|` are a guard, asked as one."""
    assert 1 == len(never(is_verified | ~is_verified).subject)


def test_policies_are_equal_if_they_say_the_same() -> None:
    """Where a policy was written does not matter, and what it says does."""
    assert never(Desk.refund).before(Desk.verify) == Desk.policies[0]
    assert {never(Desk.refund).before(Desk.verify), Desk.policies[0]} == {Desk.policies[0]}
    different: set[Policy] = {
        never(Desk.refund),
        never(Desk.refund, strict=True),
        never(Desk.refund).before(Desk.verify),
        never(Desk.refund).after(Desk.verify),
        never(Desk.refund).after(is_verified),
        never(Desk.refund).when(is_verified),
        never(Desk.verify).before(Desk.refund),
        after(Desk.refund).eventually(Desk.verify),
        eventually(Desk.refund),
        at_most(1, Desk.refund),
        at_most(2, Desk.refund),
    }
    assert 11 == len(different)


def test_a_policy_has_one_time() -> None:
    """A second one is refused with what to write instead; copies, and questions for other names, work as ever."""
    written = Never("absence", (Desk.refund,))
    for policy in (written.when(is_verified), written.before(Desk.verify), written.after(Desk.verify)):
        for time in ("before", "after", "when"):
            with pytest.raises(AttributeError) as refused:
                getattr(policy, time)
            assert str(refused.value).startswith(f"{policy} takes no .{time}(...): a policy has one of .before, .after")
            assert "never(handoff).when(guard) and never(state).before(handoff | y)" in str(refused.value)
    for other in (at_most(1, Desk.refund), eventually(Desk.refund)):
        with pytest.raises(AttributeError, match=r"takes no \.before\(\.\.\.\): only never\(\.\.\.\) does"):
            getattr(other, "before")  # noqa: B009
    assert not hasattr(written, "unless")
    assert written.when(is_verified) == copy.copy(written.when(is_verified))


def test_a_policy_tells_where_it_was_written() -> None:
    """A finding about a policy points at its line."""
    line = int(never(Desk.refund).where.rpartition(":")[2])
    policies = (
        never(Desk.refund),
        eventually(Desk.human),
        at_most(1, Desk.verify),
        after(Desk.verify).eventually(Desk.human),
        never(Desk.refund).before(Desk.verify),
        never(Desk.refund).after(Desk.verify),
    )

    assert [f"{__file__}:{number}" for number in range(line + 2, line + 8)] == [policy.where for policy in policies]


@pytest.mark.parametrize("wrong", ["refund", None, 3, act, Ticket, Cause])
def test_what_is_no_part_is_refused(wrong: Any) -> None:
    """A policy speaks of parts and guards, not of names."""
    for write in (
        never,
        eventually,
        after,
        lambda x: at_most(1, x),
        never(Desk.refund).before,
        never(Desk.refund).after,
    ):
        with pytest.raises(TypeError, match="speaks of states, final states, handoffs, tools and guards, not of"):
            write(wrong)
    for part in (Desk.refund, Desk.refund | Desk.verify, Desk.human, Desk.done, is_verified):
        with pytest.raises(TypeError):
            _ = part | wrong


@pytest.mark.parametrize("wrong", [Desk.refund, Desk.done, is_verified | Desk.refund])
def test_when_takes_a_guard(wrong: Any) -> None:
    """What holds at one moment is a guard; a state or handoff comes before or after, and the error says so."""
    with pytest.raises(TypeError, match=r"takes a guard, which holds of a context, not .*: write after"):
        never(Desk.refund).when(wrong)


@pytest.mark.parametrize("times", [0, -1, True, 1.5, "2"])
def test_at_most_takes_a_number(times: Any) -> None:
    """What is not to happen at all is never; anything but a number is a slip."""
    with pytest.raises(ValueError, match="whole number from 1"):
        at_most(times, Desk.refund)


@pytest.mark.parametrize(
    "written",
    [
        "never(verify or refund)",
        "eventually(answered and human)",
        "after(approved or done).eventually(answered)",
        "never((verify | refund) or human)",
        "eventually(not verify)",
        "at_most(1, verify and is_verified)",
        "never(flow or human)",
        "(flow and never(human))",
    ],
)
def test_what_is_joined_by_words_is_refused(written: str) -> None:
    """`never(a or b)` would be `never(a)` in silence: nothing that a class declares is true or false in it."""
    source = f"""
class Joined(Machine[Ticket]):
    verify, refund = State(act, initial=True), State(act)
    answered, human = Final(), Final(fallback=True)
    approved = verify.to(refund)
    flow = verify >> answered
    done = refund.to(answered)
    policies = ({written},)
"""

    with pytest.raises(TypeError, match=r"^join states and handoffs with \|, not with and, or, not$"):
        exec(source, dict(globals()))


def test_a_join_is_never_true_or_false() -> None:
    """What is joined or chained has no other use than in a declaration, so it is refused also later."""
    with pytest.raises(TypeError, match=r"^join states and handoffs with \|"):
        never((Desk.verify | Desk.refund) or Desk.human)


def test_policies_are_listed_not_joined_by_words() -> None:
    """`(one and other,)` would be the other alone in silence: a policy has no truth either."""
    one, other, half = never(Desk.refund), eventually(Desk.answered), after(Desk.done)
    wrong: tuple[Callable[[], Any], ...] = (lambda: one and other, lambda: other or one, lambda: half and one)

    for written in wrong:
        with pytest.raises(TypeError, match=r"^a policy is neither true nor false: list policies, "):
            written()


def test_a_part_of_a_built_machine_is_something() -> None:
    """Once its class is built, a state or handoff is asked for like any value that may be None."""
    handoffs = {handoff.name: handoff for handoff in Desk.definition.handoffs}

    assert Desk.done is (handoffs.get("nowhere") or Desk.done)
    assert Desk.approved is (handoffs.get("approved") or Desk.done)
    assert Desk.refund
    assert Desk.answered
