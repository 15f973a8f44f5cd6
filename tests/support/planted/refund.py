"""A refund without verification: a shortcut that somebody added for good customers."""

from fsm_orch import Context, Final, LLMAgent, Machine, State, Visit, guard, never


class Ticket(Context):
    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


def check_identity(visit: Visit[Ticket]):
    return {Ticket.verified: "please" in visit.context.query}


def issue_refund(visit: Visit[Ticket]):
    return {Ticket.answer: "The money is on its way."}


class Refunds(Machine[Ticket]):
    """Refund whom triage believes."""

    triage = State(LLMAgent("Decide what the customer wants.", reads=(Ticket.query,)), initial=True)
    verify = State(check_identity, reads=(Ticket.query,), writes=(Ticket.verified,), max_visits=1)
    refund = State(issue_refund, writes=(Ticket.answer,))
    answered, human = Final(), Final(fallback=True)
    to_verify = triage.to(verify, "the customer wants money back")
    to_human = triage.to(human, "anything else")
    shortcut = triage.to(refund, "a good customer wants money back")
    approved = verify.to(refund, guard=is_verified)
    unsure = verify.to(triage, "not verified")
    done = refund.to(answered)
    policies = (never(refund).before(verify),)


FOUND = "FSM411"
MENDED = ('    shortcut = triage.to(refund, "a good customer wants money back")\n', "")
SUGGESTED = "remove the handoff `shortcut`"
