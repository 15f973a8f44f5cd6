"""Runs that were landed, each for a reason of its own, with prices: what a stranger is to explain from the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Given,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Response,
    Runner,
    ScriptedModel,
    State,
    Usage,
    Visit,
    guard,
)  # fmt: skip
from fsm_orch.amounts import Price

PRICE = Price("0.25", "2")


class Claim(Context):
    """What somebody wants back."""

    query: str
    cents: Given[int] = 0
    note: str | None = None
    receipt: str | None = None


@guard
def is_small(claim: Claim) -> bool:
    return claim.cents < 1_000


def look(visit: Visit[Claim]) -> Any:
    """Look it up."""
    return {Claim.note: f"{visit.context.query}: no such order"}


class Refunds(Machine[Claim]):
    """Pay small claims back, and look up what is not clear."""

    route = State(
        LLMAgent("Pay it, or look it up?", reads=Claim.query, calls=2, max_input_tokens=600, max_output_tokens=60),
        initial=True, max_visits=2,
    )  # fmt: skip
    search = State(look, reads=Claim.query, writes=Claim.note)
    paid, human = Final(), Final(fallback=True, sets={Claim.receipt: "A colleague will write to you."})
    pay, unclear = route.to(paid, "pay it", guard=is_small), route.to(search, "look it up")
    again = search >> route
    limits = Limits(hops=12, tokens=3_000)


class Landing(NamedTuple):
    """A run that lands."""

    reason: str
    script: list[Any]
    says: str
    """What its page says of why."""
    led_by: str
    """What the record says that led there."""
    query: str = "where is my parcel?"
    cents: int = 0
    limits: Limits | None = None


LOOK, PAY = {"handoff": "unclear"}, {"handoff": "pay"}
LANDINGS = {
    "a visit bound": Landing(
        "no_handoff", [LOOK, LOOK],
        "there was no way on: nothing is legal in 'search', 'again' since 'route' has been visited 2 times, "
        "which is its limit (no_handoff)",
        "search again, visit 2",
    ),
    "a denied budget": Landing(
        "denied", ["I would pay it."], "an agent was denied a call: CallDenied", "call 2 denied",
        query="x" * 250, limits=Limits(hops=12, tokens=660),
    ),
    "no money": Landing(
        "no_handoff", [LOOK], "'again' since the first call of 'route' may take 660 tokens", "search",
        limits=Limits(hops=12, tokens=800),
    ),
    "a hop bound": Landing(
        "no_handoff", [LOOK], "'again' since 1 of 2 hops are taken and the last one is kept for landing", "search",
        limits=Limits(hops=2, tokens=3_000),
    ),
    "a cap": Landing(
        "denied", [], "an agent was denied a call: CallDenied", "failed: denied", query="x" * 700,
    ),
    "a guard": Landing(
        "refusal", [PAY, PAY], "a reply was refused, and not repaired: ", "refused pay", cents=5_000,
    ),
    "a refused reply": Landing(
        "refusal", ["I would pay it.", "Really."], "a reply was refused, and not repaired: ", "refused the reply",
    ),
    "a provider that failed": Landing(
        "failure", [CallFailed("overloaded", "try later", unsent=True)], "an agent failed: ", "failed: error",
    ),
    "a provider that overspent": Landing(
        "overrun", [Response(text='{"handoff": "pay"}', usage=Usage(requests=1, input_tokens=700, output_tokens=9))],
        "a call used more than it had reserved (overrun)", "call 1 took",
    ),
}  # fmt: skip


def landing(name: str) -> Runner[Claim, None]:
    """Return a runner whose run lands."""
    model = ScriptedModel(LANDINGS[name].script, price=PRICE)
    return Runner(Refunds, model=model, store=MemoryStore(), limits=LANDINGS[name].limits, retry=None)
