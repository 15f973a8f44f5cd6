"""A read that some path did not write: a repeat customer skips the look-up."""

from fsm_orch import Context, Final, Machine, State, Visit


class Ticket(Context):
    query: str
    invoice: str | None = None
    answer: str | None = None


def look(visit: Visit[Ticket]):
    return None


def find_invoice(visit: Visit[Ticket]):
    return {Ticket.invoice: "I7"}


def answer(visit: Visit[Ticket]):
    return {Ticket.answer: f"About {visit.context.invoice}."}


class Desk(Machine[Ticket]):
    """Answer questions about an invoice."""

    sort = State(look, initial=True)
    find = State(find_invoice, writes=(Ticket.invoice,))
    reply = State(answer, reads=(Ticket.invoice,), writes=(Ticket.answer,))
    answered, human = Final(), Final(fallback=True)
    to_find = sort.to(find)
    repeat = sort.to(reply)
    found = find.to(reply)
    done = reply.to(answered)


FOUND = "FSM110"
MENDED = ("repeat = sort.to(reply)", "repeat = sort.to(human)")
