"""Fraud: five steps in a row, each validated by code before the next, and an analyst where the score is in doubt.

    read       a model says what was bought and where       what it says stands in the words of the payment
    look_up    code finds the customer                      there is one
    compare    code compares both, rule by rule             every rule was tried
    score      code adds up the points                      from 0 to 100, and the sum of its signals
    explain    a model says why, to a colleague             it is short, and not empty
    cleared, blocked, by_analyst; `analyst`, a human, decides from 30 points to 70, and whatever was not valid

The pattern is a sequence whose handoffs are guards: a step that did nothing useful hands nothing on. Rules are code, so
who asks why is told the rule; a model reads and explains, and decides nothing. Do not use it where steps need each
other's doubts (then let one send back, as in `machines/research.py`), or where one step does: each costs a hop.

Proved of every run: no score before each step before it is valid, and nothing blocked without a reason or an analyst:

    fsm-orch check machines.fraud
    fsm-orch run machines.fraud "Customer 17 paid 940.00 EUR for electronics in Lagos at 03:12"

The small local model reads five of six places right, and calls nearly all goods jewellery. What it makes up is found,
so five of six came to the analyst without a score.
"""

from __future__ import annotations

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, guard, never
from fsm_orch.agents import Changes
from machines.signals import CUSTOMERS, RULES, Facts, Goods, Place, cents_of, customer_of, points_of, signals_of


class Payment(Context):
    """A payment, and what the steps make of it."""

    text: str
    goods: Goods | None = None
    place: Place | None = None
    customer: int | None = None
    signals: tuple[tuple[str, bool], ...] = ()
    """Each rule, and whether it fires."""
    points: int = -1
    why: str | None = None


@guard
def is_read(payment: Payment) -> bool:
    return str(payment.place) in payment.text and str(payment.goods) in payment.text and cents_of(payment.text) > 0


@guard
def is_known(payment: Payment) -> bool:
    return payment.customer in CUSTOMERS


@guard
def is_compared(payment: Payment) -> bool:
    return dict(payment.signals).keys() == RULES.keys()


@guard
def is_scored(payment: Payment) -> bool:
    return payment.points == points_of(payment.signals)


@guard
def is_explained(payment: Payment) -> bool:
    return 0 < len((payment.why or "").strip()) <= 300


@guard
def is_safe(payment: Payment) -> bool:
    return 0 <= payment.points < 30


@guard
def is_fraud(payment: Payment) -> bool:
    return payment.points > 70


def find_customer(visit: Visit[Payment]) -> Changes:
    return {Payment.customer: customer_of(visit.context.text)}


def compare_rules(visit: Visit[Payment]) -> Changes:
    payment = visit.context
    return {Payment.signals: signals_of(Facts(payment.text, payment.goods, payment.place), payment.customer or 0)}


def add_points(visit: Visit[Payment]) -> Changes:
    return {Payment.points: points_of(visit.context.signals)}


def judge(_: Visit[Payment]) -> Changes:
    """Write nothing: the guards of the handoffs judge."""
    return {}


class Screening(Machine[Payment]):
    """Clear a payment, block it, or ask an analyst."""

    read = State(
        LLMAgent(
            "Which goods were bought, and in which place?",
            does="read payments",
            reads=Payment.text,
            writes=(Payment.goods, Payment.place),
            max_output_tokens=48,
        ),
        initial=True,
        timeout_s=60,
    )
    check = State(judge, repeatable=True)
    look_up = State(find_customer, reads=Payment.text, writes=Payment.customer, repeatable=True)
    compare = State(
        compare_rules,
        reads=(Payment.text, Payment.goods, Payment.place, Payment.customer),
        writes=Payment.signals,
        repeatable=True,
    )
    score = State(add_points, reads=Payment.signals, writes=Payment.points, repeatable=True)
    explain = State(
        LLMAgent(
            "Say in one short sentence which signals of fraud the payment has.",
            does="explain scores",
            must_not="judge payments",
            reads=(Payment.text, Payment.signals, Payment.points),
            writes=Payment.why,
            max_output_tokens=80,
        ),
        timeout_s=60,
    )
    decide = State(judge, repeatable=True)
    analyst = State(HumanAgent("Is this payment good?", reads=Payment.text), expires_s=86_400)
    cleared, blocked, by_analyst = Final(), Final(), Final(fallback=True)

    said = read >> check
    was_read = check.to(look_up, guard=is_read)
    was_found = look_up.to(compare, guard=is_known)
    was_compared = compare.to(score, guard=is_compared)
    safe = score.to(cleared, guard=is_scored & is_safe)  # nobody asks why of a payment that is cleared
    was_scored = score.to(explain, guard=is_scored & ~is_safe)
    told = explain >> decide
    certain = decide.to(blocked, guard=is_explained & is_fraud)
    doubt = (check | look_up | compare | score | decide).to(analyst)
    not_valid = (read | explain).on_failure(analyst)
    good, bad = analyst.to(cleared, "clear it"), analyst.to(blocked, "block it")
    late = analyst.on_timeout(by_analyst)

    limits = Limits(hops=8, tokens=8_448, deadline_s=200)
    policies = (
        never(score).before(was_read),
        never(score).before(was_found),
        never(score).before(was_compared),
        never(explain).before(was_scored),
        never(cleared).before(safe | good),
        never(blocked).before(certain | bad),
        never(certain).when(~is_explained),
    )
