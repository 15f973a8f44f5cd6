"""Overlapping guards: a big order of a regular customer fits both, and the first one declared wins."""

from fsm_orch import Context, Final, Machine, State, Visit, guard, never


class Order(Context):
    regular: bool
    big: bool


@guard
def is_regular(order: Order) -> bool:
    return order.regular


@guard
def is_big(order: Order) -> bool:
    return order.big


def look(visit: Visit[Order]):
    return None


class Approval(Machine[Order]):
    """Approve what is harmless, review what is big."""

    sort = State(look, initial=True)
    review = State(look)
    approved, human = Final(), Final(fallback=True)
    harmless = sort.to(approved, guard=is_regular)
    risky = sort.to(review, guard=is_big)
    other = sort.to(human)
    reviewed = review.to(approved)
    policies = (never(harmless).after(is_big),)


FOUND = "FSM201"
MENDED = ("guard=is_regular)", "guard=is_regular & ~is_big)")
SUGGESTED = "the guard `guard=is_regular & ~is_big`"
