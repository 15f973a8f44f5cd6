"""Policies that speak of tools: proved, broken with a path that is real, and checked again on single runs."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

import pytest
from support import clerks
from support.clerks import VERDICTS, Clerk, Order, Shop, look_up, refund, work

from fsm_orch import Final, HumanAgent, Machine, Nested, State, at_most, eventually, never
from fsm_orch.define.policies import Policy
from fsm_orch.errors import DefinitionError
from fsm_orch.export.as_test import pytest_source
from fsm_orch.export.table import table
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.proof.explore import bare
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.explore.play import Play
from fsm_orch.proof.explore.reality import RUN_ID, breaks
from fsm_orch.proof.explore.walk import walk
from fsm_orch.proof.report import prove
from fsm_orch.testing import Turn, assert_kept, play

BROKEN = [policy for policy in Shop.policies if VERDICTS[str(policy)] == "violated"]


def test_policies_of_tools_are_decided() -> None:
    """Each verdict is what is true of the machine; a use is a moment of its visit, up to `asks` times in each."""
    found = {str(judged.policy): judged.verdict for judged in explore(Shop.definition).policies}

    assert VERDICTS == found


@pytest.mark.parametrize("policy", Shop.policies, ids=str)
def test_the_lean_adversary_sees_all_that_the_full_one_sees(policy: Policy) -> None:
    """Monotonicity with tools: an agent that asks for one thing at a time, and spends nothing, breaks as much."""
    definition = Shop.definition
    seen = []
    for against in ("lean", "full"):
        found = walk(Play(definition, definition.limits, {}, (policy,), against=against), 30_000)  # type: ignore[arg-type]
        assert found.is_complete
        seen.append(any(broken.first for broken in found.breaks))

    assert seen == [VERDICTS[str(policy)] == "violated"] * 2


@pytest.mark.parametrize("policy", Shop.policies, ids=str)
def test_what_the_bare_graph_decides_is_so(policy: Policy) -> None:
    """On the bare graph a tool may be used at any moment of its state: what holds there holds."""
    if bare.holds(Shop.definition, policy, Shop.definition.limits):
        assert VERDICTS[str(policy)] == "holds"


def test_the_bare_graph_decides_some() -> None:
    """Where only the order of states matters, or how many visits there are, nothing has to be explored."""
    certain = {str(one) for one in Shop.policies if bare.holds(Shop.definition, one, Shop.definition.limits)}

    assert {"never(till.tool(refund)).before(verified)", "at_most(4, desk.tool(look_up))"} <= certain


@pytest.mark.parametrize("policy", BROKEN, ids=str)
def test_a_path_that_uses_tools_is_real(policy: Policy) -> None:
    """The real kernel takes it, and the run is judged as the explorer said."""
    (judged,) = explore(Shop.definition, policies=(policy,)).policies
    trace = judged.trace
    assert trace is not None
    compiled = CompiledMachine(Shop.definition)
    first = started(compiled, {"query": "?"}, run_id=RUN_ID)
    journal = [first, *(event for leg in trace.legs for event in leg.inputs), *trace.inputs]

    assert breaks(compiled, policy, journal)
    assert not breaks(compiled, policy, journal[:-1]) or not trace.inputs


@pytest.mark.parametrize("policy", BROKEN, ids=str)
def test_a_path_that_uses_tools_is_a_test_that_fails(policy: Policy) -> None:
    """It is played by the real runner, and the policy is broken."""
    (judged,) = explore(Shop.definition, policies=(policy,)).policies
    assert judged.trace is not None
    source = pytest_source(Shop.definition, policy, judged.trace, module=clerks.__name__)
    namespace: dict[str, Any] = {}
    with mock.patch.dict(sys.modules, {clerks.__name__: clerks}):
        exec(compile(source, "generated.py", "exec"), namespace)
    (test,) = (value for name, value in namespace.items() if name.startswith("test_"))

    with pytest.raises(AssertionError, match="is broken"):
        test()


def test_a_path_says_which_tools_it_uses() -> None:
    """The path, its table and the proof name them; so does the turn of a test."""
    policy = Shop.policies[1]
    (judged,) = explore(Shop.definition, policies=(policy,)).policies
    assert judged.trace is not None

    assert str(judged.trace).endswith("-verified-> till (uses refund)")
    assert "uses refund" in table(judged.trace)
    assert 'uses=["refund"]' in pytest_source(Shop.definition, policy, judged.trace, module="shops")
    assert "(uses refund)" in str(prove(Shop))


def test_a_path_says_which_tools_were_declined() -> None:
    """A use that a human has declined is in the table of its visit, and in the turn of its test."""
    policy = Shop.policies[8]
    (judged,) = explore(Shop.definition, policies=(policy,)).policies
    assert judged.trace is not None

    assert [("ask", ("refund",))] == [(leg.state, leg.declines) for leg in judged.trace.legs if leg.declines]
    assert "refund declined" in table(judged.trace)
    assert 'declines=["refund"]' in pytest_source(Shop.definition, policy, judged.trace, module="shops")


def test_turns_use_tools() -> None:
    """A turn uses its tools one after the other, once a human has approved it; what is declined is not used."""
    to_till = [
        Turn(Shop.desk, Shop.to_check),
        Turn(Shop.check, Shop.verified, {Order.verified: True}),
    ]
    rest = [Turn(Shop.till, uses=["look_up", "refund"]), Turn(Shop.must)]
    used = play(Shop, Order(query="?"), [*to_till, *rest, Turn(Shop.ask, uses=[refund])])
    declined = play(Shop, Order(query="?"), [*to_till, *rest, Turn(Shop.ask)])

    assert Shop.done is used.state is declined.state
    paid = next(policy for policy in Shop.policies if str(policy) == "eventually(ask.tool(refund))")
    assert_kept(Shop, paid, used)
    with pytest.raises(AssertionError, match="is broken"):
        assert_kept(Shop, paid, declined)
    assert_kept(Shop, Shop.policies[1], used)


def test_a_tool_of_another_state_is_found() -> None:
    """A policy speaks of a tool that the agent of that state declares, in this machine."""
    with pytest.raises(DefinitionError, match=r"FSM401[\s\S]*'a' declares no tool 'refund'"):

        class Wrong(Machine[Order]):
            """A clerk who pays nothing."""

            a = State(Clerk(look_up), initial=True)
            done, human = Final(), Final(fallback=True)
            end = a.to(done)
            policies = (never(a.tool(refund)),)

    with pytest.raises(DefinitionError, match=r"FSM401[\s\S]*speaks of till.tool\(refund\), which is not"):

        class Other(Machine[Order]):
            """A machine that speaks of another's."""

            a = State(work, initial=True)
            done, human = Final(), Final(fallback=True)
            end = a.to(done)
            policies = (never(Shop.till.tool(refund)),)

    with pytest.raises(TypeError, match="a tool is a function"):
        Shop.till.tool(7)


