"""The refund that a human approves: nobody is paid without a yes, and nobody twice."""

from __future__ import annotations

from contextlib import closing

import pytest

from fsm_orch import MemoryStore, Runner, RunResult, ScriptedModel
from fsm_orch.errors import AnswerError
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from machines.refund import Claim, Refunds, Till

CLAIM = Claim(query="Order 1041 arrived broken, please send my money back")


def till() -> Till:
    """Return a till with two orders."""
    return Till({1041: 4_900, 1042: 900})


def runner() -> Runner[Claim, Till]:
    """Return a runner whose model sums up in one word."""
    return Runner(Refunds, model=ScriptedModel([{"reason": "broken"}]), store=MemoryStore())


async def asked(own: Runner[Claim, Till], world: Till) -> RunResult[Claim]:
    """Run a claim until the human is asked."""
    result = await own.run(CLAIM, deps=world)
    assert (result.status, result.state) == ("waiting", Refunds.approve)
    return result


async def test_a_yes_pays_once() -> None:
    """The human sees the claim and what code found of it; on a yes it is paid under the key of the visit."""
    own, world = runner(), till()
    (question,) = (waits := await asked(own, world)).waiting

    assert question.text == "Pay this back?"
    assert question.shown == {"query": CLAIM.query, "reason": "broken", "order": 1041, "cents": 4_900}
    assert not world.paid
    result = await own.resume(waits.run_id, Refunds.yes, deps=world)
    assert (result.state, world.paid) == (Refunds.paid, {f"{waits.run_id}:3": 4_900})
    assert result.context.answer == "$49.00 of order 1041 are on their way back to you."
    with pytest.raises(AnswerError, match="waits for no answer"):
        await own.resume(waits.run_id, Refunds.yes, deps=world)
    assert len(world.paid) == 1


async def test_a_no_pays_nothing() -> None:
    """On a no the claim is declined, with the answer that was declared for it."""
    own, world = runner(), till()
    result = await own.resume((await asked(own, world)).run_id, {"handoff": "no"}, deps=world)

    assert (result.state, result.landing, world.paid) == (Refunds.declined, None, {})


@pytest.mark.parametrize("answer", [{}, {"handoff": "late"}, {"handoff": "yes", "cents": 1}, "yes", None, []])
async def test_what_is_no_answer_changes_nothing(answer: object) -> None:
    """An answer that does not fit the form is refused, and the run waits as before."""
    own, world = runner(), till()
    waits = await asked(own, world)

    with pytest.raises(AnswerError):
        await own.resume(waits.run_id, answer, deps=world)
    assert own.store is not None
    assert len(await own.store.load(waits.run_id)) == len(waits.journal)
    assert (await own.resume(waits.run_id, Refunds.yes, deps=world)).state is Refunds.paid


@pytest.mark.parametrize("query", ["my money back, please", "orders 1041 and 1042", "order 9999"])
async def test_a_claim_for_no_order_reaches_no_human(query: str) -> None:
    """What names no order, two orders or an unknown one is declined by code."""
    world = till()
    result = await runner().run(Claim(query=query), deps=world)

    assert (result.state, result.waiting, world.paid) == (Refunds.declined, (), {})


def test_nobody_is_paid_without_a_yes() -> None:
    """Both policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Refunds)

    assert [verdict.verdict for verdict in proof.policies] == ["holds", "holds"]
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (4_608, 2, 4)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_sums_up_a_claim() -> None:
    """A real model reads a claim, the human is asked, and a yes pays."""
    world, patient = till(), Refunds.limits.model_copy(update={"deadline_s": 120.0})
    with closing(LocalModel()) as model:
        own = Runner(Refunds, model=model, limits=patient, store=MemoryStore())
        waits = await asked(own, world)
        result = await own.resume(waits.run_id, Refunds.yes, deps=world)

    assert waits.context.reason
    assert (result.state, list(world.paid.values())) == (Refunds.paid, [4_900])
