"""A dead end behind a guard: urgent orders go to a desk that only paid ones leave."""

from fsm_orch import Context, Final, Machine, State, Visit, guard


class Order(Context):
    urgent: bool
    paid: bool


@guard
def is_urgent(order: Order) -> bool:
    return order.urgent


@guard
def is_paid(order: Order) -> bool:
    return order.paid


def look(visit: Visit[Order]):
    return None


class Desk(Machine[Order]):
    """Send what is urgent first."""

    sort = State(look, initial=True)
    express = State(look)
    sent, human = Final(), Final(fallback=True)
    to_express = sort.to(express, guard=is_urgent)
    later = sort.to(human)
    send = express.to(sent, guard=is_paid)


FOUND = "FSM202"
MENDED = ("guard=is_paid)\n", "guard=is_paid)\n    unpaid = express.to(human)\n")
