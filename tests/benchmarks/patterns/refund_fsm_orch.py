"""A refund that a human approves: a model says why, code finds the order, a human decides, code pays."""

from typing import Any

from world import DECLINED, order_in, pay_back

from fsm_orch import Context, Final, HumanAgent, LLMAgent, Machine, MemoryStore, Runner, State, Visit, guard, never


class Claim(Context):
    query: str
    reason: str | None = None
    order: int | None = None
    answer: str | None = None


@guard
def is_known(claim: Claim) -> bool:
    return claim.order is not None


def find(visit: Visit[Claim]) -> dict[Any, Any]:
    return {Claim.order: order_in(visit.context.query)}


def pay(visit: Visit[Claim]) -> dict[Any, Any]:
    assert visit.context.order is not None
    return {Claim.answer: pay_back(visit.context.order, visit.key)}


class Refunds(Machine[Claim]):
    """Pay back what a human approves."""

    read = State(LLMAgent("Why is money wanted back?", reads=Claim.query, writes=Claim.reason), initial=True)
    verify = State(find, reads=Claim.query, writes=Claim.order)
    approve = State(HumanAgent("Pay this back?", reads=(Claim.reason, Claim.order)))
    refund = State(pay, reads=Claim.order, writes=Claim.answer)
    paid, declined = Final(), Final(fallback=True, sets={Claim.answer: DECLINED})
    claimed = read >> verify
    known, unknown = verify.to(approve, guard=is_known), verify.to(declined)
    yes, no = approve.to(refund, "pay"), approve.to(declined, "do not pay")
    done = refund >> paid
    policies = (never(refund).before(yes),)


STORE = MemoryStore()


async def ask(model: Any, query: str, claim_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    result = await Runner(Refunds, model=model, store=STORE).run(Claim(query=query), run_id=claim_id)
    return result.context.answer


async def tell(model: Any, claim_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    said = Refunds.yes if is_yes else Refunds.no
    result = await Runner(Refunds, model=model, store=STORE).resume(claim_id, said)
    return result.context.answer
