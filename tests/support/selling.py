"""A desk that breaks its policies in every way there is: surely, possibly, and not at all."""

from __future__ import annotations

import enum
import zlib

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit, at_most, eventually, guard, never
from fsm_orch.proof.explore.exploration import explore


class Kind(enum.Enum):
    NEW = "new"
    USED = "used"


class Order(Context):
    amount: int
    kind: Kind = Kind.NEW
    paid: bool = False
    answer: str = ""


@guard
def is_paid(order: Order) -> bool:
    return order.paid


@guard
def is_big(order: Order) -> bool:
    return order.amount > 1_000


@guard
def is_lucky(order: Order) -> bool:
    return zlib.crc32(str(order.amount).encode()) % 1_001 == 7


@guard
def is_absurd(order: Order) -> bool:
    return order.amount != order.amount


class Paid(Context):
    paid: bool


def model(instructions: str, *writes: object) -> LLMAgent:
    return LLMAgent(instructions, writes=writes, max_input_tokens=900, max_output_tokens=100)


def work(visit: Visit[Order]) -> None:
    return None


class Desk(Machine[Order]):
    """Sell, search as often as wanted, and send."""

    sort = State(model("Sort."), initial=True)
    search = State(model("Search.", Order.answer), max_visits=5)
    pay = State(work, writes=(Order.paid,))
    send = State(work)
    sent, human = Final(), Final(fallback=True)
    to_search = sort.to(search, "search")
    to_pay = sort.to(pay, "pay")
    again = search.to(search, "search again")
    found = search.to(pay, "found")
    rush = search.to(send, "no time")
    big = sort.to(send, "big", guard=is_big)
    absurd = sort.to(send, "absurd", guard=is_absurd)
    lucky = sort.to(send, "lucky", guard=is_lucky)
    to_send = pay.to(send, guard=is_paid)
    lost = search.on_failure(send)
    done = send.to(sent)
    limits = Limits(hops=6, tokens=9_000)
    policies = (
        at_most(3, search),
        never(rush),
        never(big),
        never(absurd),
        eventually(send),
        never(lost),
        never(lucky),
    )


def judged(number: int):
    return explore(Desk.definition).policies[number]