def test_a_tool_in_a_policy_is_in_the_digest() -> None:
    """Policies are told apart by the tools that they speak of."""
    one, other = Shop.policies[:2]

    assert one.canonical != other.canonical
    assert ["till.tool(refund)"] == one.canonical["subject"]


class Till(Machine[Order]):
    """A till inside another machine, whose clerk needs approval."""

    pay = State(Clerk(refund, gated=(refund,)), initial=True)
    done, human = Final(), Final(fallback=True)
    end = pay.to(done)
    policies = (at_most(2, pay.tool(refund)), at_most(1, pay.tool(refund)))


class Whole(Machine[Order]):
    """A human lets the till be opened, and a tool be used."""

    ask = State(HumanAgent("Open it?", reads=Order.query), initial=True)
    inside = State(Nested(Till, reads=Order.query))
    billing = State(Clerk(look_up, refund, gated=(refund,)))
    done, human = Final(), Final(fallback=True)
    yes, no = ask.to(inside, "yes"), ask.to(billing, "no")
    on, end = inside.to(billing), billing.to(done)
    policies = (never(billing.tool(refund)).before(yes), never(billing.tool(refund)).before(yes | no))


def test_tools_are_proved_at_every_level() -> None:
    """A policy about tools is proved of a machine inside another too, and behind humans and nested machines."""
    proof = prove(Whole)

    assert ["violated", "holds"] == [judged.verdict for judged in proof.policies]
    inside = proof.parts["inside.Till"].exploration
    assert ["holds", "violated"] == [judged.verdict for judged in inside.policies]
    assert not proof.exploration.broken
    assert not inside.broken
    assert "ask -no-> billing (uses refund)" in str(proof)


def test_no_more_is_explored_where_no_policy_speaks_of_tools() -> None:
    """The lean adversary leaves tools out then: what they do besides a policy's moments opens nothing."""
    silent = explore(Whole.definition, policies=(never(Whole.human),))
    spoken = explore(Whole.definition)

    assert silent.configurations < spoken.configurations
    assert silent.reached.keys() == spoken.reached.keys()
    assert silent.taken == spoken.taken


class Expiring(Machine[Order]):
    """A tool that must be asked for, and whose approval may expire."""

    pay = State(Clerk(refund, gated=(refund,), must_ask=True), initial=True, expires_s=60)
    done, gone, human = Final(), Final(), Final(fallback=True)
    end, late = pay.to(done), pay.on_timeout(gone)
    policies = (never(late), eventually(pay.tool(refund) | gone), never(late).after(pay.tool(refund)), never(done))


def test_an_approval_may_expire() -> None:
    """The edge of a timeout is played before, after and instead of a use; a no is an answer, and the state is left."""
    assert ["violated"] * 4 == [judged.verdict for judged in explore(Expiring.definition).policies]
