"""The refund that a human approves: nobody is paid without a yes, and nobody twice."""

from __future__ import annotations

from contextlib import closing

import pytest

from fsm_orch import MemoryStore, Runner, RunResult, ScriptedModel
from fsm_orch.errors import AnswerError
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from machines.refund import Claim, Refunds
from machines.till import Till

CLAIM = Claim(query="Order 1041 arrived broken, please send my money back")


def till() -> Till:
    """Return a till with two orders."""
    return Till({1041: 4_900, 1042: 900})


USE = {"order": 1041, "cents": 4_900, "reason": "broken"}
SAID = {"reply": {"text": "I have paid it."}}


def use(**arguments: object) -> dict[str, object]:
    """Return a reply that uses the tool."""
    return {"reply": {"use": {"tool": "pay_back", "arguments": USE | arguments}}}


def runner(*script: object) -> Runner[Claim, Till]:
    """Return a runner whose model asks to pay, and says that it has, whatever came of it."""
    model = ScriptedModel(list(script or (use(), SAID)))  # type: ignore[arg-type]
    return Runner(Refunds, model=model, store=MemoryStore())


async def asked(own: Runner[Claim, Till], world: Till) -> RunResult[Claim]:
    """Run a claim until the human is asked."""
    result = await own.run(CLAIM, deps=world)
    assert (result.status, result.state) == ("waiting", Refunds.refund)
    return result


async def test_a_yes_pays_once() -> None:
    """The human sees what code found and why it is wanted; on a yes it is paid under the key of the use."""
    own, world = runner(), till()
    (question,) = (waits := await asked(own, world)).waiting

    assert question.text == "Use pay_back(order=1041, cents=4900, reason='broken')?"
    assert not world.paid
    result = await own.resume(waits.run_id, True, deps=world)
    assert (result.state, world.paid) == (Refunds.paid, {1041: (4_900, "broken", f"{waits.run_id}:1:1")})
    assert result.context.answer == "$49.00 of order 1041 are on their way back to you."
    with pytest.raises(AnswerError, match="waits for no answer"):
        await own.resume(waits.run_id, True, deps=world)
    assert len(world.paid) == 1


async def test_a_no_pays_nothing() -> None:
    """On a no the claim is declined, with the answer that was declared for it, though the model says otherwise."""
    own, world = runner(), till()
    result = await own.resume((await asked(own, world)).run_id, False, deps=world)

    assert (result.state, result.landing, world.paid) == (Refunds.declined, None, {})
    assert result.context.answer == "We have looked at your claim, and cannot pay it back."


async def test_an_order_is_paid_once_over_all_runs() -> None:
    """Who claims for it again is told of the first payment."""
    world = till()
    for own in (runner(), runner(use(reason="ugly"), SAID)):
        result = await own.resume((await asked(own, world)).run_id, True, deps=world)
        assert result.state is Refunds.paid

    assert [payment.reason for payment in world.paid.values()] == ["broken"]


@pytest.mark.parametrize("wrong", [use(order=1042), use(cents=490_000), use(order="1041"), SAID, {"text": "paid"}])
async def test_a_model_asks_for_nothing_else(wrong: object) -> None:
    """Another order, another sum, or no use at all is refused, and no human is asked about it."""
    world = till()
    waits = await runner(wrong, use(), SAID).run(CLAIM, deps=world)

    assert [question.text for question in waits.waiting] == ["Use pay_back(order=1041, cents=4900, reason='broken')?"]
    landed = await runner(wrong, wrong, wrong).run(CLAIM, deps=world)
    assert (landed.state, landed.waiting, world.paid) == (Refunds.open_claim, (), {})


@pytest.mark.parametrize("answer", [{}, {"handoff": "late"}, "yes", None, [], 1, Refunds.known])
async def test_what_is_no_answer_changes_nothing(answer: object) -> None:
    """An answer that is neither yes nor no pays nothing."""
    own, world = runner(), till()
    waits = await asked(own, world)

    with pytest.raises(AnswerError):
        await own.resume(waits.run_id, answer, deps=world)
    assert not world.paid
    assert (await own.resume(waits.run_id, True, deps=world)).state is Refunds.paid


@pytest.mark.parametrize("query", ["my money back, please", "orders 1041 and 1042", "order 9999"])
async def test_a_claim_for_no_order_reaches_no_human(query: str) -> None:
    """What names no order, two orders or an unknown one is sent back by code, which asks for the number."""
    world = till()
    result = await runner().run(Claim(query=query), deps=world)

    assert (result.state, result.waiting, world.paid) == (Refunds.which_order, (), {})


def test_nobody_is_paid_without_a_yes() -> None:
    """The tool needs approval, all policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Refunds)

    assert [tool.approval for tool in Refunds.definition.states["refund"].spec.tools] == [True]
    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * 3
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (6_912, 3, 3)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_asks_to_pay() -> None:
    """A real model asks for the order that code found, and a yes pays."""
    world, patient = till(), Refunds.limits.model_copy(update={"deadline_s": 120.0})
    with closing(LocalModel()) as model:
        own = Runner(Refunds, model=model, limits=patient, store=MemoryStore())
        waits = await asked(own, world)
        result = await own.resume(waits.run_id, True, deps=world)

    assert waits.waiting[0].text.startswith("Use pay_back(order=1041, cents=4900, reason=")
    assert (result.state, list(world.paid)) == (Refunds.paid, [1041])
