"""Versions of one small shop: as it was, and with each kind of change that a machine may see."""

from __future__ import annotations

from typing import Any

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, at_most, guard, never
from fsm_orch.kernel.renames import Renames

SHOP = """
class Ticket(Context):
    query: str
    verified: bool = False
    if "newread" in V: order: str | None = None
    if "required" in V: tenant: str
    if "field" in V: reply: str | None = None
    else: answer: str | None = None
ANSWER = Ticket.reply if "field" in V else Ticket.answer
if "guardbody" in V:
    @guard
    def is_verified(t: Ticket) -> bool: return not t.verified
else:
    @guard
    def is_verified(t: Ticket) -> bool: return t.verified
def check_identity(visit): return {Ticket.verified: True}
def pay(visit): return {ANSWER: "paid"}
B = "invoices" if "renamed" in V else "billing"
class NAME(Machine[Ticket]):
    "Support."
    triage = State(LLMAgent("Decide well." if "prompt" in V else "Decide.", reads=Ticket.query,
                            writes=Ticket.order if "newread" in V else (), calls=1 if "calls" in V else 2),
                   initial=True, max_visits=1 if "tighter" in V else 3)
    b = State(LLMAgent("Answer.", reads=(Ticket.query, *((Ticket.order,) if "newread" in V else ())), writes=ANSWER),
              max_visits=3, entry="entry" in V)
    locals()[B] = b
    if "removed" not in V: verify = State(check_identity, writes=Ticket.verified, repeatable="repeatable" in V)
    refund = State(pay, writes=ANSWER)
    if "added" in V: sales = State(LLMAgent("Sell.", reads=Ticket.query, writes=ANSWER))
    answered = Final()
    human = Final(fallback=True, sets={ANSWER: "later"})
    locals()["to_" + B] = triage.to(b, "invoices")
    if "removed" in V: to_refund = triage.to(refund, "money back")
    else:
        to_verify = triage.to(verify, "money back")
        approved = verify.to(refund, guard=is_verified)
        refused = verify.to(human)
    if "added" in V:
        to_sales = triage.to(sales, "buy")
        sold = sales.to(answered, "sold")
    back = b.to(triage, "not billing")
    done = (b | refund).to(answered, "answered")
    to_human = triage.to(human, "else")
    del b
    limits = Limits(hops=4 if "fewest" in V else 5 if "fewer" in V else 9 if "more" in V else 7, tokens=60_000)
    if "at_most" in V: policies = (at_most(2, triage),)
    if "policy" in V: policies = (never(locals()[B]).after(triage),)
"""


def shop(*changes: str) -> Any:
    """Return the shop with some changes; each time another class, as in another process."""
    names: dict[str, Any] = {
        **{each.__name__: each for each in (Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit)},
        **{"guard": guard, "never": never, "at_most": at_most, "V": changes, "__name__": "shop"},
    }
    name = "Help" if "called" in changes else "Support"
    exec(SHOP.replace("NAME", name), names)
    return names[name]


TO_INVOICES = Renames(states={"billing": "invoices"}, handoffs={"to_billing": "to_invoices"})
